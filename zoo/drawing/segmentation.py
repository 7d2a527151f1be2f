"""Photo, truth and prediction side by side, over the names of the colours."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Integer, UInt8
from PIL import Image, ImageDraw

from zoo.data.segmentation import VOID, SegmentationSplit
from zoo.drawing.colours import voc_colours
from zoo.drawing.sheets import captioned, enlarged

SHOWN_HEIGHT = 200  # that smaller pictures are enlarged up to
ROW, COLUMN = 16, 96  # of the legend, pixels


def panels(
    split: SegmentationSplit, predictions: Mapping[str, Integer[np.ndarray, "_ _"]]
) -> dict[str, UInt8[np.ndarray, "_ _ 3"]]:
    """A panel for each picture of a split that there is a prediction of, by id."""
    place = {name: i for i, name in enumerate(split.ids)}
    return {name: _panel(*split[place[name]], labels, split.classes) for name, labels in predictions.items()}


def _panel(
    image: UInt8[np.ndarray, "h w 3"],
    truth: UInt8[np.ndarray, "h w"],
    prediction: Integer[np.ndarray, "h w"],
    classes: tuple[str, ...],
) -> UInt8[np.ndarray, "H W 3"]:
    right = (truth == prediction)[truth != VOID]
    said = f"prediction, {right.mean():.0%} right" if right.size else "prediction"
    sides = {"photo": image, "truth": voc_colours()[truth], said: voc_colours()[prediction]}
    panel = np.hstack([captioned(enlarged(side, height=SHOWN_HEIGHT), text) for text, side in sides.items()])
    occurring = np.union1d(truth[truth != VOID], prediction)
    return np.vstack([panel, legend([(k, classes[k]) for k in occurring], panel.shape[1])])


def legend(entries: list[tuple[int, str]], width: int) -> UInt8[np.ndarray, "h {width} 3"]:
    """A patch of colour and a name per class, in rows."""
    across = max(1, width // COLUMN)
    sheet = Image.new("RGB", (width, ROW * -(-len(entries) // across)), "white")
    draw = ImageDraw.Draw(sheet)
    for place, (label, name) in enumerate(entries):
        x, y = place % across * COLUMN, place // across * ROW
        draw.rectangle((x + 2, y + 3, x + 12, y + 13), fill=tuple(voc_colours()[label].tolist()))
        draw.text((x + 16, y + 2), name, fill="black")
    return np.array(sheet)

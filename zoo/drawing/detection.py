"""The true things of a picture and the sure detections side by side: masks, boxes and names."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, UInt8
from PIL import Image, ImageDraw

from zoo.data.coco import CocoSplit, decompressed, filled
from zoo.drawing.colours import voc_colours
from zoo.drawing.sheets import captioned, spread
from zoo.scoring.detection import Found
from zoo.scoring.units import Units

PICTURES, SURE, SHOWN_SIDE = 4, 0.5, 288  # shown: pictures, detections from this score on, least longer side in pixels


def panels(split: CocoSplit, units: Units) -> dict[str, UInt8[np.ndarray, "_ _ 3"]]:
    """A few pictures spread over a split, by the name of their file."""
    return {split.picture(i).stem: _panel(split, units, i) for i in spread(len(split), PICTURES)}


def _panel(split: CocoSplit, units: Units, i: int) -> UInt8[np.ndarray, "H W 3"]:
    image, truth = split[i]
    found = found_again(units, i, shape=image.shape[:2])
    sure = found.scores >= SURE
    names = split.classes
    true = [names[k] + " (crowd)" * int(crowd) for k, crowd in zip(truth.classes, truth.crowd, strict=True)]
    said = [f"{names[k]} {score:.2f}" for k, score in zip(found.classes[sure], found.scores[sure], strict=True)]
    sides = {
        "truth": drawn(image, truth.boxes, truth.masks, truth.classes, true),
        f"detected, score {SURE} or more": drawn(
            image, found.boxes[sure], found.masks[sure], found.classes[sure], said
        ),
    }
    return np.hstack([captioned(side, text) for text, side in sides.items()])


def found_again(units: Units, i: int, *, shape: tuple[int, int]) -> Found:
    """What a detector said about the i-th picture, of this size, out of the units."""
    height, width = shape
    rles = units.rows["rle"][i].tobytes().decode().split()
    masks = [filled(decompressed(rle), height=height, width=width) for rle in rles]
    return Found(
        units.rows["box"][i].reshape(-1, 4),
        units.rows["score"][i],
        units.rows["class"][i],
        np.array(masks, bool).reshape(-1, height, width),
    )


def drawn(
    image: UInt8[np.ndarray, "h w 3"],
    boxes: npt.NDArray[Any],
    masks: Bool[np.ndarray, "k h w"],
    classes: npt.NDArray[Any],
    labels: Sequence[str],
) -> UInt8[np.ndarray, "H W 3"]:
    """A picture with things on it, small ones enlarged: masks in the colours of their classes, boxes, labels."""
    zoom = -(-SHOWN_SIDE // max(image.shape[:2])) if max(image.shape[:2]) < SHOWN_SIDE else 1
    size = (image.shape[1] * zoom, image.shape[0] * zoom)
    canvas = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    colours = voc_colours()[classes + 1]
    for mask, colour in zip(masks, colours, strict=True):
        within = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        canvas[within] = canvas[within] // 2 + colour // 2
    sheet = Image.fromarray(canvas)
    draw = ImageDraw.Draw(sheet)
    for (left, top, width, height), colour, label in zip(boxes * zoom, colours, labels, strict=True):
        ink = tuple(colour.tolist())
        draw.rectangle((left, top, left + width - 1, top + height - 1), outline=ink, width=2)
        corner = (max(left, 0) + 2, max(top, 0) + 1)
        draw.rectangle(draw.textbbox(corner, label), fill="white")
        draw.text(corner, label, fill="black")
    return np.array(sheet)

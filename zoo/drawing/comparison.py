"""Two models side by side: gain by class, unit by unit, and pictures of the units that changed most."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zoo.drawing.plots import rendered
from zoo.drawing.sheets import captioned

BETTER, WORSE = "#2a7f3f", "#b3302a"
MOST = 24  # bars of a panel
HEIGHT, WIDEST = 160, 1200  # pixels of a picture, and of a row of them


def gains(panels: Mapping[str, Mapping[str, float]], *, title: str, metric: str) -> UInt8[np.ndarray, "h w 3"]:
    """A panel of bars for each of the ways that a score is taken apart, positive where the second model is better."""
    shown = {name: dict(list(parts.items())[:MOST]) for name, parts in panels.items() if parts}
    rows = max(map(len, shown.values()))
    figure = Figure(figsize=(5.5 * len(shown), 1.4 + 0.28 * rows), dpi=100, layout="constrained")
    figure.suptitle(title, fontsize=10)
    for axes, (name, parts) in zip(figure.subplots(1, len(shown), squeeze=False).flat, shown.items(), strict=True):
        _bars(axes, parts)
        axes.set_title(name, fontsize=9)
        axes.set_xlabel(f"gain in {metric}")
    return rendered(figure)


def _bars(axes: Axes, parts: Mapping[str, float]) -> None:
    colours = [BETTER if gain > 0 else WORSE for gain in parts.values()]
    axes.barh(range(len(parts)), list(parts.values()), color=colours)
    axes.set_yticks(range(len(parts)), list(parts))
    axes.invert_yaxis()
    axes.axvline(0, color="black", linewidth=0.8)
    axes.grid(alpha=0.3, axis="x")


def strip(pictures: Sequence[UInt8[np.ndarray, "_ _ 3"]], *lines: str) -> UInt8[np.ndarray, "h w 3"]:
    """Pictures of one unit side by side, of one height, above what there is to say of it."""
    rows = [_of_height(picture) for picture in pictures]
    row = np.hstack(rows)
    if row.shape[1] > WIDEST:
        row = np.vstack([_padded(each, max(one.shape[1] for one in rows)) for each in rows])
    room = max(row.shape[1], 7 * max(map(len, lines)) + 8)  # letters of Pillow's own font are 6 pixels wide
    return captioned(_padded(row, room), *lines)


def sheet(strips: Sequence[UInt8[np.ndarray, "_ _ 3"]]) -> UInt8[np.ndarray, "h w 3"]:
    """One below the other, on white."""
    width = max(each.shape[1] for each in strips)
    return np.vstack([_padded(each, width) for each in strips])


def _of_height(picture: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "H W 3"]:
    height, width = picture.shape[:2]
    if height > HEIGHT * 1.5 and width > WIDEST:  # a sheet of its own: as it is
        return picture
    size = (max(1, round(width * HEIGHT / height)), HEIGHT)
    kind = cv2.INTER_AREA if height > HEIGHT else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(picture, size, interpolation=kind), dtype=np.uint8)


def _padded(picture: UInt8[np.ndarray, "h w 3"], width: int) -> UInt8[np.ndarray, "h W 3"]:
    return np.pad(picture, ((0, 0), (0, width - picture.shape[1]), (0, 0)), constant_values=255)

"""Two models compared: gain by class and unit by unit, and pictures of the units that changed most."""

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
HEIGHT, WIDEST, GAP = 160, 1100, 8  # pixels: of a picture, of a row of them, between two
LETTER = 6  # pixels, of Pillow's own font


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


def strip(picture: UInt8[np.ndarray, "_ _ 3"], *lines: str) -> UInt8[np.ndarray, "h w 3"]:
    """A picture of one unit above what there is to say of it."""
    shown = _of_height(picture)
    room = LETTER * max(map(len, lines)) + 8
    return captioned(_padded(shown, max(shown.shape[1], room)), *lines)


def sheet(strips: Sequence[UInt8[np.ndarray, "_ _ 3"]]) -> UInt8[np.ndarray, "h w 3"]:
    """Side by side as long as there is room, then below, on white."""
    rows: list[list[UInt8[np.ndarray, "_ _ 3"]]] = [[]]
    for each in strips:
        if rows[-1] and sum(one.shape[1] + GAP for one in rows[-1]) + each.shape[1] > WIDEST:
            rows.append([])
        rows[-1].append(each)
    joined = [_beside(row) for row in rows]
    width = max(row.shape[1] for row in joined)
    return np.vstack([_padded(row, width) for row in joined])


def _beside(row: Sequence[UInt8[np.ndarray, "_ _ 3"]]) -> UInt8[np.ndarray, "h w 3"]:
    height = max(each.shape[0] for each in row)
    pads = [((0, height - each.shape[0]), (0, GAP), (0, 0)) for each in row]
    return np.hstack([np.pad(each, pad, constant_values=255) for each, pad in zip(row, pads, strict=True)])


def _of_height(picture: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "H W 3"]:
    """As high as its neighbours; a wide sheet of its own as wide as there is room."""
    height, width = picture.shape[:2]
    scale = min(HEIGHT / height, WIDEST / width) if width < 2 * height else min(1.0, WIDEST / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(picture, size, interpolation=kind), dtype=np.uint8)


def _padded(picture: UInt8[np.ndarray, "h w 3"], width: int) -> UInt8[np.ndarray, "h W 3"]:
    return np.pad(picture, ((0, 0), (0, width - picture.shape[1]), (0, 0)), constant_values=255)

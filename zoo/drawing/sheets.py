"""Pieces that pictures are put together from: captions, enlargements, grids, all of them RGB arrays."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

LINE = 18  # pixels of a caption
GAP = 2  # pixels around a picture of a grid


def spread(count: int, most: int) -> list[int]:
    """Up to `most` places out of `count`, evenly from the first to the last."""
    return np.linspace(0, count - 1, num=min(most, count), dtype=int).tolist()


def captioned(picture: UInt8[np.ndarray, "h w 3"], *lines: str) -> UInt8[np.ndarray, "H w 3"]:
    """A picture above lines of text, black on white."""
    height, width = picture.shape[:2]
    sheet = Image.new("RGB", (width, height + LINE * len(lines)), "white")
    sheet.paste(Image.fromarray(picture))
    draw = ImageDraw.Draw(sheet)
    for i, line in enumerate(lines):
        draw.text((4, height + LINE * i + 4), line, fill="black")
    return np.array(sheet)


def enlarged(picture: UInt8[np.ndarray, "h w 3"], *, height: int) -> UInt8[np.ndarray, "H W 3"]:
    """A picture whose pixels were repeated until one more time would make it higher than this."""
    times = max(1, height // picture.shape[0])
    return picture.repeat(times, axis=0).repeat(times, axis=1)


def grid(
    images: UInt8[np.ndarray, "n c h w"], *, columns: int = 10, height: int = 56, captions: Sequence[Sequence[str]] = ()
) -> UInt8[np.ndarray, "H W 3"]:
    """Grey or colour pictures in reading order, enlarged to about a height each.

    Args:
        captions: lines under each picture, equally many; none: no captions.
    """
    coloured = np.broadcast_to(images, (len(images), 3, *images.shape[2:])).transpose(0, 2, 3, 1)
    cells = [
        np.pad(enlarged(i, height=height), ((GAP, GAP), (GAP, GAP), (0, 0)), constant_values=255) for i in coloured
    ]
    if captions:
        cells = [captioned(cell, *lines) for cell, lines in zip(cells, captions, strict=True)]
    columns = min(columns, len(cells))
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % columns)
    return np.vstack([np.hstack(cells[start : start + columns]) for start in range(0, len(cells), columns)])

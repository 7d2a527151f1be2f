"""What people have, as what models take: paths, PIL pictures, arrays and tensors as RGB arrays, or one clear line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from zoo.data.pictures import read_rgb

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".webp", ".tif", ".tiff", ".gif")
VIDEOS = (".avi", ".mp4", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".m4v")
_FORMS = "a path, a PIL picture, a uint8 array (h, w, 3) or (h, w), or a uint8 tensor (3, h, w)"

Given = Any
"""A picture in any form, several of them in a list, or a batch: an array (n, h, w, 3) or a tensor (n, c, h, w)."""


def is_several(given: Given) -> bool:
    """Whether these are several pictures, be it one in a list, and not one."""
    return getattr(given, "ndim", 0) == 4 or (isinstance(given, Sequence) and not isinstance(given, str))


def pictures(given: Given) -> list[UInt8[np.ndarray, "_ _ 3"]]:
    """All pictures that were given, one by one in RGB.

    Raises:
        ValueError: it is no picture in a form that is known, or none at all.
    """
    if not is_several(given):
        return [picture(given)]
    if not len(given):
        raise ValueError("expected at least one picture, got an empty batch.")
    return [picture(one) for one in given]


def picture(given: Given) -> UInt8[np.ndarray, "h w 3"]:
    """One picture in RGB.

    Raises:
        ValueError: it is no picture in a form that is known.
    """
    if isinstance(given, str | Path):
        return _read(Path(given))
    if isinstance(given, Image.Image):
        return np.array(given.convert("RGB"))
    if isinstance(given, Tensor):
        values = given.detach().cpu().numpy()
        return _checked(values.transpose(1, 2, 0) if values.ndim == 3 else values, given.shape, "tensor (3, h, w)")
    if isinstance(given, np.ndarray):
        return _checked(given, given.shape, "array (h, w, 3)")
    raise ValueError(f"expected {_FORMS}, got {type(given).__name__}.")


def _read(path: Path) -> UInt8[np.ndarray, "h w 3"]:
    if path.suffix.lower() in VIDEOS:
        raise ValueError(f"{path}: expected a picture, got a video.")
    if not path.is_file():
        raise ValueError(f"{path}: expected a picture, but there is no such file.")
    return read_rgb(path)


def _checked(values: np.ndarray, shape: Sequence[int], expected: str) -> UInt8[np.ndarray, "h w 3"]:
    """Values with the channels last, where they are a picture's; grey ones three times."""
    if values.dtype != np.uint8:
        raise ValueError(
            f"expected a uint8 {expected} of values 0 ... 255, got {values.dtype}. "
            "Of values 0 ... 1: (255 * values).round(), as uint8."
        )
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3 or values.shape[2] not in (1, 3) or not values.size:
        raise ValueError(f"expected a uint8 {expected}, grey or RGB, got the shape {tuple(shape)}.")
    return np.array(np.broadcast_to(values, (*values.shape[:2], 3)), order="C")


def sized(
    image: UInt8[np.ndarray, "h w 3"], *, channels: int, height: int, width: int
) -> UInt8[np.ndarray, "{channels} {height} {width}"]:
    """A picture as a model takes it that knows one size: made grey if that is it, and scaled as a whole."""
    made = Image.fromarray(image)
    if channels == 1:
        made = made.convert("L")
    if made.size != (width, height):
        made = made.resize((width, height), Image.Resampling.BILINEAR)
    return np.array(made).reshape(height, width, channels).transpose(2, 0, 1)


def picture_files(folder: Path) -> list[Path]:
    """The pictures in a folder, by name.

    Raises:
        ValueError: there are none.
    """
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES and path.is_file())
    if not found:
        raise ValueError(f"{folder}: expected pictures ({', '.join(PICTURES)}), found none.")
    return found

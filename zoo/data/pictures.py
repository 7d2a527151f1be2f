"""Picture files as arrays; what cannot be read is an error that names the file."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

_REMEDY = "The file is damaged or not a picture: `zoo data verify` says whether it changed; else fetch it again."


def read_rgb(path: Path) -> UInt8[np.ndarray, "h w 3"]:
    """A picture in RGB.

    Raises:
        ValueError: no picture can be read from the file.
    """
    with _open(path) as picture:
        return np.array(_decoded(picture, path).convert("RGB"))


def read_indices(path: Path) -> UInt8[np.ndarray, "h w"]:
    """The bytes of a one-channel picture: of a palette picture the indices, never the colours.

    Raises:
        ValueError: no picture can be read from the file, or it has more than one channel.
    """
    with _open(path) as picture:
        if picture.mode not in ("P", "L"):
            raise ValueError(
                f"{path}: expected a palette or grey picture whose values are class indices, got mode {picture.mode}. "
                "Colour-coded labels have to be turned into indices first."
            )
        return np.array(_decoded(picture, path))


def read_size(path: Path) -> tuple[int, int]:
    """Width and height of a picture, as its header has them.

    Raises:
        ValueError: no picture can be read from the file.
    """
    with _open(path) as picture:
        return picture.size


def _open(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except FileNotFoundError:
        raise ValueError(f"{path}: expected a picture, but there is no such file. Fetch the data set again.") from None
    except (OSError, SyntaxError) as error:
        raise ValueError(f"{path}: expected a picture, got: {error}. {_REMEDY}") from error


def _decoded(picture: Image.Image, path: Path) -> Image.Image:
    try:
        picture.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"{path}: expected a whole picture, got: {error}. {_REMEDY}") from error
    return picture

"""Picture files as arrays; what cannot be read is an error that names the file."""

from pathlib import Path

import numpy as np
from jaxtyping import Int32, UInt8
from PIL import Image

MOST_PIXELS = 89_478_485
"""Pillow's limit, beyond which a picture is taken for a decompression bomb: 256 MB in RGB."""
BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_REMEDY = "The file is damaged or not a picture: `zoo data verify` says whether it changed; else fetch it again."


def read_rgb(path: Path) -> UInt8[np.ndarray, "h w 3"]:
    """A picture in RGB.

    Raises:
        ValueError: no picture can be read from the file.
    """
    with _open(path) as picture:
        decoded = _decoded(picture, path)
        return np.array(decoded if decoded.mode == "RGB" else decoded.convert("RGB"))  # converting copies even then


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


def read_numbers(path: Path) -> Int32[np.ndarray, "h w"]:
    """The values of a one-channel picture of up to 31 bits, as labels by instance are.

    Raises:
        ValueError: no picture can be read from the file, or it has more than one channel.
    """
    with _open(path) as picture:
        if picture.mode not in ("I;16", "I", "L"):
            raise ValueError(f"{path}: expected a picture of whole numbers, got mode {picture.mode}. {_REMEDY}")
        return np.array(_decoded(picture, path)).astype(np.int32)


def read_size(path: Path) -> tuple[int, int]:
    """Width and height of a picture, as its header has them.

    Raises:
        ValueError: no picture can be read from the file.
    """
    with _open(path) as picture:
        return picture.size


def _open(path: Path) -> Image.Image:
    try:
        picture = Image.open(path)
    except FileNotFoundError:
        raise ValueError(f"{path}: expected a picture, but there is no such file. Fetch the data set again.") from None
    except BOMBS as error:
        raise _too_large(path, str(error)) from None
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"{path}: expected a picture, got: {error}. {_REMEDY}") from error
    if picture.width * picture.height > MOST_PIXELS:  # Pillow alone stops at twice as many
        picture.close()
        raise _too_large(path, f"{picture.width}x{picture.height}")
    return picture


def _too_large(path: Path, got: str) -> ValueError:
    return ValueError(
        f"{path}: expected a picture of at most {MOST_PIXELS:,} pixels, got: {got}. Such a file can fill the memory. "
        "Make the picture smaller, or leave it out by --skip-bad."
    )


def _decoded(picture: Image.Image, path: Path) -> Image.Image:
    try:
        picture.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"{path}: expected a whole picture, got: {error}. {_REMEDY}") from error
    return picture

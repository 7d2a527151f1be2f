"""SVHN's cropped digits: house numbers out of Street View, 32 x 32 in colour.

    {train,test}_32x32.mat   X (32, 32, 3, n) bytes, y (n, 1) digits, where 10 stands for 0

Read by our own reader of numbers, which executes nothing. Source: Netzer et al., "Reading digits in natural images with
unsupervised feature learning", NIPS workshop 2011; ufldl.stanford.edu/housenumbers, format 2.
"""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from zoo.data.convert.mat import read_array

CLASSES = tuple("0123456789")
SIDE = 32


def open_svhn(folder: Path, split: str) -> tuple[UInt8[np.ndarray, "n 3 32 32"], UInt8[np.ndarray, "n"]]:
    """The pictures and digits of a split.

    Raises:
        ValueError: no such split or file, damage, or shapes or digits that do not fit.
    """
    if split not in ("train", "test"):
        raise ValueError(f"{folder}: expected the split train or test, got {split!r}.")
    path = folder / f"{split}_32x32.mat"
    try:
        images, digits = read_array(path, "X"), read_array(path, "y").ravel().astype(np.int64)
    except FileNotFoundError:
        raise ValueError(f"{folder}: expected {path.name} of SVHN, format 2, found none. Fetch it there.") from None
    except ValueError as error:
        raise ValueError(
            f"{path}: expected SVHN's pictures X and digits y, got {error}. Fetch the file again."
        ) from error
    if images.dtype != np.uint8 or images.shape != (SIDE, SIDE, 3, len(digits)):
        raise ValueError(
            f"{path}: expected bytes of {SIDE} x {SIDE} x 3 x {len(digits)}, a picture for each digit, got "
            f"{images.dtype} {' x '.join(map(str, images.shape))}. Fetch the file again."
        )
    if strange := [int(at) for at in np.flatnonzero((digits < 1) | (digits > len(CLASSES)))]:
        raise ValueError(
            f"{path}: expected digits 1 to 10, got {digits[strange[0]]} for picture {strange[0]}. Fetch the file again."
        )
    return np.ascontiguousarray(images.transpose(3, 2, 0, 1)), (digits % len(CLASSES)).astype(np.uint8)

"""Pictures of digits in MNIST's idx files, plain or compressed.

    {train,t10k}-images-idx3-ubyte[.gz]   {train,t10k}-labels-idx1-ubyte[.gz]

in the folder itself or in its `raw/` or `MNIST/raw/`. Any picture size. Source: LeCun, Cortes, Burges,
"The MNIST database of handwritten digits", file formats.
"""

import gzip
import math
import zlib
from io import BufferedIOBase
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

CLASSES = tuple("0123456789")
_DEFLATE = 1032  # to how many bytes gzip can unpack one (zlib, technical details)
_PREFIX = {"train": "train", "test": "t10k"}


def open_mnist(folder: Path, split: str) -> tuple[UInt8[np.ndarray, "n h w"], UInt8[np.ndarray, "n"]]:
    """The pictures, 0 (paper) to 255 (ink), and the digits of a split.

    Raises:
        ValueError: no such split, files missing, or their header, length or values do not fit.
    """
    if split not in _PREFIX:
        raise ValueError(f"{folder}: expected the split train or test, got {split!r}.")
    pictures = _find(folder, f"{_PREFIX[split]}-images-idx3-ubyte")
    truth = _find(folder, f"{_PREFIX[split]}-labels-idx1-ubyte")
    images, labels = read_idx(pictures, axes=3), read_idx(truth, axes=1)
    if len(images) != len(labels):
        raise ValueError(
            f"{truth}: expected a label for each of the {len(images)} pictures in {pictures.name}, got {len(labels)}. "
            "The two files do not belong together; fetch both again."
        )
    if labels.max(initial=0) >= len(CLASSES):
        at = int(labels.argmax())
        raise ValueError(f"{truth}: expected digits 0 to 9, got {labels[at]} for picture {at}. Fetch the file again.")
    return images, labels


def read_idx(path: Path, *, axes: int) -> np.ndarray:
    """The bytes of an idx file as an array of so many axes.

    Raises:
        ValueError: damaged compression, another magic number, or more or fewer bytes than the header says.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return _read_idx(file, path, axes=axes)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path}: expected a whole gzip file, got: {error}. Fetch the file again.") from error


def _read_idx(file: BufferedIOBase, path: Path, *, axes: int) -> np.ndarray:
    """Unpacks no more than the header promises, and believes no promise that the file cannot keep."""
    magic = bytes([0, 0, 8, axes])  # 8: unsigned bytes
    header = file.read(4 + 4 * axes)
    if len(header) < 4 + 4 * axes or header[:4] != magic:
        raise ValueError(
            f"{path}: expected an idx file of bytes with {axes} axes (magic {magic.hex()}), "
            f"got {len(header)} bytes that start with {header[:4].hex() or 'nothing'}. Fetch the file again."
        )
    shape = tuple(int(n) for n in np.frombuffer(header, ">u4", offset=4))
    promised, most = math.prod(shape), _DEFLATE * path.stat().st_size
    data = file.read(promised + 1) if promised <= most else b""
    if len(data) != promised:
        got = f"a file of at most {most}" if promised > most else "more" if len(data) > promised else len(data)
        raise ValueError(
            f"{path}: its header promises {'x'.join(map(str, shape))} = {promised} bytes, "
            f"got {got}. The file is cut or damaged; fetch it again."
        )
    return np.frombuffer(data, np.uint8).reshape(shape).copy()  # writable


def _find(folder: Path, name: str) -> Path:
    for root in (folder, folder / "raw", folder / "MNIST" / "raw"):
        for path in (root / name, root / f"{name}.gz"):
            if path.is_file():
                return path
    raise ValueError(
        f"{folder}: expected {name} or {name}.gz in it, in raw/ or in MNIST/raw/, found none. "
        "Copy the four MNIST files there."
    )

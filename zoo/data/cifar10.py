"""CIFAR-10 in its binary form: records of one label byte and 3 x 32 x 32 picture bytes, planes red, green, blue.

    {data_batch_1 ... data_batch_5, test_batch}.bin   in the folder itself or in its `cifar-10-batches-bin/`

The python form is a pickle, which can run code: it is not read. Source: Krizhevsky, CIFAR-10 home page, binary version.
"""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
RECORD = 1 + 3 * 32 * 32
_FILES = {"train": "data_batch_*.bin", "test": "test_batch*.bin"}


def open_cifar10(folder: Path, split: str) -> tuple[UInt8[np.ndarray, "n 3 32 32"], UInt8[np.ndarray, "n"]]:
    """The pictures and labels of a split.

    Raises:
        ValueError: no such split or file, or a length or label that does not fit.
    """
    if split not in _FILES:
        raise ValueError(f"{folder}: expected the split train or test, got {split!r}.")
    files = sorted((*folder.glob(_FILES[split]), *folder.glob(f"cifar-10-batches-bin/{_FILES[split]}")))
    if not files:
        raise ValueError(
            f"{folder}: expected {_FILES[split]} (CIFAR-10, binary version), found none. "
            "Fetch cifar-10-binary.tar.gz and unpack it there."
        )
    records = np.concatenate([_records(path) for path in files])
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0]


def _records(path: Path) -> UInt8[np.ndarray, "n 3073"]:
    size = path.stat().st_size
    if size == 0 or size % RECORD:
        raise ValueError(f"{path}: expected a multiple of {RECORD} bytes, got {size}. It is cut short; fetch it again.")
    records = np.fromfile(path, dtype=np.uint8).reshape(-1, RECORD)
    if records[:, 0].max() >= len(CLASSES):
        at = int(records[:, 0].argmax())
        raise ValueError(f"{path}: expected labels 0 to 9, got {records[at, 0]} in record {at}. Fetch it again.")
    return records

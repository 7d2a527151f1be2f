"""`digits`: the 1,797 digits of the UCI "Optical Recognition of Handwritten Digits" test set, as MNIST idx files.

8x8 pixels, 0..16 scaled to 0..255. In UCI's order, the first 1,500 train and the last 297 test: the order goes by
writer, so that most test writers are unseen.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

_TRAIN = 1500


def make(folder: Path) -> None:
    """Write the four idx files."""
    found = load_digits()
    images = ((found.images.astype(np.int64) * 255 + 8) // 16).astype(np.uint8)
    labels = found.target.astype(np.uint8)
    for prefix, part in (("train", slice(_TRAIN)), ("t10k", slice(_TRAIN, None))):
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(_idx(images[part]))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(_idx(labels[part]))


def _idx(array: np.ndarray) -> bytes:
    """Uncompressed, because gzip writes the time and its bytes depend on the zlib that ran."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()

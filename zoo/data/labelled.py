"""Pictures with one label each, whichever official layout they come in."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from zoo.data import cifar10, mnist


class Labelled(NamedTuple):
    """One split in memory."""

    images: UInt8[np.ndarray, "n c h w"]
    labels: UInt8[np.ndarray, "n"]
    classes: tuple[str, ...]


def open_labelled(folder: Path, split: str) -> Labelled:
    """A split ("train" or "test") of a data set in MNIST's or CIFAR-10's binary layout.

    Raises:
        ValueError: neither layout, or damaged.
    """
    if any(folder.rglob("*_batch*.bin")):
        return Labelled(*cifar10.open_cifar10(folder, split), cifar10.CLASSES)
    images, labels = mnist.open_mnist(folder, split)
    return Labelled(images[:, None], labels, mnist.CLASSES)

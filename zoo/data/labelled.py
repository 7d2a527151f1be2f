"""Pictures of one size with one label each, in memory, whichever layout they come in."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from zoo.data import cifar10, mnist, svhn
from zoo.data.image_folder import ImageFolder, open_image_folder

SHARE = 3  # a split may take one part in so many of the memory: training and scoring each hold a copy
_CLASSES = 256  # that a byte can tell apart


class Labelled(NamedTuple):
    """One split in memory."""

    images: UInt8[np.ndarray, "n c h w"]
    labels: UInt8[np.ndarray, "n"]
    classes: tuple[str, ...]


def open_labelled(folder: Path, split: str) -> Labelled:
    """A split ("train" or "test") of a data set in MNIST's, CIFAR-10's (binary) or SVHN's layout, or in a folder per
    class.

    Raises:
        ValueError: no such layout, damaged, pictures of several sizes, or more of them than memory should hold.
    """
    if any(path.is_dir() for path in folder.glob("train/*")):
        return _in_memory(folder, open_image_folder(folder, split))
    if any(folder.rglob("*_batch*.bin")):
        return Labelled(*cifar10.open_cifar10(folder, split), cifar10.CLASSES)
    if any(folder.glob("*_32x32.mat")):
        return Labelled(*svhn.open_svhn(folder, split), svhn.CLASSES)
    images, labels = mnist.open_mnist(folder, split)
    return Labelled(images[:, None], labels, mnist.CLASSES)


def _in_memory(folder: Path, pictures: ImageFolder) -> Labelled:
    if len(pictures.classes) > _CLASSES:
        raise ValueError(f"{folder}: expected at most {_CLASSES} classes, got {len(pictures.classes)}.")
    height, width, channels = pictures[0][0].shape
    check_fits(folder, len(pictures) * height * width * channels, memory=_memory())
    images = np.empty((len(pictures), channels, height, width), np.uint8)
    for i in range(len(pictures)):
        picture, _ = pictures[i]
        if picture.shape != (height, width, channels):
            raise ValueError(
                f"{pictures.files[i]}: expected {width}x{height}, as the first picture has, got "
                f"{picture.shape[1]}x{picture.shape[0]}. Bring them to one size by `zoo data convert pictures`."
            )
        images[i] = picture.transpose(2, 0, 1)
    return Labelled(images, np.array(pictures.labels, np.uint8), pictures.classes)


def check_fits(folder: Path, size: int, *, memory: int) -> None:
    """See to it that a split leaves room for what else a training needs.

    Args:
        size: bytes of the split.
        memory: bytes of the machine.

    Raises:
        ValueError: it does not.
    """
    if size > memory // SHARE:
        raise ValueError(
            f"{folder}: expected pictures of at most {memory // SHARE / 2**30:.1f} GiB, a third of this machine's "
            f"memory, got {size / 2**30:.1f} GiB. Convert them to a smaller size, or fewer of them."
        )


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

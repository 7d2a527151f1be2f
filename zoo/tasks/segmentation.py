"""Segmentation: the class of every pixel."""

from typing import Protocol

import torch
from jaxtyping import Int64, UInt8

from zoo.facts import Facts


class SegmentationFacts(Facts):
    """The names of the classes, in the order of their labels, without void."""

    classes: tuple[str, ...]


class Segmenter(Protocol):
    """Names the class of every pixel.

    Device: pictures and classes lie where the weights are.
    Randomness: none; the same picture gets the same classes.
    Example:
        >>> import torch, zoo
        >>> segmenter = zoo.load("fcn8s")
        >>> images = torch.zeros(1, 3, 64, 80, dtype=torch.uint8)
        >>> segmenter.segment(images).shape
        torch.Size([1, 64, 80])
    """

    def segment(self, images: UInt8[torch.Tensor, "n 3 h w"]) -> Int64[torch.Tensor, "n h w"]:
        """The class of every pixel.

        Args:
            images: RGB, 0 ... 255; of any height and width.

        Returns:
            Counted from 0 in the order of the training data's classes; void is never named.
        """
        ...

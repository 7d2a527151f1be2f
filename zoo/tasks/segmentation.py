"""Segmentation: the class of every pixel."""

from typing import Protocol

import torch
from jaxtyping import Int64, UInt8

from zoo.facts import Facts


class SegmentationFacts(Facts):
    """The names of the classes, in the order of their labels, without void."""

    classes: tuple[str, ...]


class Segmenter(Protocol):
    """Names the class of every pixel."""

    def segment(self, images: UInt8[torch.Tensor, "n 3 h w"]) -> Int64[torch.Tensor, "n h w"]: ...

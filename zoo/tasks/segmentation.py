"""Segmentation: the class of every pixel."""

from typing import Protocol

import torch
from jaxtyping import Int64, UInt8


class Segmenter(Protocol):
    """Names the class of every pixel."""

    def segment(self, images: UInt8[torch.Tensor, "n 3 h w"]) -> Int64[torch.Tensor, "n h w"]: ...

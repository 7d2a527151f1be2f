"""Optical flow: where every pixel of a picture went."""

from typing import Protocol

import torch
from jaxtyping import Float, UInt8


class FlowEstimator(Protocol):
    """Says where every pixel of a picture went."""

    def flow(
        self, first: UInt8[torch.Tensor, "n 3 h w"], second: UInt8[torch.Tensor, "n 3 h w"]
    ) -> Float[torch.Tensor, "n 2 h w"]:
        """Right and down, in pixels, from the first picture to the second."""
        ...

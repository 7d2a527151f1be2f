"""Optical flow: where every pixel of a picture went."""

from typing import Protocol

import torch
from jaxtyping import Float, UInt8


class FlowEstimator(Protocol):
    """Says where every pixel of a picture went.

    Device: pictures and flow lie where the weights are.
    Randomness: none; the same pair gets the same flow.
    Example:
        >>> import torch, zoo
        >>> estimator = zoo.load("raft-small")
        >>> first, second = torch.zeros(2, 1, 3, 64, 80, dtype=torch.uint8)
        >>> estimator.flow(first, second).shape
        torch.Size([1, 2, 64, 80])
    """

    def flow(
        self, first: UInt8[torch.Tensor, "n 3 h w"], second: UInt8[torch.Tensor, "n 3 h w"]
    ) -> Float[torch.Tensor, "n 2 h w"]:
        """How far each pixel of the first picture moved until the second.

        Args:
            first: RGB, 0 ... 255; of any height and width.
            second: of the same size.

        Returns:
            Right and down, in pixels; negative to the left and up.
        """
        ...

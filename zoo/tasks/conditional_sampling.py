"""Conditional sampling: new pictures of what is asked for."""

from typing import Protocol

import torch
from jaxtyping import Int64, UInt8


class ConditionalSampler(Protocol):
    """Draws pictures of classes of choice.

    Device: labels lie anywhere; pictures come on the CPU, whatever computed them.
    Randomness: seeded, and the global generators are left alone: the same labels and seed give the same pictures.
    Example:
        >>> import torch, zoo
        >>> sampler = zoo.load("acgan")
        >>> sampler.sample_labelled(torch.arange(10), seed=0).shape
        torch.Size([10, 1, 8, 8])
    """

    def sample_labelled(self, labels: Int64[torch.Tensor, "n"], *, seed: int) -> UInt8[torch.Tensor, "n c h w"]:
        """A new picture for each label.

        Args:
            labels: numbers of classes, in the order of the training data's.
            seed: decides all that is drawn.

        Returns:
            0 ... 255, with the channels, height and width of the training data.
        """
        ...

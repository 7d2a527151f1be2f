"""Sampling: new pictures from a distribution that was learned."""

from typing import Protocol

import torch
from jaxtyping import UInt8

from zoo.facts import Facts


class PictureFacts(Facts):
    """The shape of the pictures whose distribution is learned."""

    channels: int
    height: int
    width: int


class Sampler(Protocol):
    """Draws pictures from the distribution it has learned.

    Device: pictures come on the CPU, whatever computed them.
    Randomness: seeded, and the global generators are left alone: the same count and seed give the same pictures.
    Example:
        >>> import zoo
        >>> sampler = zoo.load("dcgan")
        >>> sampler.sample(16, seed=0).shape
        torch.Size([16, 1, 8, 8])
    """

    def sample(self, count: int, *, seed: int) -> UInt8[torch.Tensor, "count c h w"]:
        """New pictures.

        Args:
            count: how many.
            seed: decides all that is drawn.

        Returns:
            0 ... 255, with the channels, height and width of the training data.
        """
        ...

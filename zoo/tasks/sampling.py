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
    """Draws pictures from the distribution it has learned."""

    def sample(self, count: int, *, seed: int) -> UInt8[torch.Tensor, "count c h w"]: ...

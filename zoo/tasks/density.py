"""Density: how probable a picture is."""

from typing import Protocol

import torch
from jaxtyping import Float64, UInt8


class DensityModel(Protocol):
    """Says how probable a picture of whole values 0 ... 255 is: a probability, never a density.

    Device: pictures lie anywhere; answers come on the CPU.
    Randomness: seeded, and the global generators are left alone; a model whose answer is exact ignores the seed.
    Example:
        >>> import torch, zoo
        >>> model = zoo.load("vae-gaussian")
        >>> images = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
        >>> model.log_likelihood(images, seed=0).shape
        torch.Size([2])
    """

    @property
    def exact(self) -> bool:
        """Whether its answers are the probabilities themselves, and no lower bounds of them."""
        ...

    def log_likelihood(self, images: UInt8[torch.Tensor, "n c h w"], *, seed: int) -> Float64[torch.Tensor, "n"]:
        """The logarithm of each picture's probability, or a lower bound of it.

        Args:
            images: 0 ... 255, with the channels, height and width of the training data.
            seed: decides all that is drawn on the way.

        Returns:
            Nats, at most 0.
        """
        ...

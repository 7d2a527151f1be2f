"""Networks without convolutions: a generator of pictures, and maxout units."""

import math
from itertools import pairwise

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from zoo.layers.draws import pictures_of, uniform


class MlpGenerator(nn.Module):
    """z -> picture in [-1, 1], by hidden layers of ReLUs. Implements `zoo.tasks.sampling.Sampler`.

    Args:
        shape: channels, height and width of a picture.
        latent: dimensions of z.
        widths: units of the hidden layers.
        normalised: each hidden layer by batch.
        spread: half the width of what z is drawn from.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        *,
        latent: int,
        widths: tuple[int, ...],
        normalised: bool = False,
        spread: float = 1.0,
    ) -> None:
        super().__init__()
        self.shape, self.latent, self.spread = shape, latent, spread
        layers: list[nn.Module] = []
        for before, after in pairwise((latent, *widths)):
            layers.append(nn.Linear(before, after, bias=not normalised))
            if normalised:
                layers.append(nn.BatchNorm1d(after))
            layers.append(nn.ReLU())
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], math.prod(shape)), nn.Tanh())

    def forward(self, z: Float[Tensor, "n latent"]) -> Float[Tensor, "n c h w"]:
        return self.layers(z).unflatten(1, self.shape)

    def noise(self, count: int, generator: torch.Generator | None = None) -> Float[Tensor, "count latent"]:
        """z drawn uniformly."""
        return self.spread * uniform(count, self.latent, like=next(self.parameters()), generator=generator)

    def sample(self, count: int, *, seed: int) -> UInt8[Tensor, "count c h w"]:
        return pictures_of(self, self.noise(count, torch.Generator().manual_seed(seed)))


class Maxout(nn.Module):
    """The largest of so many linear functions for each unit (Goodfellow et al., Maxout networks, ICML 2013, eq. 1)."""

    def __init__(self, before: int, units: int, *, pieces: int) -> None:
        super().__init__()
        self.linear, self.pieces = nn.Linear(before, units * pieces), pieces

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n units"]:
        return self.linear(x).unflatten(1, (-1, self.pieces)).amax(2)


def evenly(network: nn.Module, half_width: float) -> None:
    """Weights of all linear layers from U(-half_width, half_width), biases 0."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.uniform_(layer.weight, -half_width, half_width)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

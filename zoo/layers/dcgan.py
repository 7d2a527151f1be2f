"""The convolutional generator and discriminator of Radford et al. 2016 (figure 1, section 3), for pictures of any size.

A first map is doubled until it has the picture's size: 4 x 4 four times for the paper's 64 x 64. The discriminator
mirrors the generator. No pooling, batch normalisation everywhere but at the picture, no hidden fully connected layer.
"""

from itertools import pairwise

import torch
from jaxtyping import Float, UInt8
from pydantic import BaseModel, Field
from torch import Tensor, nn

from zoo.layers.pixels import to_bytes

INITIAL_DEVIATION = 0.02  # section 4
LEAK = 0.2  # section 4


class Generator(nn.Module):
    """z in [-1, 1]^latent -> picture in [-1, 1]. Implements `zoo.tasks.sampling.Sampler`.

    Args:
        channels: of a picture.
        size: of a picture, both ways; the first map's side doubled at least once.
        first: side of the first map.
        width: channels of the last hidden map; each map before it has twice as many.
        kernel: side of the convolutions.
        latent: dimensions of z.
    """

    def __init__(self, *, channels: int, size: int, first: int, width: int, kernel: int, latent: int) -> None:
        super().__init__()
        maps = _widths(size, first=first, width=width)[::-1]
        self.latent, self.first = latent, first
        self.project = nn.Linear(latent, maps[0] * first * first, bias=False)  # the normalisation has one
        layers: list[nn.Module] = [nn.BatchNorm2d(maps[0]), nn.ReLU(inplace=True)]
        for before, after in pairwise(maps):
            layers += [_doubling(before, after, kernel, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, _doubling(maps[-1], channels, kernel, bias=True), nn.Tanh())
        self.apply(initialise)

    def forward(self, z: Float[Tensor, "n latent"]) -> Float[Tensor, "n c h w"]:
        return self.layers(self.project(z).unflatten(1, (-1, self.first, self.first)))

    def noise(self, count: int, generator: torch.Generator | None = None) -> Float[Tensor, "count latent"]:
        """z drawn uniformly (figure 1), from the global generator of its device unless one of the CPU is given."""
        device = self.project.weight.device
        drawn_on = "cpu" if generator else device
        return torch.rand(count, self.latent, generator=generator, device=drawn_on).to(device) * 2.0 - 1.0

    @torch.inference_mode()
    def sample(self, count: int, *, seed: int) -> UInt8[Tensor, "count c h w"]:
        was_training = self.training
        pictures = self.eval()(self.noise(count, torch.Generator().manual_seed(seed)))
        self.train(was_training)
        return to_bytes(pictures)


class Discriminator(nn.Module):
    """Picture -> how real it looks, unbounded: the logit of DCGAN's sigmoid."""

    def __init__(self, *, channels: int, size: int, first: int, width: int, kernel: int) -> None:
        super().__init__()
        maps = _widths(size, first=first, width=width)
        layers: list[nn.Module] = [_halving(channels, maps[0], kernel, bias=True), nn.LeakyReLU(LEAK, inplace=True)]
        for before, after in pairwise(maps):
            leaky = nn.LeakyReLU(LEAK, inplace=True)
            layers += [_halving(before, after, kernel, bias=False), nn.BatchNorm2d(after), leaky]
        self.layers = nn.Sequential(*layers)
        self.score = nn.Linear(maps[-1] * first * first, 1)
        self.apply(initialise)

    def forward(self, pictures: Float[Tensor, "n c h w"]) -> Float[Tensor, "n"]:
        return self.score(self.layers(pictures).flatten(1)).squeeze(1)


class DcganSizes(BaseModel):
    """What the recipes of both networks have in common; the paper's numbers (figure 1)."""

    first: int = Field(4, ge=1, description="side of the generator's first map (DCGAN, figure 1)")
    width: int = Field(128, ge=1, description="channels of the last hidden map (DCGAN, figure 1)")
    kernel: int = Field(5, ge=3, description="side of the convolutions (DCGAN, figure 1)")
    latent: int = Field(100, ge=1, description="dimensions of z, uniform (DCGAN, figure 1)")

    @property
    def sizes(self) -> dict[str, int]:
        """These four, as `networks` takes them."""
        return {"first": self.first, "width": self.width, "kernel": self.kernel, "latent": self.latent}


def networks(
    *, channels: int, size: int, first: int, width: int, kernel: int, latent: int
) -> tuple[Generator, Discriminator]:
    """Both of them, as mirror images of each other; arguments as `Generator`'s."""
    generator = Generator(channels=channels, size=size, first=first, width=width, kernel=kernel, latent=latent)
    return generator, Discriminator(channels=channels, size=size, first=first, width=width, kernel=kernel)


def _widths(size: int, *, first: int, width: int) -> list[int]:
    """Channels of the hidden maps, largest map first.

    Raises:
        ValueError: the size is not the first map's side doubled at least once.
    """
    doublings = (size // first).bit_length() - 1
    if doublings < 1 or first << doublings != size:
        raise ValueError(
            f"expected pictures whose side is {first} doubled once or more, got {size}. "
            "Choose the recipe's `first` so that doubling it leads there (7 for 28, 2 for 8)."
        )
    return [width << i for i in range(doublings)]


def _doubling(before: int, after: int, kernel: int, *, bias: bool) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(
        before, after, kernel, stride=2, padding=(kernel - 1) // 2, output_padding=kernel % 2, bias=bias
    )


def _halving(before: int, after: int, kernel: int, *, bias: bool) -> nn.Conv2d:
    return nn.Conv2d(before, after, kernel, stride=2, padding=(kernel - 1) // 2, bias=bias)


def initialise(layer: nn.Module) -> None:
    """Weights from N(0, 0.02), gains around 1, no bias."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.BatchNorm2d):
        nn.init.normal_(layer.weight, float(isinstance(layer, nn.BatchNorm2d)), INITIAL_DEVIATION)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)

"""Convolutions that see some of the colours of their own place: what models need that draw a picture value by value.

Maps belong to colours, in order: the first part of them to the first colour, and so on. A value may depend on all
colours of the places before it and on the earlier colours of its own (van den Oord et al. 2016, section 3.4).
"""

from itertools import product
from typing import Protocol

import torch
from jaxtyping import Float, Float64, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional

VALUES = 256  # of a byte


def colours_of(maps: int, colours: int) -> Int64[Tensor, "maps"]:
    """The colour that each map belongs to."""
    return torch.arange(maps) * colours // maps


class MaskedConvolution(nn.Conv2d):
    """A convolution of what lies to the left, and of the colours before at its own place (A), or of its own too (B).

    Args:
        before: the colour of each map that comes in.
        after: the colour of each map that goes out.
        width: of the kernel: 1 for its own place alone.
        own: whether a map sees its own colour: mask B.
    """

    mask: Float[Tensor, "after before 1 width"]

    def __init__(
        self, before: Int64[Tensor, "before"], after: Int64[Tensor, "after"], *, width: int = 1, own: bool
    ) -> None:
        super().__init__(len(before), len(after), (1, width))
        here = after[:, None] >= before if own else after[:, None] > before
        mask = torch.ones(self.weight.shape)
        mask[:, :, 0, -1] = here.float()
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Float[Tensor, "n before h w"]) -> Float[Tensor, "n after h v"]:
        """Where the kernel fits; whoever calls puts what lies further left before `x`."""
        return functional.conv2d(x, self.weight * self.mask, self.bias)


class Readout(nn.Module):
    """Maps -> a logit for each value of each colour, by two layers that see their own place (table 1).

    Args:
        maps: that come in.
        hidden: maps of the layer between.
        colours: of a picture.
    """

    def __init__(self, maps: int, *, hidden: int, colours: int) -> None:
        super().__init__()
        self.colours, between = colours, colours_of(hidden, colours)
        self.hidden = MaskedConvolution(colours_of(maps, colours), between, own=True)
        self.out = MaskedConvolution(between, colours_of(colours * VALUES, colours), own=True)

    def forward(self, x: Float[Tensor, "n maps h w"]) -> Float[Tensor, "n values colours h w"]:
        x = self.out(functional.relu(self.hidden(functional.relu(x))))
        return x.unflatten(1, (self.colours, VALUES)).transpose(1, 2)


def log_probability(
    logits: Float[Tensor, "n values colours h w"], images: UInt8[Tensor, "n colours h w"]
) -> Float[Tensor, "n colours h w"]:
    """In nats, of each value of pictures."""
    return -functional.cross_entropy(logits.float(), images.long(), reduction="none")


class NextLogits(Protocol):
    """What a model says of one value of pictures whose earlier values are there. Asked in the order of drawing."""

    def __call__(
        self, images: UInt8[Tensor, "n colours h w"], *, row: int, column: int, colour: int
    ) -> Float[Tensor, "n values"]: ...


def drawn(images: UInt8[Tensor, "n colours h w"], *, seed: int, logits: NextLogits) -> Float64[Tensor, "n"]:
    """Draw pictures into `images`: place by place, of each the colours in order; the log-likelihood of each picture.

    A value is the one at which the cumulative probability exceeds a number of its own, which a seed decides.
    """
    chances = torch.rand(images.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    chances, total = chances.to(images.device), torch.zeros(len(images), dtype=torch.float64, device=images.device)
    colours, height, width = images.shape[1:]
    for row, column, colour in product(range(height), range(width), range(colours)):
        shares = logits(images, row=row, column=column, colour=colour).double().log_softmax(1)
        rising = shares.exp().cumsum(1)
        below = rising <= chances[:, colour, row, column, None] * rising[:, -1:]
        value = below.sum(1, keepdim=True).clamp(max=VALUES - 1)
        images[:, colour, row, column] = value[:, 0].to(torch.uint8)
        total += shares.gather(1, value)[:, 0]
    return total

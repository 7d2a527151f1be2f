"""Ways between pictures and noise that lose nothing: each is gone forth and back, and knows how it changes volumes.

A flow's `forward` gives what becomes of x, and the logarithm of the size of its Jacobian's determinant for each
picture; `inverse` gives x again. The parts are put together by `Chain` and, where half of the numbers need no further
treatment, by `FactorOut`; at the end there is noise, flat.
"""

import math

import torch
from jaxtyping import Float, Float64, UInt8
from torch import Tensor, nn
from torch.nn import functional

DRAWS = 4  # of the noise inside a value, to estimate a bound: its mean is the bound for any number

Step = tuple[Tensor, Tensor]
"""What becomes of x, and the log determinant of each picture."""


def unchanged(x: Tensor) -> Float[Tensor, "n"]:
    """The log determinant of what keeps volumes."""
    return x.new_zeros(len(x))


def of_each(logarithms: Tensor, x: Tensor) -> Float[Tensor, "n"]:
    """The log determinant of a scale for each number of x."""
    return logarithms.expand_as(x).flatten(1).sum(1)


class Chain(nn.ModuleList):
    """Flows one after the other."""

    def forward(self, x: Tensor) -> Step:
        total = unchanged(x)
        for flow in self:
            x, log_determinant = flow(x)
            total = total + log_determinant
        return x, total

    def inverse(self, x: Tensor) -> Tensor:
        for flow in reversed(self):
            x = flow.inverse(x)  # type: ignore[operator]
        return x


class Squeeze(nn.Module):
    """Every 2 x 2 places become four times the channels of one: both diagonals, one after the other, so that the first
    half of the channels is a checkerboard's (Dinh et al. 2017, section 3.6)."""

    def forward(self, x: Float[Tensor, "n c h w"]) -> Step:
        squeezed = [x[:, :, row::2, column::2] for row, column in PLACES]
        return torch.cat(squeezed, dim=1), unchanged(x)

    def inverse(self, x: Float[Tensor, "n c h w"]) -> Tensor:
        count, channels, height, width = x.shape
        whole = x.new_empty(count, channels // 4, 2 * height, 2 * width)
        for (row, column), part in zip(PLACES, x.chunk(4, dim=1), strict=True):
            whole[:, :, row::2, column::2] = part
        return whole


PLACES = ((0, 0), (1, 1), (0, 1), (1, 0))


class Flat(nn.Module):
    """The end of a flow: maps as rows of noise."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Float[Tensor, "n c h w"]) -> Step:
        return x.flatten(1), unchanged(x)

    def inverse(self, noise: Float[Tensor, "n d"]) -> Tensor:
        return noise.unflatten(1, self.shape)


class FactorOut(nn.Module):
    """Half of the channels are noise by now and leave; the other half goes on.

    Args:
        rest: where it goes; ends flat.
    """

    def __init__(self, rest: Chain) -> None:
        super().__init__()
        self.rest = rest

    def forward(self, x: Float[Tensor, "n c h w"]) -> Step:
        staying, leaving = x.chunk(2, dim=1)
        further, log_determinant = self.rest(staying)
        return torch.cat([leaving.flatten(1), further], dim=1), log_determinant

    def inverse(self, noise: Float[Tensor, "n d"]) -> Tensor:
        leaving, further = noise.chunk(2, dim=1)
        staying = self.rest.inverse(further)
        return torch.cat([staying, leaving.view_as(staying)], dim=1)


class Logit(nn.Module):
    """0 ... 1, drawn in from both ends, onto the whole line.

    Args:
        margin: that is left at either end.
    """

    def __init__(self, margin: float) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, x: Tensor) -> Step:
        inner = 1.0 - 2.0 * self.margin
        y = (self.margin + inner * x).logit()
        return y, of_each(math.log(inner) + functional.softplus(y) + functional.softplus(-y), x)

    def inverse(self, x: Tensor) -> Tensor:
        return (x.sigmoid() - self.margin) / (1.0 - 2.0 * self.margin)


class FlowModel(nn.Module):
    """A flow from pictures to standard normal noise. Implements `zoo.tasks.density.DensityModel` and
    `zoo.tasks.sampling.Sampler`.

    A density says nothing of whole numbers; that of x + u, u uniform in [0, 1), does: log P(x) >= E_u log p(x + u)
    (Theis et al. 2016, section 3.1).

    Args:
        flow: from 0 ... 1 to flat noise.
        shape: channels, height and width of a picture.
    """

    exact = False

    def __init__(self, flow: Chain, *, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.flow, self.shape = flow, shape

    def forward(self, images: UInt8[Tensor, "n c h w"], inside: Float[Tensor, "n c h w"]) -> Float[Tensor, "n"]:
        """log p(x + u) in nats, with u given."""
        noise, log_determinant = self.flow((images + inside) / 256.0)
        normal = -0.5 * (noise.square() + math.log(2.0 * math.pi)).sum(1)
        return normal + log_determinant - noise.shape[1] * math.log(256.0)

    @torch.inference_mode()
    def log_likelihood(self, images: UInt8[Tensor, "n c h w"], *, seed: int) -> Float64[Tensor, "n"]:
        """The lower bound in nats: the mean over so many draws of u."""
        random, device = torch.Generator().manual_seed(seed), next(self.parameters()).device
        images = images.to(device)
        bounds = [self(images, torch.rand(images.shape, generator=random).to(device)) for _ in range(DRAWS)]
        return torch.stack(bounds).double().mean(0).cpu()

    @torch.inference_mode()
    def sample(self, count: int, *, seed: int) -> UInt8[Tensor, "count c h w"]:
        """x + u, rounded down."""
        was_training = self.training
        self.eval()
        noise = torch.randn(count, math.prod(self.shape), generator=torch.Generator().manual_seed(seed))
        pictures = self.flow.inverse(noise.to(next(self.parameters()).device))
        self.train(was_training)
        return (pictures * 256.0).nan_to_num(0.0).floor().clamp(0, 255).to(torch.uint8).cpu()

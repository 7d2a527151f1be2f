"""A generator that lowers an f-divergence of choice, by the lower bound that a discriminator finds of it.

    zoo train f-gan --recipe mini   # reverse KL: FID 32.0 on digits (seed 0); a Gaussian of the pixels 54.1
    zoo train f-gan --recipe mini --variant kl

With f* the convex conjugate of f, D_f(P | Q) >= E_P t(x) - E_Q f*(t(x)) for every t, and t = g(V(x)) keeps what a
network says within the domain of f* (section 2.2). The ten divergences of the paper's tables and the family of
alpha are variants; without one, the divergence is the reverse of Kullback and Leibler's.

Numbers of `paper` are those of an implementation by others (github.com/kozistr/Awesome-GANs, FGAN/fgan_model.py, and
its readme for the paper's 100 dimensions of z). The paper reports Parzen windows' log-likelihoods on MNIST, no FID.

Differs from the paper: one update follows the other, where algorithm 1 moves both networks at once; pixels lie in
-1 ... 1 and a tanh makes them. `smoke` and `mini` are smaller and learn faster.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float, Float64
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from zoo.contracts import Ask, Family
from zoo.evaluation.sample_quality import SamplerRecipe, sample_quality
from zoo.generative.adversarial import Alternating, Losses, by_adam
from zoo.layers.perceptron import MlpGenerator
from zoo.tasks.sampling import PictureFacts
from zoo.training.pictures import PictureBatches

Name = Literal[
    "gan",
    "kl",
    "reverse-kl",
    "total-variation",
    "pearson",
    "neyman",
    "squared-hellinger",
    "jeffrey",
    "jensen-shannon",
    "jensen-shannon-weighted",
    "alpha",
]
Function = Callable[[Float64[Tensor, "*n"]], Float64[Tensor, "*n"]]


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """A row of the paper's tables: D_f(P | Q) = E_Q f(p / q).

    Args:
        f: convex, of the ratio p / q > 0.
        activation: g, from what a network says into the domain of the conjugate.
        conjugate: f*(t) = sup_u (u t - f(u)).
        domain: of the conjugate, both ends excluded where they are finite.
    """

    f: Function
    activation: Function
    conjugate: Function
    domain: tuple[float, float] = (-math.inf, math.inf)


def _identity(v: Tensor) -> Tensor:
    return v


TABLE: dict[str, Divergence] = {
    "gan": Divergence(
        f=lambda u: torch.xlogy(u, u) - torch.xlogy(u + 1, u + 1),
        activation=lambda v: -functional.softplus(-v),
        conjugate=lambda t: -torch.log(-torch.expm1(t)),
        domain=(-math.inf, 0.0),
    ),
    "kl": Divergence(f=lambda u: torch.xlogy(u, u), activation=_identity, conjugate=lambda t: torch.exp(t - 1)),
    "reverse-kl": Divergence(
        f=lambda u: -torch.log(u),
        activation=lambda v: -torch.exp(-v),
        conjugate=lambda t: -1 - torch.log(-t),
        domain=(-math.inf, 0.0),
    ),
    "total-variation": Divergence(
        f=lambda u: 0.5 * (u - 1).abs(),
        activation=lambda v: 0.5 * torch.tanh(v),
        conjugate=_identity,
        domain=(-0.5, 0.5),
    ),
    # Below t = -2 the supremum is -1; the table's parabola lies above, so that its bound is one still.
    "pearson": Divergence(f=lambda u: (u - 1) ** 2, activation=_identity, conjugate=lambda t: 0.25 * t**2 + t),
    "neyman": Divergence(
        f=lambda u: (1 - u) ** 2 / u,
        activation=lambda v: 1 - torch.exp(-v),
        conjugate=lambda t: 2 - 2 * torch.sqrt(1 - t),
        domain=(-math.inf, 1.0),
    ),
    "squared-hellinger": Divergence(
        f=lambda u: (u.sqrt() - 1) ** 2,
        activation=lambda v: 1 - torch.exp(-v),
        conjugate=lambda t: t / (1 - t),
        domain=(-math.inf, 1.0),
    ),
    "jeffrey": Divergence(
        f=lambda u: (u - 1) * torch.log(u), activation=_identity, conjugate=lambda t: _conjugate_of_jeffrey(t)
    ),
    "jensen-shannon": Divergence(
        f=lambda u: torch.xlogy(u, u) - (u + 1) * torch.log((1 + u) / 2),
        activation=lambda v: math.log(2) - functional.softplus(-v),
        conjugate=lambda t: -torch.log(2 - torch.exp(t)),
        domain=(-math.inf, math.log(2)),
    ),
}


def weighted_jensen_shannon(share: float) -> Divergence:
    """pi KL(P | M) + (1 - pi) KL(Q | M) with M = pi P + (1 - pi) Q; a half is half of Jensen-Shannon's."""
    rest, most = 1 - share, -share * math.log(share)
    return Divergence(
        f=lambda u: share * torch.xlogy(u, u) - (rest + share * u) * torch.log(rest + share * u),
        activation=lambda v: most - functional.softplus(-v),
        conjugate=lambda t: rest * torch.log(rest / (1 - share * torch.exp(t / share))),
        domain=(-math.inf, most),
    )


def alpha_divergence(alpha: float) -> Divergence:
    """f(u) = (u^a - 1 - a (u - 1)) / (a (a - 1)): KL as a nears 1, reverse KL as it nears 0, half of Pearson's at 2."""
    power = alpha / (alpha - 1)

    def conjugate(t: Tensor) -> Tensor:
        return (((alpha - 1) * t + 1).clamp(min=0) ** power - 1) / alpha

    def f(u: Tensor) -> Tensor:
        return (u**alpha - 1 - alpha * (u - 1)) / (alpha * (alpha - 1))

    if alpha > 1:
        return Divergence(f=f, activation=_identity, conjugate=conjugate)
    most = 1 / (1 - alpha)
    return Divergence(
        f=f, activation=lambda v: most - functional.softplus(-v), conjugate=conjugate, domain=(-math.inf, most)
    )


def _conjugate_of_jeffrey(t: Tensor) -> Tensor:
    """W + 1 / W + t - 2 with W = W(e^(1 - t)), Lambert's: u t - f(u) at the u = 1 / W that makes it largest.

    With s = log W, e^s + s = 1 - t, by Newton from the right of the root of a convex function. Where u is the best
    there is, its own slope counts for nothing.
    """
    with torch.no_grad():
        y = 1 - t
        s = torch.where(y < 1, y, y.clamp(min=1).log())
        for _ in range(8):
            s = s - (s.exp() + s - y) / (s.exp() + 1)
        u = torch.exp(-s)
    return u * t - TABLE["jeffrey"].f(u)


class FGanRecipe(SamplerRecipe):
    """Nowozin et al. 2016; numbers of others' code unless said."""

    divergence: Name = "reverse-kl"
    share: float = Field(0.3, gt=0, lt=1, description="pi of the weighted Jensen-Shannon divergence; ours")
    alpha: float = Field(1.5, description="of the divergence of that name, neither 0 nor 1; ours")
    direct: bool = Field(
        False, description="the generator lowers the bound itself, in place of raising E_Q g(V) (section 3.2)"
    )
    latent: int = Field(100, ge=1, description="dimensions of z, uniform (readme)")
    hidden: int = Field(1024, ge=1, description="units of each of the generator's two layers, batch-normalised")
    units: int = Field(256, ge=1, description="units of each of the discriminator's two layers, exponential linear")
    learning_rate: float = Field(2e-4, gt=0, description="of Adam")
    betas: tuple[float, float] = Field((0.5, 0.999), description="of Adam")

    @property
    def row(self) -> Divergence:
        """The divergence with its number, if it has one."""
        if self.divergence == "jensen-shannon-weighted":
            return weighted_jensen_shannon(self.share)
        return alpha_divergence(self.alpha) if self.divergence == "alpha" else TABLE[self.divergence]


class Variational(nn.Module):
    """Picture -> V, unbounded. Arguments: values of a picture, units of each of two hidden layers."""

    def __init__(self, *, pixels: int, units: int) -> None:
        super().__init__()
        hidden = nn.Linear(pixels, units), nn.ELU(), nn.Linear(units, units), nn.ELU()
        self.layers = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(units, 1))

    def forward(self, pictures: Float[Tensor, "n c h w"]) -> Float64[Tensor, "n"]:
        # In float32, 2 - e^t is soon 0 where a network is sure.
        return self.layers(pictures).squeeze(1).double()


def bound(divergence: Divergence, real: Float64[Tensor, "n"], fake: Float64[Tensor, "m"]) -> Float64[Tensor, ""]:
    """F = E_P g(V) - E_Q f*(g(V)), at most D_f(P | Q) (eq. 7)."""
    of = divergence
    return of.activation(real).mean() - of.conjugate(of.activation(fake)).mean()


def losses_of(divergence: Divergence, *, direct: bool = False) -> Losses:
    """The discriminator raises the bound; the generator lowers it, or raises E_Q g(V) (section 3.2)."""
    of = divergence
    return Losses(
        discriminator=lambda real, fake: -bound(of, real, fake),
        generator=lambda fake: -of.conjugate(of.activation(fake)).mean() if direct else -of.activation(fake).mean(),
        estimates="divergence",
    )


def learner(recipe: FGanRecipe, facts: PictureFacts) -> Alternating:
    """One update of the discriminator, then one of the generator, both by Adam."""
    shape = (facts.channels, facts.height, facts.width)
    generator = MlpGenerator(shape, latent=recipe.latent, widths=(recipe.hidden, recipe.hidden), normalised=True)
    return by_adam(
        generator,
        Variational(pixels=math.prod(shape), units=recipe.units),
        learning_rate=recipe.learning_rate,
        betas=recipe.betas,
        noise=generator.noise,
        losses=losses_of(recipe.row, direct=recipe.direct),
    )


FAMILY = Family(
    name="f-gan",
    paper="Nowozin et al., f-GAN: training generative neural samplers using variational divergence minimization, "
    "NeurIPS 2016",
    recipes={
        "smoke": FGanRecipe(
            dataset="digits", steps=1000, batch_size=64, latent=32, hidden=128, units=64, learning_rate=1e-3
        ),
        "mini": FGanRecipe(
            dataset="digits", steps=3000, batch_size=64, latent=32, hidden=256, units=128, learning_rate=5e-4
        ),
        # Batches of the code; 50 passes, which are ours.
        "paper": FGanRecipe(dataset="mnist", steps=50 * 60_000 // 64, batch_size=64),
    },
    variants={"": {}} | {name: {"divergence": name} for name in get_args(Name) if name != "reverse-kl"},
    learner=learner,
    facts=PictureFacts,
    training_set=PictureBatches,
    benchmark=sample_quality,
    asks=(Ask(metric="classifier_FID", value=54.1),),
)

"""A few Gaussians, one of which every picture comes from: the latent variable with so few values that EM sums over all.

    zoo train gaussian-mixture --recipe mini    # 5.90 +- 0.05 bits/dim on digits (seeds 0-2); one Gaussian 6.43

Dempster, Laird and Rubin, "Maximum likelihood from incomplete data via the EM algorithm", JRSS B 1977; covariances are
full.

Pictures are whole numbers, of which a density says nothing, and where a pixel never changes it has no maximum. So the
mixture is fitted to x + u, u uniform in [0, 1), over which the expectations are taken in closed form: log P(x) >=
log sum_k pi_k exp(E_u log N_k(x + u)), by Jensen's inequality. EM climbs this bound: the E step has the trace of each
precision over 12 on top of the quadratic form, the M step adds 1/12 to each variance. That is the covariance floor: no
eigenvalue lies below it, and nothing is tuned. With one component it is the floor of the benchmark.

Components start as the pictures nearest to centres spread as k-means++ does (Arthur and Vassilvitskii, SODA 2007). One
that no picture comes from keeps its mean and covariance, at a share of next to nothing.

`paper` is MNIST with the 50 components of Richardson and Weiss, "On GANs and GMMs", NeurIPS 2018 (as
github.com/eitanrich/torch-mfa has them: train.py), which are factor analysers of 6 dimensions there and full here; the
limits of EM are scikit-learn's. It reports no bits per dimension.
"""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float64, Int64, UInt8
from pydantic import Field
from torch import Tensor, nn

from zoo.contracts import Ask, Family, Inputs, Learner, Picture, Recipe
from zoo.drawing.sheets import grid
from zoo.evaluation.density import DensityBenchmark
from zoo.tasks.sampling import PictureFacts
from zoo.training.pictures import PictureBatches

SPREAD = 1.0 / 12.0
"""Variance of u."""


class MixtureRecipe(Recipe):
    """Scikit-learn's defaults (GaussianMixture) unless said."""

    steps: int = Field(0, ge=0, le=0, description="nothing is stepped")
    batch_size: int = Field(1, ge=1, description="nothing is stepped")
    components: int = Field(50, ge=1, description="Gaussians; torch-mfa, train.py (MNIST)")
    tolerance: float = Field(1e-3, ge=0, description="nats a picture by which a round has to better the bound")
    rounds: int = Field(100, ge=1, description="of E and M step, at most")


class GaussianMixture(nn.Module):
    """Implements `zoo.tasks.density.DensityModel` and `zoo.tasks.sampling.Sampler`. Any numbers in it are a mixture.

    Args:
        shape: channels, height and width of a picture.
        components: Gaussians.
    """

    exact = False
    logits: Float64[Tensor, "k"]
    means: Float64[Tensor, "k d"]
    logarithms: Float64[Tensor, "k d"]  # of the diagonals of the covariances' Cholesky factors
    below: Float64[Tensor, "k d d"]  # what these have below it

    def __init__(self, shape: tuple[int, int, int], *, components: int) -> None:
        super().__init__()
        self.shape, size = shape, math.prod(shape)
        self.register_buffer("logits", torch.zeros(components, dtype=torch.float64))
        self.register_buffer("means", torch.zeros(components, size, dtype=torch.float64))
        self.register_buffer("logarithms", torch.zeros(components, size, dtype=torch.float64))
        self.register_buffer("below", torch.zeros(components, size, size, dtype=torch.float64))

    @property
    def shares(self) -> Float64[Tensor, "k"]:
        """How often each component is the one."""
        return self.logits.softmax(0)

    @property
    def factors(self) -> Float64[Tensor, "k d d"]:
        """The covariances' Cholesky factors."""
        return self.below.tril(-1) + self.logarithms.exp().diag_embed()

    def joint(self, pixels: Float64[Tensor, "n d"]) -> Float64[Tensor, "n k"]:
        """log pi_k + E_u log N_k(x + u), of pixels x."""
        columns = []
        for share, mean, factor in zip(self.logits.log_softmax(0), self.means, self.factors, strict=True):
            white = torch.linalg.solve_triangular(factor, (pixels + 0.5 - mean).T, upper=False)
            identity = torch.eye(len(factor), dtype=factor.dtype, device=factor.device)
            blur = SPREAD * torch.linalg.solve_triangular(factor, identity, upper=False).square().sum()
            volume = 2.0 * factor.diagonal().log().sum() + len(factor) * math.log(2.0 * math.pi)
            columns.append(share - 0.5 * (white.square().sum(0) + blur + volume))
        return torch.stack(columns, dim=1)

    def take(self, pixels: Float64[Tensor, "n d"], shares: Float64[Tensor, "n k"]) -> None:
        """The M step: each component's share, mean and covariance of x + u, from how far each picture is of it."""
        counts = shares.sum(0)
        for k in range(len(self.shares)):
            if counts[k] < 1e-6:  # of a picture
                continue
            weights = shares[:, k] / counts[k]
            mean = weights @ pixels
            apart = pixels - mean
            covariance = (apart * weights[:, None]).T @ apart
            self.means[k] = mean + 0.5
            self.below[k] = torch.linalg.cholesky(covariance + SPREAD * torch.eye(len(mean), device=mean.device))
            self.logarithms[k] = self.below[k].diagonal().log()
        self.logits.copy_(counts.clamp(min=1e-12).log())

    def log_likelihood(self, images: UInt8[Tensor, "n c h w"], *, seed: int) -> Float64[Tensor, "n"]:  # noqa: ARG002
        """The lower bound in nats, in closed form, so the seed decides nothing."""
        return self.joint(_pixels(images).to(self.means.device)).logsumexp(1).cpu()

    @torch.inference_mode()
    def sample(self, count: int, *, seed: int) -> UInt8[Tensor, "count c h w"]:
        """x + u is drawn, and rounded down."""
        random = torch.Generator().manual_seed(seed)
        which = torch.multinomial(self.shares.cpu(), count, replacement=True, generator=random).to(self.means.device)
        noise = torch.randn(count, self.means.shape[1], generator=random, dtype=torch.float64).to(self.means.device)
        drawn, factors = self.means[which], self.factors
        for k in which.unique():
            drawn[which == k] += noise[which == k] @ factors[k].T
        return drawn.floor().clamp(0, 255).to(torch.uint8).unflatten(1, self.shape).cpu()


def fitted(mixture: GaussianMixture, pixels: Float64[Tensor, "n d"], *, tolerance: float, rounds: int) -> list[float]:
    """E and M steps, until one betters the bound by less than the tolerance; the bound in nats a picture before each.

    Args:
        mixture: at its start; holds the result.
    """
    bounds: list[float] = []
    for _ in range(rounds):
        joint = mixture.joint(pixels)
        bounds.append(joint.logsumexp(1).mean().item())
        if len(bounds) > 1 and bounds[-1] - bounds[-2] < tolerance:
            break
        mixture.take(pixels, joint.softmax(1))
    return bounds


def spread_out(pixels: Float64[Tensor, "n d"], *, count: int, seed: int) -> Int64[Tensor, "count"]:
    """Places of pictures far from each other: each drawn in proportion to its squared distance from those before."""
    random = torch.Generator().manual_seed(seed)
    chosen = [int(torch.randint(len(pixels), (), generator=random))]
    nearest = (pixels - pixels[chosen[0]]).square().sum(1)
    while len(chosen) < count:
        weights = nearest if nearest.any() else torch.ones_like(nearest)  # all of them are taken: any will do
        chosen.append(int(torch.multinomial(weights, 1, generator=random)))
        nearest = nearest.minimum((pixels - pixels[chosen[-1]]).square().sum(1))
    return torch.tensor(chosen)


def _pixels(images: UInt8[Tensor, "n c h w"]) -> Float64[Tensor, "n d"]:
    return images.flatten(1).double()


class MixtureLearner(Learner):
    """EM, from centres that a seed decides."""

    def __init__(self, recipe: MixtureRecipe, facts: PictureFacts) -> None:
        super().__init__()
        self.recipe = recipe
        self.mixture = GaussianMixture((facts.channels, facts.height, facts.width), components=recipe.components)

    @torch.no_grad()
    def fit(self, training_set: PictureBatches) -> None:
        """From the pictures nearest to each centre."""
        pixels = _pixels(torch.from_numpy(training_set.images))
        centres = pixels[spread_out(pixels, count=self.recipe.components, seed=self.recipe.seed)]
        nearest = torch.stack([(pixels - centre).square().sum(1) for centre in centres], dim=1).argmin(1)
        self.mixture.take(pixels, nn.functional.one_hot(nearest, len(centres)).double())
        fitted(self.mixture, pixels, tolerance=self.recipe.tolerance, rounds=self.recipe.rounds)

    def predictor(self) -> GaussianMixture:
        return self.mixture

    def pictures(self) -> Mapping[str, Picture]:
        """The means, the most frequent first."""
        means = self.mixture.means[self.mixture.shares.argsort(descending=True)]
        return {"means": grid(means.clamp(0, 255).to(torch.uint8).unflatten(1, self.mixture.shape).cpu().numpy())}


def _bits(recipe: MixtureRecipe, inputs: Inputs) -> DensityBenchmark:
    return DensityBenchmark(recipe.scored, inputs)


FAMILY = Family(
    name="gaussian-mixture",
    paper="Dempster et al., Maximum likelihood from incomplete data via the EM algorithm, JRSS B 1977",
    recipes={
        "smoke": MixtureRecipe(dataset="digits", components=2, rounds=10),
        "mini": MixtureRecipe(dataset="digits", components=5),
        "paper": MixtureRecipe(dataset="mnist"),
    },
    learner=MixtureLearner,
    facts=PictureFacts,
    training_set=PictureBatches,
    benchmark=_bits,
    asks=(Ask(metric="bits_per_dim", value=6.40),),
)

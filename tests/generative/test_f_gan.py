"""f-GAN: each conjugate against a numerical supremum, domains of t, and the bound on two Gaussians."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch import Tensor

from zoo.catalogue import family
from zoo.generative import f_gan
from zoo.generative.f_gan import Divergence, alpha_divergence, bound, losses_of, weighted_jensen_shannon

DIVERGENCES: dict[str, Divergence] = f_gan.TABLE | {
    "jensen-shannon-weighted": weighted_jensen_shannon(0.3),
    "alpha above 1": alpha_divergence(1.5),
    "alpha below 1": alpha_divergence(0.4),
    "alpha below 0": alpha_divergence(-0.7),
}
every = pytest.mark.parametrize("divergence", DIVERGENCES.values(), ids=DIVERGENCES)

MEAN, COUNT = 0.6, 20_000  # Q = N(0, 1), P = N(MEAN, 1), each as so many of its quantiles


def doubles(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def points_of(divergence: Divergence) -> list[float]:
    """Values of t all over the domain, up to near its ends."""
    low, high = max(divergence.domain[0], -2.0), min(divergence.domain[1], 2.0)
    return [low + (high - low) * share for share in np.linspace(0.001, 0.999, 25)]


@every
def test_a_conjugate_is_the_supremum_over_all_ratios(divergence: Divergence) -> None:
    """sup_u (u t - f(u)) over u = e^s, from a grid and from a finer one around its best."""
    for t in points_of(divergence):
        s = torch.linspace(-30.0, 16.0, 2001, dtype=torch.float64)
        for _ in range(2):
            values = t * s.exp() - divergence.f(s.exp())
            best = s[values.argmax()]
            s = best + torch.linspace(-0.05, 0.05, 2001, dtype=torch.float64)
        values = t * s.exp() - divergence.f(s.exp())
        assert divergence.conjugate(doubles(t)).item() == pytest.approx(values.max().item(), abs=1e-5), t


@every
def test_a_conjugates_slope_is_the_ratio_that_is_best(divergence: Divergence) -> None:
    """f*'(f'(u)) = u, by autograd on both: what the generator learns from."""
    u = torch.tensor([0.2, 0.7, 1.5, 3.0], dtype=torch.float64, requires_grad=True)
    if divergence is f_gan.TABLE["total-variation"]:
        pytest.skip("its f has a corner and two slopes")
    (t,) = torch.autograd.grad(divergence.f(u).sum(), u)
    t = t.detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(divergence.conjugate(t).sum(), t)
    torch.testing.assert_close(slope, u.detach())


@every
def test_whatever_a_network_says_lies_in_the_domain(divergence: Divergence) -> None:
    v = torch.linspace(-6.0, 6.0, 101, dtype=torch.float64)
    t = divergence.activation(v)
    low, high = divergence.domain
    assert (t > low).all()
    assert (t < high).all()
    assert (t.diff() > 0).all()
    assert divergence.conjugate(t).isfinite().all()


def test_the_domains_are_those_of_the_papers_table() -> None:
    """Tables 2 and 5, with pi log pi at pi = 0.3, and 1 / (1 - a) for a < 1."""
    assert {name: divergence.domain[1] for name, divergence in DIVERGENCES.items()} == {
        "gan": 0.0,
        "kl": math.inf,
        "reverse-kl": 0.0,
        "total-variation": 0.5,
        "pearson": math.inf,
        "neyman": 1.0,
        "squared-hellinger": 1.0,
        "jeffrey": math.inf,
        "jensen-shannon": pytest.approx(math.log(2)),
        "jensen-shannon-weighted": pytest.approx(-0.3 * math.log(0.3)),
        "alpha above 1": math.inf,
        "alpha below 1": pytest.approx(1 / 0.6),
        "alpha below 0": pytest.approx(1 / 1.7),
    }


def said(divergence: Divergence, t: Tensor) -> Tensor:
    """The V that the activation makes t of, by halving: it rises."""
    low, high = torch.full_like(t, -60.0), torch.full_like(t, 60.0)
    for _ in range(60):
        middle = (low + high) / 2
        below = divergence.activation(middle) < t
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return (low + high) / 2


def alpha_of_gaussians(alpha: float) -> float:
    return (math.exp(alpha * (alpha - 1) * MEAN**2 / 2) - 1) / (alpha * (alpha - 1))


CLOSED = {
    "kl": MEAN**2 / 2,
    "reverse-kl": MEAN**2 / 2,
    "total-variation": 2 * norm.cdf(MEAN / 2) - 1,
    "pearson": math.exp(MEAN**2) - 1,
    "neyman": math.exp(MEAN**2) - 1,
    "squared-hellinger": 2 - 2 * math.exp(-(MEAN**2) / 8),
    "jeffrey": MEAN**2,
    "alpha above 1": alpha_of_gaussians(1.5),
    "alpha below 1": alpha_of_gaussians(0.4),
    "alpha below 0": alpha_of_gaussians(-0.7),
}


def quantiles(mean: float) -> Tensor:
    return torch.from_numpy(norm.ppf((np.arange(COUNT) + 0.5) / COUNT) + mean)


def best_bound(divergence: Divergence) -> float:
    """With t = f'(p / q), the bound's best (section 2.2, eq. 5)."""

    def best(x: Tensor) -> Tensor:
        u = torch.exp(MEAN * x - MEAN**2 / 2).requires_grad_(True)
        (t,) = torch.autograd.grad(divergence.f(u).sum(), u)
        return said(divergence, t)

    return bound(divergence, best(quantiles(MEAN)), best(quantiles(0.0))).item()


@pytest.mark.parametrize("name", CLOSED)
def test_the_best_bound_is_the_divergence_of_two_gaussians(name: str) -> None:
    assert best_bound(DIVERGENCES[name]) == pytest.approx(CLOSED[name], abs=2e-3)


def mixed_divergence(share: float) -> float:
    """share KL(P | M) + (1 - share) KL(Q | M) with M = share P + (1 - share) Q, by a Riemann sum."""
    x = np.linspace(-12.0, 12.0, 200_001)
    p, q = norm.pdf(x, MEAN), norm.pdf(x)
    m = share * p + (1 - share) * q
    return float((share * p * np.log(p / m) + (1 - share) * q * np.log(q / m)).sum() * (x[1] - x[0]))


def test_the_best_bound_is_the_jensen_shannon_divergence_and_gans_lies_log_4_below() -> None:
    half = mixed_divergence(0.5)
    assert best_bound(DIVERGENCES["jensen-shannon"]) == pytest.approx(2 * half, abs=1e-4)
    assert best_bound(DIVERGENCES["gan"]) == pytest.approx(2 * half - math.log(4), abs=1e-4)
    assert best_bound(DIVERGENCES["jensen-shannon-weighted"]) == pytest.approx(mixed_divergence(0.3), abs=1e-4)


@every
def test_no_network_says_more_than_the_divergence(divergence: Divergence) -> None:
    most = best_bound(divergence)
    for slope in (-0.5, 0.0, 0.3, 0.9):
        for shift in (-0.4, 0.0, 0.5):
            of_real, of_fake = (slope * quantiles(mean) + shift for mean in (MEAN, 0.0))
            assert bound(divergence, of_real, of_fake).item() < most + 1e-4


@pytest.mark.parametrize("name", ["kl", "reverse-kl", "jensen-shannon"])
def test_a_learned_bound_nears_the_best_one(name: str) -> None:
    """V of a small network, by Adam on quantiles: from below, and near."""
    divergence = DIVERGENCES[name]
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(1, 16), torch.nn.ELU(), torch.nn.Linear(16, 1)).double()
    adam = torch.optim.Adam(network.parameters(), lr=0.02)
    real, fake = (quantiles(mean)[::100, None] for mean in (MEAN, 0.0))
    losses = losses_of(divergence)
    for _ in range(200):
        adam.zero_grad()
        loss = losses.discriminator(network(real)[:, 0], network(fake)[:, 0])
        loss.backward()
        adam.step()
    assert best_bound(divergence) - 0.02 < -loss.item() < best_bound(divergence) + 0.02


def test_the_generator_raises_the_activation_or_lowers_the_bound() -> None:
    fake = doubles(-1.0, 2.0)
    kl = DIVERGENCES["kl"]
    assert losses_of(kl).generator(fake).item() == pytest.approx(-0.5)
    assert losses_of(kl, direct=True).generator(fake).item() == pytest.approx(-(math.exp(-2) + math.exp(1)) / 2)


def test_every_divergence_is_a_variant_and_learns_by_its_own_row() -> None:
    of = family("f-gan")
    rows = [of.recipe("mini", variant=variant).row for variant in of.variants]
    assert len(rows) == 11
    ratio = doubles(0.3)
    assert len({round(row.f(ratio).item(), 9) for row in rows}) == 11

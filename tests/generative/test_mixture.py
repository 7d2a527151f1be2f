"""The mixture: EM against scikit-learn's, a bound that never falls and is one, and a covariance with a floor."""

import math

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture as Theirs

from zoo.evaluation.gaussian import GaussianDensity
from zoo.generative import mixture as ours
from zoo.generative.mixture import FAMILY, SPREAD, GaussianMixture, fitted, spread_out
from zoo.tasks.sampling import PictureFacts


def three_heaps(count: int = 300) -> torch.Tensor:
    """Whole numbers of four dimensions around three places."""
    rng = np.random.default_rng(0)
    centres = np.array([[100, 100, 100, 100], [150, 100, 130, 90], [130, 160, 100, 130]])
    return torch.from_numpy(np.rint(centres[np.arange(count) % 3] + rng.normal(scale=25.0, size=(count, 4)))).double()


def started(pixels: torch.Tensor, components: int) -> GaussianMixture:
    mixture = GaussianMixture((1, 1, pixels.shape[1]), components=components)
    centres = pixels[spread_out(pixels, count=components, seed=0)]
    mixture.take(pixels, torch.nn.functional.one_hot(torch.cdist(pixels, centres).argmin(1), components).double())
    return mixture


def test_em_is_that_of_scikit_learn_where_nothing_is_dequantised(monkeypatch: pytest.MonkeyPatch) -> None:
    """From one start, ten rounds: means, covariances and shares."""
    monkeypatch.setattr(ours, "SPREAD", 1e-9)
    pixels = three_heaps()
    mixture = started(pixels, 3)
    start = Theirs(
        3,
        reg_covar=1e-9,
        tol=0.0,
        max_iter=10,
        weights_init=mixture.shares.numpy(),
        means_init=mixture.means.numpy() - 0.5,
        precisions_init=np.linalg.inv((mixture.factors @ mixture.factors.mT).numpy()),
    )
    with pytest.warns(UserWarning, match="did not converge"):
        start.fit(pixels.numpy())
    fitted(mixture, pixels, tolerance=-math.inf, rounds=10)
    np.testing.assert_allclose(mixture.means.numpy() - 0.5, start.means_, rtol=1e-6)
    np.testing.assert_allclose((mixture.factors @ mixture.factors.mT).numpy(), start.covariances_, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mixture.shares.numpy(), start.weights_, rtol=1e-6)
    scores = mixture.joint(pixels).logsumexp(1).numpy()
    np.testing.assert_allclose(scores, start.score_samples(pixels.numpy()), rtol=1e-6)


def test_the_bound_never_falls() -> None:
    bounds = fitted(started(three_heaps(), 5), three_heaps(), tolerance=-math.inf, rounds=30)
    assert len(bounds) == 30
    assert min(np.diff(bounds)) > -1e-10
    assert bounds[-1] > bounds[0] + 0.01


def test_it_stops_where_a_round_betters_little() -> None:
    bounds = fitted(started(three_heaps(), 3), three_heaps(), tolerance=1e-3, rounds=100)
    assert len(bounds) < 100
    assert bounds[-1] - bounds[-2] < 1e-3 <= bounds[-2] - bounds[-3]


def test_it_bounds_the_probability_of_a_value() -> None:
    """One pixel: the probability of a value is the density's integral over one, by a fine sum."""
    torch.manual_seed(0)
    mixture = GaussianMixture((1, 1, 1), components=2)
    mixture.means[:, 0] = torch.tensor([3.0, 7.0])
    mixture.logarithms[:, 0] = torch.tensor([2.0, 3.0]).log()
    mixture.logits.copy_(torch.tensor([0.3, 0.7]).log())
    values = torch.arange(12)
    inside = values[:, None] + (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    density = sum(
        share * torch.distributions.Normal(mean, deviation).log_prob(inside).exp()
        for share, mean, deviation in zip(mixture.shares, mixture.means[:, 0], mixture.factors[:, 0, 0], strict=True)
    )
    exact = density.mean(1).log()
    bound = mixture.log_likelihood(values.to(torch.uint8).view(-1, 1, 1, 1), seed=0)
    assert (bound <= exact).all()
    assert (exact - bound).max() < 0.15


def test_one_component_is_the_benchmarks_floor() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(50, 1, 2, 3), dtype=np.uint8)
    learner = FAMILY.learner(FAMILY.recipe("smoke", components=1), PictureFacts(channels=1, height=2, width=3))
    pixels = torch.from_numpy(images).flatten(1).double()
    learner.mixture.take(pixels, torch.ones(50, 1, dtype=torch.float64))
    asked = torch.from_numpy(images[:7])
    expected = GaussianDensity(images).log_likelihood(asked, seed=0)
    torch.testing.assert_close(learner.mixture.log_likelihood(asked, seed=0), expected)


def test_pixels_that_never_change_have_the_variance_of_dequantisation() -> None:
    pixels = three_heaps()
    pixels[:, 1] = 0
    mixture = started(pixels, 3)
    fitted(mixture, pixels, tolerance=0.0, rounds=20)
    covariances = mixture.factors @ mixture.factors.mT
    assert torch.linalg.eigvalsh(covariances).min().item() == pytest.approx(SPREAD)
    assert mixture.joint(pixels).isfinite().all()


def test_a_component_that_nothing_comes_from_and_pictures_that_are_alike_break_nothing() -> None:
    pixels = torch.full((6, 4), 100.0, dtype=torch.float64)
    mixture = started(pixels, 3)
    bounds = fitted(mixture, pixels, tolerance=-math.inf, rounds=5)
    assert np.isfinite(bounds).all()
    assert mixture.shares.sum().item() == pytest.approx(1.0)
    assert (mixture.sample(9, seed=0).float() - 100).abs().mean() < 20


def test_draws_have_the_moments_of_the_mixture() -> None:
    pixels = three_heaps()
    mixture = started(pixels, 3)
    fitted(mixture, pixels, tolerance=1e-3, rounds=50)
    drawn = mixture.sample(20_000, seed=0).flatten(1).double()
    torch.testing.assert_close(drawn.mean(0), pixels.mean(0), rtol=0, atol=1.0)
    torch.testing.assert_close(drawn.T.cov(), pixels.T.cov(), rtol=0.05, atol=8.0)
    assert torch.equal(mixture.sample(5, seed=3), mixture.sample(5, seed=3))

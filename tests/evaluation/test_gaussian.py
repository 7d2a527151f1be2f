"""The Gaussian floors against sampling, and against what a Gaussian costs."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from zoo.evaluation import gaussian
from zoo.evaluation.gaussian import (
    GaussianDensity,
    GaussianThroughPictures,
    IndependentDensity,
    PixelGaussian,
    gaussian_density,
    gaussian_sampler,
)
from zoo.scoring.samples import moments


def test_gaussian_floor_has_the_moments_it_was_fitted_to() -> None:
    random = np.random.default_rng(3)
    images = np.clip(128 + 12 * (random.normal(size=(4000, 9)) @ random.normal(size=(9, 9))), 0, 255)
    images = images.astype(np.uint8).reshape(-1, 1, 3, 3)
    drawn = PixelGaussian(images).sample(20_000, seed=0).numpy().reshape(-1, 9).astype(float)
    (mean, covariance), (drawn_mean, drawn_covariance) = moments(images.reshape(-1, 9)), moments(drawn)
    assert np.abs(mean - drawn_mean).max() < 1.0
    assert np.abs(covariance - drawn_covariance).max() < 0.05 * np.abs(covariance).max()


def test_the_gaussian_floor_is_the_mean_over_dequantised_pictures() -> None:
    """The closed form against scipy's density at x + u, u drawn."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, size=(50, 1, 2, 2), dtype=np.uint8)
    pixels = images.reshape(50, 4).astype(float)
    covariance = np.cov(pixels, rowvar=False, bias=True) + np.eye(4) / 12
    normal = stats.multivariate_normal(pixels.mean(axis=0) + 0.5, covariance)
    u = random.uniform(size=(20_000, 1, 4))
    drawn = normal.logpdf(pixels[:3] + u)
    bound = GaussianDensity(images).log_likelihood(torch.from_numpy(images[:3]), seed=0).numpy()
    np.testing.assert_allclose(bound, drawn.mean(axis=0), atol=5 * drawn.std(axis=0).max() / math.sqrt(20_000))


def test_the_gaussian_floor_costs_the_entropy_of_the_gaussian_it_was_fitted_to() -> None:
    """Independent pixels of deviation 20: log2(20 sqrt(2 pi e)) bits each, and 1/4 bit where a pixel is constant."""
    random = np.random.default_rng(1)
    images = np.clip(np.rint(random.normal(128, 20, size=(20_000, 1, 1, 3))), 0, 255).astype(np.uint8)
    images[..., 2] = 7
    bits = -GaussianDensity(images).log_likelihood(torch.from_numpy(images), seed=0).mean().item() / math.log(2)
    constant = 0.5 * math.log2(2 * math.pi * math.e / 12)
    variances = images[..., :2].reshape(-1, 2).var(axis=0) + 1 / 12  # of what was drawn, and of the dequantisation
    expected = sum(0.5 * math.log2(2 * math.pi * math.e * variance) for variance in variances) + constant
    assert bits == pytest.approx(expected, rel=1e-3)
    assert constant == pytest.approx(0.2546, abs=1e-4)


def test_on_one_pixel_the_gaussian_floor_is_a_lower_bound_of_a_distribution_over_values() -> None:
    """Summed over all values its exponent cannot exceed one."""
    images = np.random.default_rng(2).integers(100, 110, size=(500, 1, 1, 1), dtype=np.uint8)
    every = torch.arange(256, dtype=torch.uint8).reshape(256, 1, 1, 1)
    total = GaussianDensity(images).log_likelihood(every, seed=0).exp().sum().item()
    assert 0.9 < total <= 1.0


def correlated(count: int, *, seed: int) -> np.ndarray:
    """Pictures of 9 pixels that go together, hardly any of them clipped."""
    random = np.random.default_rng(seed)
    images = np.clip(128 + 8 * (random.normal(size=(count, 9)) @ random.normal(size=(9, 9))), 0, 255)
    return images.astype(np.uint8).reshape(-1, 1, 3, 3)


def test_draws_through_pictures_have_the_pictures_moments() -> None:
    """Also with fewer pictures than pixels, where their covariance has no full rank."""
    for count in (6, 40, 1000):
        images = correlated(1000, seed=4)
        chosen = images[np.linspace(0, 999, count, dtype=int)].reshape(count, 9)
        drawn = GaussianThroughPictures(images, count=count).sample(40_000, seed=1).numpy().reshape(-1, 9)
        inside = ~((drawn == 0) | (drawn == 255)).any(axis=1)
        assert inside.mean() > 0.98
        (mean, covariance), (drawn_mean, drawn_covariance) = moments(chosen), moments(drawn)
        assert np.abs(mean - drawn_mean).max() < 1.0
        assert np.abs(covariance - drawn_covariance).max() < 0.05 * np.abs(covariance).max()


def test_draws_depend_on_the_seed_alone() -> None:
    images = correlated(50, seed=5)
    for sampler in (PixelGaussian(images), GaussianThroughPictures(images, count=20)):
        assert torch.equal(sampler.sample(3, seed=1), sampler.sample(3, seed=1))
        assert not torch.equal(sampler.sample(3, seed=1), sampler.sample(3, seed=2))


def test_independent_pixels_cost_what_the_gaussian_costs_whose_covariance_is_diagonal() -> None:
    """Against scipy's density at x + u, u drawn; and of one pixel the two are the same."""
    images = correlated(300, seed=6)
    pixels = images.reshape(300, 9).astype(float)
    normal = stats.norm(pixels.mean(axis=0) + 0.5, np.sqrt(pixels.var(axis=0) + 1 / 12))
    u = np.random.default_rng(7).uniform(size=(20_000, 1, 9))
    drawn = normal.logpdf(pixels[:3] + u).sum(axis=2)
    bound = IndependentDensity(images).log_likelihood(torch.from_numpy(images[:3]), seed=0).numpy()
    np.testing.assert_allclose(bound, drawn.mean(axis=0), atol=5 * drawn.std(axis=0).max() / math.sqrt(20_000))
    one = images[:, :, :1, :1]
    for_one = [of(one).log_likelihood(torch.from_numpy(one), seed=0) for of in (GaussianDensity, IndependentDensity)]
    torch.testing.assert_close(*for_one)


def test_large_pictures_never_form_a_covariance() -> None:
    """64 x 64 x 3 would take 1.2 GB, 128 x 128 x 3 19 GB: the floor is another one, and its name says so."""
    small = np.random.default_rng(0).integers(0, 256, (8, 1, 4, 4), dtype=np.uint8)
    assert [gaussian_sampler(small)[0], gaussian_density(small)[0]] == ["Gaussian of the pixels"] * 2
    large = np.random.default_rng(0).integers(0, 256, (8, 3, 128, 128), dtype=np.uint8)
    name, sampler = gaussian_sampler(large)
    assert name == "Gaussian through 8 training pictures"
    assert sampler.sample(2, seed=0).shape == (2, 3, 128, 128)
    name, density = gaussian_density(large)
    assert name == "independent Gaussian pixels"
    assert density.log_likelihood(torch.from_numpy(large), seed=0).shape == (8,)


def test_memory_bounds_the_pictures_that_are_drawn_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaussian, "DIMENSIONS", 8)
    monkeypatch.setattr(gaussian, "NUMBERS", 9 * 20)
    assert gaussian_sampler(correlated(100, seed=8))[0] == "Gaussian through 20 training pictures"
    assert gaussian_sampler(correlated(5, seed=8))[0] == "Gaussian through 5 training pictures"

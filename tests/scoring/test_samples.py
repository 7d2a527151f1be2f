"""FID, IS and KID against independent implementations on random features, and against hand-worked cases."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore
from torchmetrics.image.kid import KernelInceptionDistance

from zoo.evaluation.sampling import PixelGaussian, grid
from zoo.scoring.samples import SampleQuality, frechet_distance, inception_score, kernel_distance, moments
from zoo.scoring.units import Units


class Flat(torch.nn.Module):
    """Gives the features it is shown: torchmetrics then sees ours, whatever made them."""

    num_features = 16

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)


@pytest.fixture
def features() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    mix = random.normal(size=(16, 16))
    return (
        (random.normal(size=(300, 16)) @ mix).astype(np.float32),
        (random.normal(size=(400, 16)) @ mix * 1.2 + 0.3).astype(np.float32),
    )


def shown(features: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(features).reshape(len(features), 1, 4, 4)


def test_fid_agrees_with_torchmetrics(features: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = features
    theirs = FrechetInceptionDistance(feature=Flat(), input_img_size=(1, 4, 4), normalize=True).set_dtype(torch.float64)
    theirs.update(shown(a), real=False)
    theirs.update(shown(b), real=True)
    assert frechet_distance(*moments(a), *moments(b)) == pytest.approx(float(theirs.compute()), rel=1e-6)


def test_fid_agrees_with_the_matrix_square_root(features: tuple[np.ndarray, np.ndarray]) -> None:
    (m1, s1), (m2, s2) = (moments(f) for f in features)
    root = sqrtm(s1 @ s2).real
    assert frechet_distance(m1, s1, m2, s2) == pytest.approx(((m1 - m2) ** 2).sum() + np.trace(s1 + s2 - 2 * root))


def test_fid_by_hand() -> None:
    """Two diagonal Gaussians: (1 - 0)^2 + (2 - 1)^2 + (3 - 3)^2."""
    distance = frechet_distance(np.array([1.0, 0.0]), np.diag([4.0, 9.0]), np.zeros(2), np.diag([1.0, 9.0]))
    assert distance == pytest.approx(1.0 + 1.0)


def test_fid_of_a_set_with_itself_is_zero_also_where_a_feature_never_moves(
    features: tuple[np.ndarray, np.ndarray],
) -> None:
    dead = features[0].copy()
    dead[:, 3] = 1.0
    assert frechet_distance(*moments(dead), *moments(dead)) == pytest.approx(0.0, abs=1e-4)


def test_counts_are_the_same_as_repeated_rows(features: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = features
    counts = np.random.default_rng(1).integers(0, 3, size=len(a))
    units = Units({"features": a}, {"reference": b})
    repeated = frechet_distance(*moments(np.repeat(a, counts, axis=0)), *moments(b))
    assert SampleQuality().aggregate(units, counts)["classifier_FID"] == pytest.approx(repeated)


@pytest.mark.filterwarnings("ignore:.*will save all extracted features:UserWarning")
def test_inception_score_agrees_with_torchmetrics(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = np.random.default_rng(2).normal(size=(200, 16)).astype(np.float32) * 2
    theirs = InceptionScore(feature=Flat())
    theirs.update(shown(logits))
    keep_order: Callable[[int], torch.Tensor] = torch.arange
    monkeypatch.setattr(torch, "randperm", keep_order)  # it shuffles before it splits
    mean, _ = theirs.compute()
    probabilities = torch.from_numpy(logits).softmax(1).numpy()
    assert inception_score(probabilities) == pytest.approx(float(mean), rel=1e-5)


def test_inception_score_by_hand() -> None:
    certain = np.tile(np.eye(4), (10, 1))
    assert inception_score(certain) == pytest.approx(4.0)
    assert inception_score(np.full((40, 4), 0.25)) == pytest.approx(1.0)


@pytest.mark.filterwarnings("ignore:.*will save all extracted features:UserWarning")
def test_kernel_distance_agrees_with_torchmetrics(features: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = features
    theirs = KernelInceptionDistance(feature=Flat(), subsets=1, subset_size=300, normalize=True).set_dtype(
        torch.float64
    )
    theirs.update(shown(a), real=False)
    theirs.update(shown(b[:300]), real=True)
    assert kernel_distance(a, b[:300]) == pytest.approx(float(theirs.compute()[0]), rel=1e-4)


def test_gaussian_floor_has_the_moments_it_was_fitted_to() -> None:
    random = np.random.default_rng(3)
    images = np.clip(128 + 12 * (random.normal(size=(4000, 9)) @ random.normal(size=(9, 9))), 0, 255)
    images = images.astype(np.uint8).reshape(-1, 1, 3, 3)
    drawn = PixelGaussian(images).sample(20_000, seed=0).numpy().reshape(-1, 9).astype(float)
    (mean, covariance), (drawn_mean, drawn_covariance) = moments(images.reshape(-1, 9)), moments(drawn)
    assert np.abs(mean - drawn_mean).max() < 1.0
    assert np.abs(covariance - drawn_covariance).max() < 0.05 * np.abs(covariance).max()


def test_grid_shows_every_picture_in_reading_order() -> None:
    images = torch.arange(20, dtype=torch.uint8).view(20, 1, 1, 1).expand(20, 1, 8, 8)
    picture = grid(images, columns=5, height=8)
    assert picture.shape == (4 * 12, 5 * 12, 3)
    assert [picture[6 + 12 * row, 6 + 12 * column, 0] for row in range(4) for column in range(5)] == list(range(20))


def test_an_impossible_score_is_refused() -> None:
    fid, inception, _ = SampleQuality().metrics
    for value in (math.nan, math.inf, -0.1):
        with pytest.raises(ValueError, match="never registered"):
            fid.check(value)
    with pytest.raises(ValueError, match="expected a finite value"):
        inception.check(0.9)

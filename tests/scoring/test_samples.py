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

from zoo.scoring.samples import (
    InceptionQuality,
    Moments,
    SampleQuality,
    distance_between,
    frechet_distance,
    inception_score,
    kernel_distance,
    moments,
)
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
@pytest.mark.parametrize("rows_at_once", [64, 1024])
def test_kernel_distance_agrees_with_torchmetrics(
    features: tuple[np.ndarray, np.ndarray], rows_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.scoring.samples.ROWS_AT_ONCE", rows_at_once)
    a, b = features
    theirs = KernelInceptionDistance(feature=Flat(), subsets=1, subset_size=300, normalize=True).set_dtype(
        torch.float64
    )
    theirs.update(shown(a), real=False)
    theirs.update(shown(b[:300]), real=True)
    assert kernel_distance(a, b[:300]) == pytest.approx(float(theirs.compute()[0]), rel=1e-4)


def test_an_impossible_score_is_refused() -> None:
    fid, inception, _ = SampleQuality().metrics
    for value in (math.nan, math.inf, -0.1):
        with pytest.raises(ValueError, match="never registered"):
            fid.check(value)
    with pytest.raises(ValueError, match="expected a finite value"):
        inception.check(0.9)


def test_streamed_moments_are_those_of_the_whole() -> None:
    features = np.random.default_rng(0).normal(loc=1e4, size=(1000, 24)).astype(np.float32)  # far from 0: no squares
    streamed = Moments(24)
    for part in np.split(features, [1, 300, 301, 777]):
        streamed.add(part)
    mean, covariance = moments(features)
    assert streamed.count == 1000
    np.testing.assert_allclose(streamed.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(streamed.covariance, covariance, rtol=1e-9, atol=1e-9)


def test_streamed_moments_of_tiny_features_are_tiny() -> None:
    streamed = Moments(2)
    streamed.add([[1e-20, 3e-20], [3e-20, 3e-20]])
    np.testing.assert_allclose(streamed.mean, [2e-20, 3e-20], rtol=1e-12)
    np.testing.assert_allclose(streamed.covariance, [[2e-40, 0], [0, 0]], rtol=1e-12, atol=1e-60)


@pytest.mark.parametrize(("n", "m"), [(40, 50), (40, 300), (300, 40), (300, 310)])
def test_few_samples_give_the_same_distance(n: int, m: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.scoring.samples.ROWS_AT_ONCE", 64)
    random = np.random.default_rng(0)
    a, b = random.normal(size=(n, 100)), random.normal(size=(m, 100)) * 1.5 + 0.2
    assert distance_between(a, b) == pytest.approx(frechet_distance(*moments(a), *moments(b)), rel=1e-6)
    counts = random.integers(0, 3, size=n)
    assert distance_between(a, b, counts) == pytest.approx(distance_between(np.repeat(a, counts, axis=0), b), rel=1e-6)


@pytest.mark.parametrize("count", [30, 200])
def test_a_small_distance_is_told(count: int) -> None:
    """With fewer samples than dimensions and with more; never below 0."""
    a = np.random.default_rng(0).normal(size=(count, 100))
    assert distance_between(a, a) == pytest.approx(0, abs=1e-9)
    assert distance_between(a, a) >= 0
    assert distance_between(a, a + 0.05) == pytest.approx(100 * 0.05**2)


@pytest.mark.parametrize(("whole", "fid"), [(0.25, 0.25), (-1e-9, 0.0)])
def test_a_small_fid_is_told_and_rounding_makes_none_negative(whole: float, fid: float) -> None:
    rows = {"fid": np.arange(10.0), "log_is": np.zeros(10), "kid": np.zeros(10)}
    assert InceptionQuality().aggregate(Units(rows, {"fid": np.array([whole])}))["FID"] == fid


def test_fid_of_a_resample_moves_with_its_parts() -> None:
    rows = {"fid": np.arange(10.0) + 20, "log_is": np.zeros(10), "kid": np.zeros(10)}
    units = Units(rows, {"fid": np.array([12.0])})
    assert InceptionQuality().aggregate(units) == {"FID": 12.0, "IS": 1.0, "KID": 0.0}
    last = np.eye(10, dtype=np.int64)[9]
    assert InceptionQuality().aggregate(units, last)["FID"] == pytest.approx(12.0 + 4.5)

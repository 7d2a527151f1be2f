"""Label accuracy by hand, FID of all draws and within classes against scipy's square root of a matrix."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from zoo.scoring.conditional import ConditionalQuality
from zoo.scoring.units import Units

CLASSES, DIMENSIONS = 3, 4


def some_units(*, each: int = 40) -> Units:
    """Draws whose features lie apart from the reference's, more so for higher labels."""
    rng = np.random.default_rng(0)
    labels = np.arange(each * CLASSES) % CLASSES
    probabilities = rng.dirichlet(np.ones(CLASSES), size=len(labels)).astype(np.float32)
    features = (rng.normal(size=(len(labels), DIMENSIONS)) + labels[:, None]).astype(np.float32)
    reference_labels = np.repeat(np.arange(CLASSES), 50)
    reference = rng.normal(size=(len(reference_labels), DIMENSIONS)).astype(np.float32)
    rows = {"features": features, "probabilities": probabilities, "label": labels}
    return Units(rows, {"reference": reference, "reference_label": reference_labels})


def frechet_by_square_root(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a.astype(np.float64), b.astype(np.float64)
    of_a, of_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    difference = a.mean(axis=0) - b.mean(axis=0)
    return float(difference @ difference + np.trace(of_a + of_b - 2 * sqrtm(of_a @ of_b).real))


def test_the_distances_are_those_of_all_draws_and_the_mean_of_each_class() -> None:
    units = some_units()
    values = ConditionalQuality().aggregate(units)
    features, labels = units.rows["features"], units.rows["label"]
    reference, of_reference = units.constants["reference"], units.constants["reference_label"]
    assert values["classifier_FID"] == pytest.approx(frechet_by_square_root(features, reference), rel=1e-6)
    each = [
        frechet_by_square_root(features[labels == label], reference[of_reference == label]) for label in range(CLASSES)
    ]
    assert values["classifier_intra_FID"] == pytest.approx(np.mean(each), rel=1e-6)
    assert each[0] < each[1] < each[2]


def test_label_accuracy_counts_the_draws_that_are_what_was_asked_for() -> None:
    """Of four draws, asked to be 0, 1, 2, 2, the classifier finds 0, 2, 2, 1."""
    probabilities = np.eye(CLASSES, dtype=np.float32)[[0, 2, 2, 1]]
    units = some_units(each=2)
    rows = {"features": units.rows["features"][:4], "probabilities": probabilities, "label": np.array([0, 1, 2, 2])}
    often = {name: np.concatenate([row] * 5) for name, row in rows.items()}
    assert ConditionalQuality().aggregate(Units(often, units.constants))["label_accuracy"] == 0.5


def test_a_bootstrap_counts_the_distance_of_all_draws() -> None:
    units = some_units()
    counts = np.random.default_rng(1).integers(0, 3, size=len(units))
    repeated = np.repeat(units.rows["features"], counts, axis=0)
    values = ConditionalQuality().aggregate(units, counts)
    assert values == {"classifier_FID": pytest.approx(frechet_by_square_root(repeated, units.constants["reference"]))}

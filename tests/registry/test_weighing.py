"""What every rule begins with: ranked by another metric, and the same draws for the same question."""

import hashlib
import json

import numpy as np
import pytest

from registry.weighing import By, measured, name_of, seed_of
from zoo.scoring.classification import Accuracy
from zoo.scoring.samples import SampleQuality
from zoo.scoring.units import Units

UNITS = Units({"label": np.array([0, 0, 0, 1]), "scores": np.eye(2, dtype=np.float32)[[0, 0, 1, 1]]})


def test_ranked_by_another_metric() -> None:
    by = By.of(Accuracy(), "mean_class_accuracy")
    assert (by.id, by.paired, [metric.name for metric in by.metrics]) == ("accuracy@1", True, ["mean_class_accuracy"])
    assert by.resamples(UNITS)
    found = measured(UNITS, UNITS, by, resamples=50, seed=0)
    assert (found.challenger_value, found.gain) == (pytest.approx((2 / 3 + 1) / 2), 0.0)
    assert measured(UNITS, UNITS, Accuracy(), resamples=50, seed=0).champion_value == 0.75
    with pytest.raises(ValueError, match=r"accuracy@1 has no metric 'mIoU'; it has: accuracy, mean_class_accuracy"):
        By.of(Accuracy(), "mIoU")


def test_a_costly_metric_is_not_had_of_resamples() -> None:
    random = np.random.default_rng(0)
    rows = {"features": random.random((20, 3)), "probabilities": np.full((20, 2), 0.5)}
    drawn = Units(rows, {"reference": random.random((20, 3))})
    assert By.of(SampleQuality(), "classifier_FID").resamples(drawn)
    assert not By.of(SampleQuality(), "classifier_KID").resamples(drawn)


def test_the_seed_is_a_hash_of_the_question() -> None:
    digest = hashlib.sha256(json.dumps([{"a": "b"}, 0.1]).encode()).digest()
    assert seed_of({"a": "b"}, 0.1) == int.from_bytes(digest[:8], "big")


def test_who_reigned_in_words() -> None:
    assert (name_of("a.b", None), name_of("a.b", 0), name_of("a.b", 3)) == (
        "the floor",
        "champion a.b/0",
        "champion a.b/3",
    )

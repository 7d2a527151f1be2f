"""Scores taken apart by class and by unit, by hand and against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from zoo.scoring.classification import Accuracy
from zoo.scoring.detection import CocoAP
from zoo.scoring.likelihood import BitsPerDimension
from zoo.scoring.parts import by_class, by_unit
from zoo.scoring.segmentation import MIoU
from zoo.scoring.units import Units


def test_accuracy_by_label() -> None:
    labels, named = np.array([0, 0, 2, 2, 2]), np.array([0, 1, 2, 2, 0])
    units = Units({"label": labels, "scores": np.eye(3, dtype=np.float32)[named]})
    assert by_class(units, Accuracy()) == {0: 0.5, 2: pytest.approx(2 / 3)}
    assert by_unit(units, Accuracy()).tolist() == [1, 0, 1, 1, 0]


def test_intersection_over_union_by_class() -> None:
    random = np.random.default_rng(0)
    truth, said = random.integers(0, 3, (2, 4, 50))
    confusion = np.zeros((4, 4, 4), dtype=np.int64)
    for i in range(4):
        np.add.at(confusion[i], (truth[i], said[i]), 1)
    units = Units({"id": np.array(list("abcd")), "confusion": confusion})
    expected = jaccard_score(truth.ravel(), said.ravel(), average=None)
    found = by_class(units, MIoU())
    assert found == {k: pytest.approx(expected[k]) for k in range(3)}  # the fourth class occurs nowhere
    assert np.mean(list(found.values())) == pytest.approx(MIoU().aggregate(units)["mIoU"])
    alone = [np.mean(jaccard_score(truth[i], said[i], average=None)) for i in range(4)]
    assert by_unit(units, MIoU()) == pytest.approx(alone)


def test_a_unit_that_has_no_score_alone_is_not_a_number() -> None:
    confusion = np.zeros((2, 2, 2), dtype=np.int64)
    confusion[1] = [[1, 1], [0, 2]]
    values = by_unit(Units({"id": np.array(["void", "b"]), "confusion": confusion}), MIoU())
    assert np.isnan(values[0])
    assert values[1] == pytest.approx((1 / 2 + 2 / 3) / 2)


def objects(*columns: list[float], kind: type) -> np.ndarray:
    made = np.empty(len(columns), dtype=object)
    for i, column in enumerate(columns):
        made[i] = np.array(column, dtype=kind)
    return made


def test_average_precision_by_class() -> None:
    """One thing of each of two classes in each picture; of the first all are found, of the second half."""
    every = 2**10 - 1  # matched at all ten overlaps
    rows = {
        "image": np.arange(2),
        "truths": np.array([[1, 1, 0], [1, 1, 0]]),
        "class": objects([0, 1], [0], kind=np.int64),
        "score": objects([0.9, 0.8], [0.7], kind=np.float64),
    }
    for way in ("mask", "box"):
        rows[f"{way}_matched"] = objects([every, every], [every], kind=np.int64)
        rows[f"{way}_ignored"] = objects([0, 0], [0], kind=np.int64)
    units = Units(rows)
    found = by_class(units, CocoAP())
    assert found == {0: pytest.approx(1.0), 1: pytest.approx(51 / 101)}  # recall 0 ... 0.5 of 101 points
    assert np.mean(list(found.values())) == pytest.approx(CocoAP().aggregate(units)["mask_AP"])


def test_units_that_know_no_classes() -> None:
    units = Units({"id": np.array(["a", "b"]), "bits": np.array([8.0, 6.0]), "dimensions": np.array([2, 2])})
    assert by_class(units, BitsPerDimension()) == {}
    assert by_unit(units, BitsPerDimension()).tolist() == [4.0, 3.0]

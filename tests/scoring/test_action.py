"""Accuracy of videos, worked by hand and against torchmetrics."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_accuracy

from zoo.scoring.action import ActionAccuracy, rank
from zoo.scoring.units import Units


def units(labels: list[int], scores: np.ndarray) -> Units:
    return Units({"label": np.array(labels), "scores": np.asarray(scores, np.float32)})


def test_by_hand() -> None:
    """Classes 0, 0, 1, 2; named 0, 1, 1, 0: accuracy 2/4, of the classes 1/2, 1 and 0."""
    scores = np.array([[0.9, 0.1, 0], [0.4, 0.6, 0], [0.2, 0.5, 0.3], [0.5, 0.2, 0.3]])
    found = ActionAccuracy().aggregate(units([0, 0, 1, 2], scores))
    assert found == {"accuracy": 0.5, "top5_accuracy": 1.0, "mean_class_accuracy": 0.5}
    counted = ActionAccuracy().aggregate(units([0, 0, 1, 2], scores), np.array([3, 1, 0, 0]))
    assert counted == {"accuracy": 0.75, "top5_accuracy": 1.0, "mean_class_accuracy": 0.75}


def test_ties_go_to_the_lower_class() -> None:
    assert rank(np.full((3, 4), 0.25, np.float32), np.array([0, 1, 3])).tolist() == [0, 1, 3]


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_torchmetrics(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, scores = rng.integers(0, 11, size=300), rng.random((300, 11), dtype=np.float32)
    found = ActionAccuracy().aggregate(units(labels.tolist(), scores))
    truth, guess = torch.from_numpy(labels), torch.from_numpy(scores)
    for name, top, average in (
        ("accuracy", 1, "micro"),
        ("top5_accuracy", 5, "micro"),
        ("mean_class_accuracy", 1, "macro"),
    ):
        theirs = multiclass_accuracy(guess, truth, num_classes=11, top_k=top, average=average)  # type: ignore[arg-type]
        assert found[name] == pytest.approx(float(theirs), rel=1e-6)

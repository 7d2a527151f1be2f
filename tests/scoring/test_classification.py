"""Accuracy of pictures, worked by hand and against torchmetrics."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_accuracy

from zoo.scoring.classification import Accuracy
from zoo.scoring.units import Units


def units(labels: list[int], scores: np.ndarray) -> Units:
    return Units({"label": np.array(labels), "scores": np.asarray(scores, np.float32)})


SCORES = np.array([[0.9, 0.1, 0, 0], [0.4, 0.6, 0, 0], [0.2, 0.5, 0.3, 0], [0.5, 0.2, 0.3, 0]])


def test_by_hand() -> None:
    """Classes 0, 0, 1, 2; named 0, 1, 1, 0: accuracy 2/4, of the classes 1/2, 1 and 0. Of the fourth there is none."""
    assert Accuracy().aggregate(units([0, 0, 1, 2], SCORES)) == {"accuracy": 0.5, "mean_class_accuracy": 0.5}


def test_counts_are_the_same_as_repeated_pictures() -> None:
    """Three times the first, once the second: of the classes 1 and 2 there is nothing any more."""
    counted = Accuracy().aggregate(units([0, 0, 1, 2], SCORES), np.array([3, 1, 0, 0]))
    assert counted == Accuracy().aggregate(units([0, 0, 0, 0], SCORES[[0, 0, 0, 1]]))
    assert counted == {"accuracy": 0.75, "mean_class_accuracy": 0.75}
    counted = Accuracy().aggregate(units([0, 0, 1, 2], SCORES), np.array([1, 0, 1, 2]))
    assert counted == {"accuracy": 0.5, "mean_class_accuracy": pytest.approx(2 / 3)}


def test_ties_go_to_the_lower_class() -> None:
    assert Accuracy().aggregate(units([0, 1], np.full((2, 3), 0.3)))["accuracy"] == 0.5


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_torchmetrics(seed: int) -> None:
    random = np.random.default_rng(seed)
    labels, scores = random.integers(0, 7, size=200), random.random((200, 7), dtype=np.float32)
    ours = Accuracy().aggregate(units(labels.tolist(), scores))
    truth, guess = torch.from_numpy(labels), torch.from_numpy(scores)
    for name, average in (("accuracy", "micro"), ("mean_class_accuracy", "macro")):
        theirs = multiclass_accuracy(guess, truth, num_classes=7, average=average)  # type: ignore[arg-type]
        assert ours[name] == pytest.approx(float(theirs), rel=1e-6)

"""Accuracy of pictures whose answer is known."""

from pathlib import Path

import numpy as np
import pytest
import torch

from zoo.contracts import Inputs
from zoo.data.labelled import open_labelled
from zoo.evaluation.classification import ClassificationBenchmark
from zoo.evaluation.evaluate import evaluate
from zoo.scoring.metrics import CannotScore
from zoo.scoring.protocols import scoring


class Oracle:
    """Knows the label of every test picture, and says it in parts as they come."""

    def __init__(self, labels: np.ndarray) -> None:
        self.labels = torch.from_numpy(labels.astype(np.int64))
        self.asked: list[int] = []

    def probabilities(self, images: torch.Tensor) -> torch.Tensor:
        start = sum(self.asked)
        self.asked.append(len(images))
        return torch.nn.functional.one_hot(self.labels[start : start + len(images)], 10).float()

    def features(self, images: torch.Tensor) -> torch.Tensor:
        return self.probabilities(images)


def test_the_truth_scores_one_and_the_floor_is_the_most_frequent_training_class(datasets: Path) -> None:
    benchmark = ClassificationBenchmark("digits", Inputs(datasets=datasets))
    assert benchmark.protocol == "digits-test/accuracy@1"
    assert scoring(benchmark.protocol) == benchmark.scoring
    oracle = Oracle(benchmark.test.labels)
    scored = evaluate(benchmark, oracle)
    assert set(benchmark.scoring.aggregate(scored.units).values()) == {1.0}
    assert sum(oracle.asked) == len(scored.units) == len(benchmark.test.labels)
    method, trivial = benchmark.floor()
    assert method == "majority class"
    named = evaluate(benchmark, trivial).units.rows["scores"].argmax(axis=1)
    training = open_labelled(datasets / "digits", "train").labels
    assert set(named.tolist()) == {int(np.bincount(training).argmax())}
    assert np.bincount(benchmark.test.labels).argmax() not in named  # the test split's is another one


def test_pictures_of_one_class_in_another_order_are_no_pairs(datasets: Path) -> None:
    benchmark = ClassificationBenchmark("digits", Inputs(datasets=datasets))
    before = evaluate(benchmark, Oracle(benchmark.test.labels)).units
    first, second = np.flatnonzero(benchmark.test.labels == 3)[:2]
    order = np.arange(len(before))
    order[[first, second]] = second, first
    benchmark.test = benchmark.test._replace(images=benchmark.test.images[order])
    after = evaluate(benchmark, Oracle(benchmark.test.labels)).units
    assert np.array_equal(before.rows["label"], after.rows["label"])
    with pytest.raises(ValueError, match="column 'id' differs"):
        after.check_paired(before)


class Broken(Oracle):
    """Has lost its weights."""

    def __init__(self) -> None: ...

    def probabilities(self, images: torch.Tensor) -> torch.Tensor:
        return torch.full((len(images), 10), torch.nan)


def test_probabilities_that_are_not_finite_cannot_be_scored(datasets: Path) -> None:
    benchmark = ClassificationBenchmark("digits", Inputs(datasets=datasets))
    with pytest.raises(CannotScore, match="digits-test/accuracy@1: expected finite class probabilities"):
        evaluate(benchmark, Broken())

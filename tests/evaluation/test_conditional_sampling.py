"""The benchmark of class-conditional samplers, on samplers whose answer is known: they copy training pictures."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from zoo.contracts import Inputs, Upstream
from zoo.data.labelled import open_labelled
from zoo.evaluation.conditional_sampling import ClassGaussians, ConditionalSamplingBenchmark
from zoo.evaluation.evaluate import evaluate


class NearestMean(torch.nn.Module):
    """Sees a picture by its pixels, and finds it to be of the class whose mean is nearest."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        super().__init__()
        self.means = torch.stack([images[labels == label].float().flatten(1).mean(0) for label in range(10)])

    def features(self, images: Tensor) -> Tensor:
        return images.float().flatten(1)

    def probabilities(self, images: Tensor) -> Tensor:
        return torch.softmax(-torch.cdist(self.features(images), self.means), dim=1)


class Copies:
    """Draws training pictures of a class, so many classes further than what was asked for."""

    def __init__(self, images: Tensor, labels: Tensor, *, further: int) -> None:
        self.of = [images[labels == label] for label in range(10)]
        self.further = further

    def sample_labelled(self, labels: Tensor, *, seed: int) -> Tensor:
        random = np.random.default_rng(seed)
        classes = [self.of[(label + self.further) % 10] for label in labels.tolist()]
        return torch.stack([pictures[random.integers(len(pictures))] for pictures in classes])


@pytest.fixture
def digits(datasets: Path) -> tuple[Tensor, Tensor]:
    images, labels, _ = open_labelled(datasets / "digits", "train")
    return torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))


@pytest.fixture
def benchmark(datasets: Path, digits: tuple[Tensor, Tensor]) -> ConditionalSamplingBenchmark:
    entry = "nearest-mean.digits"
    upstream = {entry: Upstream(entry=entry, predictor=NearestMean(*digits), digest="0" * 64)}
    inputs = Inputs(datasets=datasets, upstream=upstream)
    return ConditionalSamplingBenchmark("digits", inputs, space="nearest-mean", draws=1000)


def test_who_draws_other_classes_has_the_same_fid_and_no_label_right(
    benchmark: ConditionalSamplingBenchmark, digits: tuple[Tensor, Tensor]
) -> None:
    listens, mistakes = (
        benchmark.scoring.aggregate(evaluate(benchmark, Copies(*digits, further=further)).units) for further in (0, 1)
    )
    assert listens["label_accuracy"] > 0.85 > 0.1 > mistakes["label_accuracy"]
    assert mistakes["classifier_FID"] == pytest.approx(listens["classifier_FID"], rel=0.5)
    assert mistakes["classifier_intra_FID"] > 20 * listens["classifier_intra_FID"]


def test_every_class_is_asked_for_alike_and_each_is_a_column_of_the_pictures(
    benchmark: ConditionalSamplingBenchmark, digits: tuple[Tensor, Tensor]
) -> None:
    scored = evaluate(benchmark, Copies(*digits, further=0))
    assert np.bincount(scored.units.rows["label"]).tolist() == [100] * 10
    found = NearestMean(*digits).probabilities(torch.from_numpy(scored.shown["draws"])).argmax(1).view(-1, 10)
    assert (found == torch.arange(10)).float().mean() > 0.8


def test_the_floor_draws_the_classes_it_is_asked_for(digits: tuple[Tensor, Tensor]) -> None:
    floor = ClassGaussians(digits[0].numpy(), digits[1].numpy())
    labels = torch.tensor([7, 0, 7, 3])
    drawn = floor.sample_labelled(labels, seed=0)
    assert torch.equal(drawn, floor.sample_labelled(labels, seed=0))
    assert not torch.equal(drawn[0], drawn[2])
    many = floor.sample_labelled(labels.repeat(100), seed=1).float().view(100, 4, -1).mean(0)
    means = NearestMean(*digits).means[labels]
    assert torch.cdist(many, means).argmin(1).tolist() in ([0, 1, 2, 3], [0, 1, 0, 3])

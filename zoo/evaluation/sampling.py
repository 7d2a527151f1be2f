"""Benchmark for samplers: draw, look at the draws through a feature network, compare with the training split."""

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from zoo.contracts import Inputs, Picture, Upstream
from zoo.data.labelled import open_labelled
from zoo.drawing.sheets import grid
from zoo.entry import Entry
from zoo.evaluation.gaussian import gaussian_sampler
from zoo.evaluation.stage import Stage
from zoo.scoring.samples import SampleQuality
from zoo.scoring.units import Evaluated, Units
from zoo.tasks.classification import Classifier
from zoo.tasks.sampling import Sampler

AT_ONCE = 500
SHOWN = 100


class FeatureSpace(Classifier, Protocol):
    """A classifier that says what it saw a picture by, so that draws can be compared there."""

    def features(self, images: UInt8[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        """What the classes are told apart by: numbers without bound or unit."""
        ...


class SamplingBenchmark:
    """Fréchet distance to a training split, in the feature space of a classifier that the zoo trained.

    The reference is the split that the sampler learns from, as in the literature; the feature network's digest and
    the number of draws are part of the protocol.

    Args:
        dataset: name of a data set of pictures.
        space: the classifier; its entry is the one of this data set.
        draws: how many samples are scored.
    """

    def __init__(self, dataset: str, inputs: Inputs, *, space: str, draws: int = 2000) -> None:
        self.upstream: Upstream = inputs.upstream[Entry.of(space, dataset)]
        self.scoring = SampleQuality()
        self.protocol = f"{dataset}-train/{self.scoring.id}:{space}-{self.upstream.digest[:8]}-n{draws}"
        self.draws = draws
        self.reference = open_labelled(inputs.dataset(dataset), "train").images

    def evaluate(self, predictor: Sampler, stage: Stage) -> Evaluated:
        """Features and class probabilities of every draw."""
        seeds = range(0, self.draws, AT_ONCE)
        tracked = stage.track(seeds, len(seeds))
        drawn = torch.cat([predictor.sample(min(AT_ONCE, self.draws - seed), seed=seed) for seed in tracked])
        classifier: FeatureSpace = stage.place(self.upstream.predictor)
        rows = {
            "features": by_parts(classifier.features, drawn),
            "probabilities": by_parts(classifier.probabilities, drawn),
        }
        reference = by_parts(classifier.features, torch.from_numpy(self.reference))
        return Evaluated(Units(rows, {"reference": reference}), {"draws": drawn[:SHOWN].numpy()})

    def floor(self) -> tuple[str, Sampler]:
        """A Gaussian of the training pixels."""
        return gaussian_sampler(self.reference)

    def pictures(self, model: Evaluated, floor: Evaluated) -> Mapping[str, Picture]:
        """Draws, the floor's draws and training pictures, side by side."""
        return {
            "samples": grid(model.shown["draws"]),
            "floor": grid(floor.shown["draws"]),
            "real": grid(self.reference[:SHOWN]),
        }


def by_parts(
    function: Callable[[Tensor], Tensor], images: UInt8[Tensor, "n c h w"]
) -> Float32[np.ndarray, "n columns"]:
    return np.asarray(torch.cat([function(part) for part in images.split(AT_ONCE)]).float().numpy())

"""Benchmark for samplers that are asked for classes: ask for all alike, and let a classifier say what was drawn."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from zoo.contracts import Inputs, Picture, Upstream
from zoo.data.labelled import open_labelled
from zoo.drawing.sheets import grid
from zoo.entry import Entry
from zoo.evaluation.gaussian import gaussian_sampler
from zoo.evaluation.inception_sampling import InceptionSamplingBenchmark
from zoo.evaluation.sample_quality import INCEPTION, SamplerRecipe
from zoo.evaluation.sampling import AT_ONCE, FeatureSpace, by_parts
from zoo.evaluation.stage import Stage
from zoo.scoring.conditional import ConditionalQuality
from zoo.scoring.units import Evaluated, Units
from zoo.tasks.conditional_sampling import ConditionalSampler

COLUMNS, ROWS = 10, 10  # classes that are shown, and draws of each


class ConditionalSamplingBenchmark:
    """Fréchet distance to a training split in the feature space of a classifier that the zoo trained, and whether it
    finds in each draw what was asked for.

    Args:
        dataset: name of a data set of pictures with classes.
        space: the classifier; its entry is the one of this data set.
        draws: how many samples are scored, equally many of each class.
    """

    def __init__(self, dataset: str, inputs: Inputs, *, space: str, draws: int) -> None:
        self.upstream: Upstream = inputs.upstream[Entry.of(space, dataset)]
        self.scoring = ConditionalQuality()
        self.protocol = f"{dataset}-train/{self.scoring.id}:{space}-{self.upstream.digest[:8]}-n{draws}"
        self.reference, labels, classes = open_labelled(inputs.dataset(dataset), "train")
        self.reference_labels = labels.astype(np.int64)
        self.labels = torch.arange(draws) % len(classes)

    def evaluate(self, predictor: ConditionalSampler, stage: Stage) -> Evaluated:
        """Features and class probabilities of every draw, and what it was asked to be."""
        parts = self.labels.split(AT_ONCE)
        tracked = enumerate(stage.track(parts, len(parts)))
        drawn = torch.cat([predictor.sample_labelled(part, seed=i) for i, part in tracked])
        classifier: FeatureSpace = stage.place(self.upstream.predictor)
        rows = {
            "features": by_parts(classifier.features, drawn),
            "probabilities": by_parts(classifier.probabilities, drawn),
            "label": self.labels.numpy(),
        }
        reference = by_parts(classifier.features, torch.from_numpy(self.reference))
        constants = {"reference": reference, "reference_label": self.reference_labels}
        return Evaluated(Units(rows, constants), {"draws": drawn[self.labels < COLUMNS][: COLUMNS * ROWS].numpy()})

    def floor(self) -> tuple[str, ConditionalSampler]:
        """A Gaussian of the training pixels of each class."""
        return "Gaussian of each class's pixels", ClassGaussians(self.reference, self.reference_labels)

    def pictures(self, model: Evaluated, floor: Evaluated) -> Mapping[str, Picture]:
        """Draws and the floor's, each class a column."""
        columns = min(COLUMNS, int(self.labels.max()) + 1)
        return {
            "samples": grid(model.shown["draws"], columns=columns),
            "floor": grid(floor.shown["draws"], columns=columns),
        }


class ClassGaussians:
    """The best sampler of each class that knows two moments of its training pictures."""

    def __init__(self, images: UInt8[np.ndarray, "n c h w"], labels: Int64[np.ndarray, "n"]) -> None:
        self.shape = images.shape[1:]
        self.samplers = {int(label): gaussian_sampler(images[labels == label])[1] for label in np.unique(labels)}

    def sample_labelled(self, labels: Int64[Tensor, "n"], *, seed: int) -> UInt8[Tensor, "n c h w"]:
        drawn = torch.empty(len(labels), *self.shape, dtype=torch.uint8)
        for label in labels.unique().tolist():
            asked = labels == label
            drawn[asked] = self.samplers[label].sample(int(asked.sum()), seed=seed)
        return drawn


def class_quality(recipe: SamplerRecipe, inputs: Inputs) -> ConditionalSamplingBenchmark | InceptionSamplingBenchmark:
    """Fréchet distance and label accuracy in the space of a classifier; in Inception's, which knows no labels of this
    data, what draws of all classes score together, as papers report it."""
    if recipe.space == INCEPTION:
        return InceptionSamplingBenchmark(recipe.scored, inputs, draws=recipe.draws)
    return ConditionalSamplingBenchmark(recipe.scored, inputs, space=recipe.space, draws=recipe.draws)

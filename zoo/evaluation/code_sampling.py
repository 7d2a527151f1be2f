"""Benchmark for samplers that found codes themselves: ask for all alike, and see what they say of the classes."""

from collections.abc import Mapping

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from zoo.contracts import Inputs, Picture, Upstream
from zoo.data.labelled import open_labelled
from zoo.drawing.sheets import grid
from zoo.entry import Entry
from zoo.evaluation.conditional_sampling import COLUMNS, ROWS, judged
from zoo.evaluation.gaussian import gaussian_sampler
from zoo.evaluation.sampling import by_parts
from zoo.evaluation.stage import Stage
from zoo.scoring.codes import CodeQuality
from zoo.scoring.units import Evaluated, Units
from zoo.tasks.conditional_sampling import ConditionalSampler
from zoo.tasks.sampling import Sampler


class CodeSamplingBenchmark:
    """Fréchet distance to a training split in the feature space of a classifier that the zoo trained, and how far its
    classes of the draws agree with the codes that were asked for.

    Args:
        dataset: name of a data set of pictures with classes.
        space: the classifier; its entry is the one of this data set.
        draws: how many samples are scored, equally many of each code.
        codes: how many there are.
    """

    def __init__(self, dataset: str, inputs: Inputs, *, space: str, draws: int, codes: int) -> None:
        self.upstream: Upstream = inputs.upstream[Entry.of(space, dataset)]
        self.scoring = CodeQuality()
        self.protocol = f"{dataset}-train/{self.scoring.id}:{space}-{self.upstream.digest[:8]}-n{draws}"
        self.reference, _, _ = open_labelled(inputs.dataset(dataset), "train")
        self.codes = torch.arange(draws) % codes

    def evaluate(self, predictor: ConditionalSampler, stage: Stage) -> Evaluated:
        """Features and class probabilities of every draw, and the code it was asked for."""
        classifier = stage.place(self.upstream.predictor)
        drawn, rows = judged(predictor, self.codes, classifier, stage)
        reference = by_parts(classifier.features, torch.from_numpy(self.reference))
        shown = drawn[self.codes < COLUMNS][: COLUMNS * ROWS].numpy()
        return Evaluated(Units(rows, {"reference": reference}), {"draws": shown})

    def floor(self) -> tuple[str, ConditionalSampler]:
        """A Gaussian of the training pixels, whatever the code."""
        name, sampler = gaussian_sampler(self.reference)
        return name, Regardless(sampler)

    def pictures(self, model: Evaluated, floor: Evaluated) -> Mapping[str, Picture]:
        """Draws and the floor's, each code a column."""
        columns = min(COLUMNS, int(self.codes.max()) + 1)
        return {
            "samples": grid(model.shown["draws"], columns=columns),
            "floor": grid(floor.shown["draws"], columns=columns),
        }


class Regardless:
    """A sampler that draws the same whatever it is asked for."""

    def __init__(self, sampler: Sampler) -> None:
        self.sampler = sampler

    def sample_labelled(self, labels: Int64[Tensor, "n"], *, seed: int) -> UInt8[Tensor, "n c h w"]:
        return self.sampler.sample(len(labels), seed=seed)

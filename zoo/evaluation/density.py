"""Benchmark for models that say how probable a picture is: bits per dimension of the test split."""

import math
from collections.abc import Mapping

import numpy as np
import torch

from zoo.contracts import Inputs, Picture
from zoo.data.labelled import open_labelled
from zoo.drawing.sheets import grid
from zoo.evaluation.gaussian import gaussian_density
from zoo.evaluation.histogram import histogram_density
from zoo.evaluation.stage import Stage
from zoo.scoring.likelihood import BitsPerDimension
from zoo.scoring.units import Evaluated, Units, names_of
from zoo.tasks.density import DensityModel

AT_ONCE = 500
SHOWN = 100  # of either end


class DensityBenchmark:
    """Bits per dimension of 8-bit test pictures, exact or an upper bound of that, as each model says of itself.

    Pictures that use few of the 256 values (`digits` has 17) can be said in fewer bits by a model that knows which. No
    continuous density does: on such data, compare those with each other. So each has the floor of its kind.

    Args:
        discrete: the model gives each of the 256 values a probability of its own, and so does its floor.
    """

    def __init__(self, dataset: str, inputs: Inputs, *, discrete: bool = False) -> None:
        self.scoring, self.discrete = BitsPerDimension(), discrete
        self.protocol = f"{dataset}-test/{self.scoring.id}"
        folder = inputs.dataset(dataset)
        self.images = open_labelled(folder, "test").images
        self.training = open_labelled(folder, "train").images

    def evaluate(self, predictor: DensityModel, stage: Stage) -> Evaluated:
        """Bits of every test picture."""
        parts = torch.from_numpy(self.images).split(AT_ONCE)
        tracked = enumerate(stage.track(parts, len(parts)))
        nats = torch.cat([predictor.log_likelihood(part, seed=i) for i, part in tracked])
        dimensions = np.full(len(self.images), self.images[0].size, dtype=np.int64)
        bits = -nats.double().numpy() / math.log(2.0)
        exact = np.full(len(self.images), predictor.exact)
        rows = {"id": names_of(self.images), "bits": bits, "exact": exact, "dimensions": dimensions}
        return Evaluated(Units(rows))

    def floor(self) -> tuple[str, DensityModel]:
        """A histogram of each training pixel for a discrete model, else a Gaussian of all."""
        return histogram_density(self.training) if self.discrete else gaussian_density(self.training)

    def pictures(self, model: Evaluated, _floor: Evaluated) -> Mapping[str, Picture]:
        """The test pictures that it finds least and most probable, a hundred each."""
        order = np.argsort(-model.units.rows["bits"], kind="stable")
        return {
            "least_probable": grid(self.images[order[:SHOWN]]),
            "most_probable": grid(self.images[order[::-1][:SHOWN]]),
        }

"""Benchmark for classifiers on pictures with one label each: every test picture, once."""

from collections.abc import Mapping

import numpy as np
import torch

from zoo.contracts import Inputs, Picture
from zoo.data.labelled import open_labelled
from zoo.evaluation.sampling import grid
from zoo.scoring.classification import Accuracy
from zoo.scoring.units import Units
from zoo.tasks import Classifier

AT_ONCE = 500


class ClassificationBenchmark:
    """Accuracy on the test split."""

    def __init__(self, dataset: str, inputs: Inputs) -> None:
        self.scoring = Accuracy()
        self.protocol = f"{dataset}-test/{self.scoring.id}"
        folder = inputs.dataset(dataset)
        images, self.labels, self.classes = open_labelled(folder, "test")
        self.images = torch.from_numpy(images)
        self.majority = int(np.bincount(open_labelled(folder, "train").labels).argmax())

    @torch.inference_mode()
    def evaluate(self, predictor: Classifier) -> Units:
        """The class scores of every picture."""
        scores = torch.cat([predictor.probabilities(part) for part in self.images.split(AT_ONCE)])
        return Units({"label": self.labels.astype(np.int64), "scores": scores.float().numpy()})

    def floor(self) -> tuple[str, Classifier]:
        """Always the most frequent class of the training split."""
        return "majority class", _Always(self.majority, classes=len(self.classes))

    def pictures(self, predictor: Classifier) -> Mapping[str, Picture]:
        """The pictures it got wrong, the first hundred (padded with right ones)."""
        wrong = self.evaluate(predictor).rows["scores"].argmax(axis=1) != self.labels
        order = np.argsort(~wrong, kind="stable")[:100]
        return {"hardest": grid(self.images[torch.from_numpy(order)])}


class _Always:
    """Gives one class, whatever it is shown."""

    def __init__(self, label: int, *, classes: int) -> None:
        self.scores = torch.nn.functional.one_hot(torch.tensor(label), classes).float()

    def probabilities(self, images: torch.Tensor) -> torch.Tensor:
        return self.scores.expand(len(images), -1)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        return self.probabilities(images)

"""Benchmark for classifiers on pictures with one label each: every test picture, once."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from zoo.contracts import Inputs, Picture
from zoo.data.labelled import open_labelled
from zoo.drawing.classification import hardest
from zoo.evaluation.stage import Stage
from zoo.scoring.classification import Accuracy
from zoo.scoring.metrics import CannotScore
from zoo.scoring.units import Evaluated, Units, names_of
from zoo.tasks.classification import Classifier

AT_ONCE = 500


class ClassificationBenchmark:
    """Accuracy on the test split."""

    def __init__(self, dataset: str, inputs: Inputs) -> None:
        self.scoring = Accuracy()
        self.protocol = f"{dataset}-test/{self.scoring.id}"
        folder = inputs.dataset(dataset)
        self.test = open_labelled(folder, "test")
        self.majority = int(np.bincount(open_labelled(folder, "train").labels).argmax())

    def evaluate(self, predictor: Classifier, stage: Stage) -> Evaluated:
        """The class scores of every picture.

        Raises:
            CannotScore: they are not finite.
        """
        parts = torch.from_numpy(self.test.images).split(AT_ONCE)
        scores = torch.cat([predictor.probabilities(part) for part in stage.track(parts, len(parts))]).float().numpy()
        if not np.isfinite(scores).all():
            raise CannotScore(f"{self.protocol}: expected finite class probabilities, got others. Look at the weights.")
        labels = self.test.labels.astype(np.int64)
        return Evaluated(Units({"id": names_of(self.test.images), "label": labels, "scores": scores}))

    def floor(self) -> tuple[str, Classifier]:
        """Always the most frequent class of the training split."""
        return "majority class", _Always(self.majority, classes=len(self.test.classes))

    def pictures(self, model: Evaluated, _floor: Evaluated) -> Mapping[str, Picture]:
        """The hundred pictures whose class has the lowest score."""
        rows = model.units.rows
        return {"hardest": hardest(self.test.images, rows["label"], rows["scores"], self.test.classes)}


class _Always:
    """Gives one class, whatever it is shown."""

    def __init__(self, label: int, *, classes: int) -> None:
        self.scores = torch.nn.functional.one_hot(torch.tensor(label), classes).float()

    def probabilities(self, images: UInt8[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        return self.scores.expand(len(images), -1)

    def features(self, images: UInt8[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        return self.probabilities(images)

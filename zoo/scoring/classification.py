"""How often the right class comes first: accuracy, from the class scores of every picture."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zoo.scoring.metrics import Metric
from zoo.scoring.units import Units


@dataclass(frozen=True)
class Accuracy:
    """Top-1 accuracy and its mean over classes.

    Rows: `id` (n,) str, `label` (n,) int64, `scores` (n, classes) float32, higher is likelier; ties go to the lower
    class.
    """

    id: str = "accuracy@1"
    paired: bool = True
    metrics: tuple[Metric, ...] = (
        Metric(name="accuracy", unit="", higher_is_better=True, lowest=0.0, highest=1.0),
        Metric(name="mean_class_accuracy", unit="", higher_is_better=True, lowest=0.0, highest=1.0),
    )

    def aggregate(self, units: Units, counts: npt.NDArray[np.int64] | None = None) -> dict[str, float]:
        labels, scores = units.rows["label"], units.rows["scores"]
        weights = np.ones(len(labels)) if counts is None else counts.astype(np.float64)
        right = (scores.argmax(axis=1) == labels) * weights
        classes = scores.shape[1]
        seen = np.bincount(labels, weights, minlength=classes)
        right_of_class = np.bincount(labels, right, minlength=classes)
        return {
            "accuracy": float(right.sum() / weights.sum()),
            "mean_class_accuracy": float((right_of_class[seen > 0] / seen[seen > 0]).mean()),
        }

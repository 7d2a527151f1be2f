"""How often the right class is among the first: top-1 and top-5 accuracy, from the five likeliest of every picture."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zoo.scoring.metrics import Metric
from zoo.scoring.units import Units

FIRST = 5


@dataclass(frozen=True)
class TopFive:
    """Of ImageNet's challenge, where several things may be in a picture and one is its label.

    Rows: `label` (n,) int64, `named` (n, 5) int64, likeliest first.
    """

    id: str = "top5@1"
    paired: bool = True
    metrics: tuple[Metric, ...] = (
        Metric(name="accuracy", unit="", higher_is_better=True, lowest=0.0, highest=1.0),
        Metric(name="top5_accuracy", unit="", higher_is_better=True, lowest=0.0, highest=1.0),
    )

    def aggregate(self, units: Units, counts: npt.NDArray[np.int64] | None = None) -> dict[str, float]:
        labels, named = units.rows["label"], units.rows["named"]
        weights = np.ones(len(labels)) if counts is None else counts.astype(np.float64)
        right = named == labels[:, None]
        return {
            "accuracy": float((right[:, 0] * weights).sum() / weights.sum()),
            "top5_accuracy": float((right.any(axis=1) * weights).sum() / weights.sum()),
        }

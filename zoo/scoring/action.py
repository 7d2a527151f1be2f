"""How often the right action comes first, or among the first five: accuracy, from the class scores of every video.

As UCF-101's results are commonly reported: Soomro, Zamir and Shah, CRCV-TR-12-01; Tran et al., ICCV 2015, section 4.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from jaxtyping import Float32, Int64

from zoo.scoring.metrics import Metric
from zoo.scoring.units import Units


@dataclass(frozen=True)
class ActionAccuracy:
    """Share of videos whose class comes first, or among the first five; the former also averaged over classes.

    Rows: `id` (n,) str, `label` (n,) int64, `scores` (n, classes) float32, higher is likelier; ties go to the lower
    class.
    """

    id: str = "actions@1"
    paired: bool = True
    metrics: tuple[Metric, ...] = (
        Metric(name="accuracy", unit="", higher_is_better=True, lowest=0.0, highest=1.0),
        Metric(name="top5_accuracy", unit="", higher_is_better=True, lowest=0.0, highest=1.0),
        Metric(name="mean_class_accuracy", unit="", higher_is_better=True, lowest=0.0, highest=1.0),
    )

    def aggregate(self, units: Units, counts: npt.NDArray[np.int64] | None = None) -> dict[str, float]:
        labels, scores = units.rows["label"], units.rows["scores"]
        weights = np.ones(len(labels)) if counts is None else counts.astype(np.float64)
        place = rank(scores, labels)
        of_class = np.bincount(labels, weights, minlength=scores.shape[1])
        right_of_class = np.bincount(labels, weights * (place == 0), minlength=scores.shape[1])
        return {
            "accuracy": float(np.average(place == 0, weights=weights)),
            "top5_accuracy": float(np.average(place < 5, weights=weights)),
            "mean_class_accuracy": float((right_of_class[of_class > 0] / of_class[of_class > 0]).mean()),
        }


def rank(scores: Float32[np.ndarray, "n classes"], labels: Int64[np.ndarray, "n"]) -> Int64[np.ndarray, "n"]:
    """How many classes come before the right one."""
    own = scores[np.arange(len(labels)), labels][:, None]
    lower = np.arange(scores.shape[1]) < labels[:, None]
    return ((scores > own) | ((scores == own) & lower)).sum(axis=1)

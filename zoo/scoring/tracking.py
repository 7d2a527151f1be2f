"""How trackers are scored: success AUC and precision as in OTB, from the overlap and centre error of every frame.

Source: Wu, Lim, Yang, "Online Object Tracking: A Benchmark", CVPR 2013, section 4 (success and precision plots); 21
thresholds with a strict `>` as in the got10k toolkit, so the best possible AUC is 20/21 = 0.952: an overlap of 1
exceeds every threshold but 1 itself.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from jaxtyping import Float

from zoo.scoring.metrics import Metric
from zoo.scoring.units import Units

THRESHOLDS = np.linspace(0, 1, 21)  # of overlap; got10k toolkit, nbins_iou
PIXELS = 20  # of centre error; CVPR 2013, section 4.1: the representative precision score


def centre_error(a: Float[np.ndarray, "n 4"], b: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, " n"]:
    """Distance between the centres of boxes in pixels, row by row."""
    return np.asarray(np.hypot(*((a[:, :2] + a[:, 2:] / 2) - (b[:, :2] + b[:, 2:] / 2)).T))


@dataclass(frozen=True)
class Success:
    """Share of frames that are followed, averaged over sequences."""

    id: str = "ope@1"
    paired: bool = True
    metrics: tuple[Metric, ...] = (
        Metric(name="success_auc", unit="", higher_is_better=True, lowest=0, highest=20 / 21),
        Metric(name="precision_20px", unit="", higher_is_better=True, lowest=0, highest=1),
        Metric(name="success_rate_50", unit="", higher_is_better=True, lowest=0, highest=1),
    )

    def aggregate(self, units: Units, counts: npt.NDArray[np.int64] | None = None) -> dict[str, float]:
        """Success AUC, share of frames within 20 px, share of frames with overlap > 0.5.

        The mean of a success curve is the mean number of thresholds that a frame's overlap exceeds, over 21.
        """
        exceeded = [np.searchsorted(THRESHOLDS, overlaps, side="left").mean() for overlaps in units.rows["overlap"]]
        near = [np.mean(errors <= PIXELS) for errors in units.rows["centre_error"]]
        half = [np.mean(overlaps > 0.5) for overlaps in units.rows["overlap"]]
        auc, precision, rate = np.average([exceeded, near, half], axis=1, weights=counts)
        return {
            "success_auc": float(auc / len(THRESHOLDS)),
            "precision_20px": float(precision),
            "success_rate_50": float(rate),
        }

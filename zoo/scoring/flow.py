"""End-point error of optical flow: sums and counts per pair of pictures, averaged as each benchmark's authors do.

Sources: Baker et al., "A Database and Evaluation Methodology for Optical Flow", IJCV 2011, section 4 (end-point error);
Menze and Geiger, "Object Scene Flow", CVPR 2015, section 5 (Fl-all).
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float

from zoo.scoring.metrics import CannotScore, Metric
from zoo.scoring.units import Units

WITHIN = (1, 3, 5)  # pixels


@dataclass(frozen=True)
class EndPointError:
    """Mean distance between true and estimated end points, and shares of pixels by how far they are off.

    Rows, over the pixels whose flow is known: `id` (n,) str, `pixels` int64, `error` float64 sum of end-point errors
    in pixels, `within` (n, 3) int64 pixels off by less than 1, 3, 5, `outliers` int64 (`Fl_all`).

    Args:
        per: "" for the mean over all pixels of the set (Sintel, FlyingChairs, Middlebury), "kitti" for the mean over
            pairs of each pair's mean; shares are of all pixels in both.
    """

    per: Literal["", "kitti"] = ""
    paired: bool = True
    metrics: tuple[Metric, ...] = (
        Metric(name="EPE", unit="px", higher_is_better=False, lowest=0.0, highest=math.inf),
        Metric(name="Fl_all", unit="", higher_is_better=False, lowest=0.0, highest=1.0),
        *(Metric(name=f"within_{n}px", unit="", higher_is_better=True, lowest=0.0, highest=1.0) for n in WITHIN),
    )

    @property
    def id(self) -> str:
        return f"{self.per}-epe@1" if self.per else "epe@1"

    def aggregate(self, units: Units, counts: npt.NDArray[np.int64] | None = None) -> dict[str, float]:
        """EPE, Fl-all, shares within 1, 3 and 5 px.

        Raises:
            ValueError: no pixel has a known flow.
        """
        rows = units.rows
        weights = np.ones(len(units), np.int64) if counts is None else counts
        pixels = weights @ rows["pixels"]
        if not pixels:
            raise ValueError("EPE: expected pixels with a known flow, but there are none. Look at the split's truth.")
        known = rows["pixels"] > 0
        means = rows["error"] / np.maximum(rows["pixels"], 1)
        epe = np.average(means[known], weights=weights[known]) if self.per else weights @ rows["error"] / pixels
        shares = weights @ np.column_stack((rows["outliers"], rows["within"])) / pixels
        return dict(zip((metric.name for metric in self.metrics), map(float, (epe, *shares)), strict=True))


def end_point_errors(
    flow: Float[np.ndarray, "_ _ 2"], truth: Float[np.ndarray, "h w 2"], known: Bool[np.ndarray, "h w"], *, name: str
) -> dict[str, np.int64 | np.float64 | npt.NDArray[np.int64]]:
    """A pair's row of the units, without its id.

    Args:
        flow: the estimate, in pixels.
        known: where the truth is.
        name: of the pair, for the error.

    Raises:
        CannotScore: sizes differ, or an estimate is not finite.
    """
    if flow.shape != truth.shape:
        raise CannotScore(
            f"{name}: expected a flow of the picture's size {truth.shape}, got {flow.shape}. "
            "An estimator answers at the size of the pictures it is given."
        )
    if not np.isfinite(flow).all():
        raise CannotScore(f"{name}: expected a finite flow everywhere, got NaN or infinity. Look at its weights.")
    expected = truth[known].astype(np.float64)
    error = np.hypot(*(flow[known] - expected).T)
    length = np.hypot(*expected.T)
    return {
        "pixels": np.int64(error.size),
        "error": error.sum(),
        "within": np.array([np.count_nonzero(error < n) for n in WITHIN]),
        # KITTI's devkit: off by more than 3 px and by more than 5 % of the true length
        "outliers": np.int64(np.count_nonzero((error > 3) & (error > 0.05 * length))),
    }

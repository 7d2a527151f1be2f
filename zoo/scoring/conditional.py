"""How good pictures are that were asked for: whether they look like the data, and like what was asked.

A sampler that makes good pictures of anything has the FID of one that listens, so label accuracy stands beside it, and
the Fréchet distance within each class, which is worse where a class is missed or one of its ways to look (Miyato and
Koyama, cGANs with projection discriminator, ICLR 2018, section 4: intra FID).
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zoo.scoring.metrics import Metric
from zoo.scoring.samples import distance_between, inception_score
from zoo.scoring.units import Units


@dataclass(frozen=True)
class ConditionalQuality:
    """FID, how many draws a classifier finds to be of the class asked for, FID within the classes, and IS.

    Rows: `features` (n, d) float32, `probabilities` (n, classes) float32, `label` (n,) int64, the class asked for.
    Constants: `reference` (m, d) float32, `reference_label` (m,) int64. Units of two evaluations are not paired.
    """

    space: str = "classifier"
    paired: bool = False

    @property
    def id(self) -> str:
        return f"{self.space}-conditional@1"

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return (
            Metric(name=f"{self.space}_FID", unit="", higher_is_better=False, lowest=0.0, highest=math.inf),
            Metric(name="label_accuracy", unit="", higher_is_better=True, lowest=0.0, highest=1.0),
            Metric(name=f"{self.space}_intra_FID", unit="", higher_is_better=False, lowest=0.0, highest=math.inf),
            Metric(name=f"{self.space}_IS", unit="", higher_is_better=True, lowest=1.0, highest=math.inf),
        )

    def aggregate(self, units: Units, counts: npt.NDArray[np.int64] | None = None) -> dict[str, float]:
        """All of them; the Fréchet distance alone under `counts`, which is what a bootstrap ranks by."""
        rows, constants = units.rows, units.constants
        fid, accuracy, intra, inception = (metric.name for metric in self.metrics)
        distance = {fid: distance_between(rows["features"], constants["reference"], counts)}
        if counts is not None:
            return distance
        within = [
            distance_between(
                rows["features"][rows["label"] == label], constants["reference"][constants["reference_label"] == label]
            )
            for label in np.unique(rows["label"])
        ]
        return distance | {
            accuracy: float((rows["probabilities"].argmax(axis=1) == rows["label"]).mean()),
            intra: float(np.mean(within)),
            inception: inception_score(rows["probabilities"]),
        }

"""How good pictures are of codes that a sampler found itself, and what its codes say of the classes.

Codes have no names, so that no accuracy can be counted: what they and the classes agree on is the adjusted Rand index
(Hubert and Arabie, Comparing partitions, Journal of Classification, 1985).
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zoo.scoring.metrics import Metric
from zoo.scoring.samples import distance_between, inception_score
from zoo.scoring.units import Units


@dataclass(frozen=True)
class CodeQuality:
    """FID, what codes say of the classes that a classifier finds in their draws, and IS.

    Rows: `features` (n, d) float32, `probabilities` (n, classes) float32, `label` (n,) int64, the code asked for.
    Constants: `reference` (m, d) float32. Units of two evaluations are not paired.
    """

    space: str = "classifier"
    paired: bool = False

    @property
    def id(self) -> str:
        return f"{self.space}-codes@1"

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return (
            Metric(name=f"{self.space}_FID", unit="", higher_is_better=False, lowest=0.0, highest=math.inf),
            # Below 0: less agreement than chance has.
            Metric(name="code_ARI", unit="", higher_is_better=True, lowest=-1.0, highest=1.0),
            Metric(name=f"{self.space}_IS", unit="", higher_is_better=True, lowest=1.0, highest=math.inf),
        )

    def aggregate(self, units: Units, counts: npt.NDArray[np.int64] | None = None) -> dict[str, float]:
        """All of them; the Fréchet distance alone under `counts`, which is what a bootstrap ranks by."""
        rows = units.rows
        fid, agreement, inception = (metric.name for metric in self.metrics)
        distance = {fid: distance_between(rows["features"], units.constants["reference"], counts)}
        if counts is not None:
            return distance
        return distance | {
            agreement: adjusted_rand_index(rows["label"], rows["probabilities"].argmax(axis=1)),
            inception: inception_score(rows["probabilities"]),
        }


def adjusted_rand_index(one: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> float:
    """How far two partitions agree on which pairs belong together, 0 for chance and 1 for all (eq. 5)."""
    table = np.zeros((one.max() + 1, other.max() + 1))
    np.add.at(table, (one, other), 1)
    together, of_one, of_other = (_pairs(counts) for counts in (table, table.sum(axis=1), table.sum(axis=0)))
    by_chance, most = of_one * of_other / _pairs(np.array(len(one))), (of_one + of_other) / 2
    return 1.0 if most == by_chance else float((together - by_chance) / (most - by_chance))


def _pairs(counts: npt.NDArray[np.float64] | npt.NDArray[np.int64]) -> float:
    """Of things that lie in groups of such sizes, those that lie in one."""
    return float((counts * (counts - 1.0) / 2.0).sum())

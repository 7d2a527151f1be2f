"""How two evaluations of the same units differ, as far as chance is concerned: what every rule of the gate begins with.

Both models were scored on the same units (images, sequences, pairs), so the question is put to the units: resample
them with the same counts for both, and see how far the gain of a metric wanders (`zoo.scoring.bootstrap`).
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from zoo.scoring.bootstrap import resampled
from zoo.scoring.metrics import Metric, Scoring
from zoo.scoring.units import Units

ROUNDING = 1e-12  # relative to the values: a smaller spread of their difference is none

Decision = Literal["PROMOTE", "HOLD", "REJECT"]


class Weighing(BaseModel):
    """How two evaluations compare in the ranking metric, chance considered: what all rules tell."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    decision: Decision
    metric: str
    challenger_value: float
    challenger_error: float  # bootstrap standard error of the challenger's own value
    champion_value: float
    gain: float  # of the challenger over the champion, positive when better
    standard_error: float  # of the gain
    interval: tuple[float, float] | None  # of the gain; none where nothing was asked
    alpha: float  # the one-sided level of the test, and of an interval's end; 0 where nothing was asked
    unit_count: int
    resamples: int
    seed: int

    @property
    def spread(self) -> bool:
        """Whether the units say anything about chance: without a spread nothing is proven."""
        return self.standard_error > ROUNDING * max(abs(self.challenger_value), abs(self.champion_value))


class Evidence(BaseModel):
    """Who was compared with whom, on what."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    reason: str
    entry: str
    challenger: int  # version number
    champion: int | None  # version number; None: the floor reigned
    protocol: str
    data_digest: str
    units: dict[str, str]  # SHA-256 of every file it was made from, by side and name ("champion/units.parquet")


class Measured(NamedTuple):
    """One metric on both sides, and how far chance moves it."""

    challenger_value: float
    challenger_error: float
    champion_value: float
    gain: float
    standard_error: float  # of the gain, as the bootstrap has it


@dataclass(frozen=True)
class By:
    """A scoring that ranks by another of its metrics."""

    scoring: Scoring
    metric: Metric

    @property
    def id(self) -> str:
        return self.scoring.id

    @property
    def paired(self) -> bool:
        return self.scoring.paired

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return (self.metric,)

    def aggregate(self, units: Units, counts: npt.NDArray[np.int64] | None = None) -> dict[str, float]:
        """What the scoring gives."""
        return self.scoring.aggregate(units, counts)

    @staticmethod
    def of(scoring: Scoring, name: str) -> "By":
        """Ranked by the metric of this name.

        Raises:
            ValueError: it has none of that name.
        """
        by_name = {metric.name: metric for metric in scoring.metrics}
        if name not in by_name:
            raise ValueError(f"{scoring.id} has no metric {name!r}; it has: {', '.join(by_name)}.")
        return By(scoring, by_name[name])

    def resamples(self, units: Units) -> bool:
        """Whether the metric can be had of resampled units; a costly one may be left out there."""
        return self.metric.name in self.scoring.aggregate(units, np.ones(len(units), np.int64))


def measured(new: Units, old: Units, scoring: Scoring, *, resamples: int, seed: int) -> Measured:
    """Values, gain and bootstrap errors of the ranking metric.

    Raises:
        CannotScore: a value that cannot be one.
    """
    metric = scoring.metrics[0]
    new_value, old_value = (metric.check(scoring.aggregate(units)[metric.name]) for units in (new, old))
    new_values, old_values = resampled([new, old], scoring, resamples=resamples, seed=seed).T
    return Measured(
        challenger_value=new_value,
        challenger_error=float(np.std(new_values, ddof=1)),
        champion_value=old_value,
        gain=metric.gain(new_value, old_value),
        standard_error=float(np.std(new_values - old_values, ddof=1)),
    )


def decided(low: float, high: float, *, margin: float) -> Decision:
    """What an interval of the gain means: all of it above the margin, all of it below 0, or neither."""
    if low > margin:
        return "PROMOTE"
    return "REJECT" if high < 0 else "HOLD"


def told(weighing: Weighing, who: str, *, margin: float) -> str:
    """A decision in words."""
    return {
        "PROMOTE": f"better than {who} by more than chance and the margin of {margin:g}",
        "HOLD": f"not proven better than {who}",
        "REJECT": f"worse than {who} by more than chance",
    }[weighing.decision]


def name_of(entry: str, champion: int | None) -> str:
    """Whoever reigned, in words."""
    return "the floor" if champion is None else f"champion {entry}/{champion}"


def seed_of(*asked: object) -> int:
    """The seed of the draws: a hash of everything that was asked, so that nobody chooses one."""
    return int.from_bytes(hashlib.sha256(json.dumps(list(asked)).encode()).digest()[:8], "big")

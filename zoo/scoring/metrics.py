"""What a number is: a metric with unit, direction and possible range, and the scoring that makes it of units.

A `Scoring` needs neither data nor torch, so a verdict can be replayed from the stored units alone, and a bootstrap is
the same function under other counts.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # a leaderboard reads what a metric is, and needs neither numpy nor pyarrow for that
    import numpy as np
    import numpy.typing as npt

    from zoo.scoring.units import Units


class CannotScore(ValueError):
    """What a model answers, or a number made of its answers, cannot be one.

    Raised for nothing else: a champion abdicates for it, and for damaged data none should.
    """


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A number's name, unit, direction and the values it can possibly take (both ends included)."""

    name: str
    unit: str
    higher_is_better: bool
    lowest: float
    highest: float

    def check(self, value: float) -> float:
        """The value, if it can be one.

        Raises:
            CannotScore: NaN, infinite, or outside the possible range.
        """
        if not math.isfinite(value) or not self.lowest <= value <= self.highest:
            raise CannotScore(
                f"{self.name} = {value}: expected a finite value in [{self.lowest:g}, {self.highest:g}]. "
                "A value like this is never registered; look at the run's predictions."
            )
        return value

    def gain(self, new: float, old: float) -> float:
        """How much better `new` is than `old`, positive when better."""
        return new - old if self.higher_is_better else old - new


class Scoring(Protocol):
    """How units become metrics; named and versioned, because two counts of one thing are two numbers."""

    @property
    def id(self) -> str:
        """`name@version`, the part of a protocol after the slash."""
        ...

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """All that `aggregate` returns; the first one ranks."""
        ...

    @property
    def paired(self) -> bool:
        """Whether unit i of two evaluations is the same image or sequence."""
        ...

    def aggregate(self, units: "Units", counts: "npt.NDArray[np.int64] | None" = None) -> dict[str, float]:
        """The metrics of these units, unit i counted `counts[i]` times (once each where None)."""
        ...

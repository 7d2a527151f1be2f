"""What a night did, entry by entry: what it prints at the end and leaves in `$ZOO_HOME/nights`."""

from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from flows.plan import Decision
from registry.glance import Version

Done = Literal[
    "skipped",
    "trained",
    "resumed",
    "scored",
    "delivered",
    "judged",
    "reproduced",
    "undelivered",
    "failed",
    "blocked",
    "stopped",
]
SHORT = frozenset({"undelivered", "failed", "blocked", "stopped"})
"""The ways in which the registry comes to lack what an entry should be tonight."""


class Outcome(BaseModel):
    """What a night did with one entry."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    entry: str
    recipe: str
    done: Done
    why: str  # the proof of a skip, the gate's reason, or what failed and what to do about it
    version: int | None = None
    metric: str = ""
    value: float | None = None
    floor: float | None = None
    verdict: str = ""
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Whether the registry holds what this entry should be tonight."""
        return self.done not in SHORT

    @classmethod
    def of(cls, decision: Decision, done: Done, why: str, *, version: Version | None = None) -> Self:
        """The outcome of a decision; with the scores of the version that came of it."""
        outcome = cls(entry=decision.entry, recipe=decision.slot.recipe, done=done, why=why)
        if version is None:
            return outcome
        metric = version.ranked_by.name
        verdict = version.verdict["decision"] if version.verdict else ""
        return outcome.model_copy(
            update={
                "version": version.number,
                "metric": metric,
                "value": version.record.score.metrics[metric],
                "floor": version.record.floor.metrics[metric],
                "verdict": verdict,
            }
        )


class Summary(BaseModel):
    """What a night did (`$ZOO_HOME/nights/<started>/summary.json`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    started: datetime
    seconds: float
    outcomes: tuple[Outcome, ...]
    stopped: str = ""  # the signal that ended it before its end

    @property
    def good(self) -> bool:
        """Whether every entry is as it should be."""
        return not self.stopped and all(outcome.good for outcome in self.outcomes)

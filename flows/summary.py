"""What a night did, entry by entry: what it prints at the end and leaves in `$ZOO_HOME/nights`."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from flows.job import Event
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
JUDGED = frozenset({"trained", "resumed", "scored", "delivered", "judged"})
"""What ends with the gate's verdict."""
VERDICTS = {"PROMOTE": "promoted", "HOLD": "held", "REJECT": "rejected"}
"""The gate's decisions, as what became of a version."""


class Asked(BaseModel):
    """What a night was asked to do: the parameters of its flow run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lineup: str = ""  # empty where the slots are no line-up with a name
    only: str = ""
    seed: int | None = None
    force: bool = False


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

    @property
    def verdict_tonight(self) -> str:
        """What tonight's verdict made of it: promoted, held or rejected; empty where there was none tonight."""
        return VERDICTS.get(self.verdict, "") if self.done in JUDGED else ""

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
    asked: Asked = Asked()
    outcomes: tuple[Outcome, ...]
    stopped: str = ""  # the signal that ended it before its end

    @property
    def good(self) -> bool:
        """Whether every entry is as it should be."""
        return not self.stopped and all(outcome.good for outcome in self.outcomes)

    @property
    def counts(self) -> dict[str, int]:
        """How many entries came to what, as in `promoted: 2, skipped: 31, failed: 1`."""
        return dict(Counter(outcome.verdict_tonight or outcome.done for outcome in self.outcomes))

    @property
    def headline(self) -> str:
        """The counts in a line."""
        return ", ".join(f"{number} {what}" for what, number in self.counts.items()) or "nothing to do"


def planned(decisions: Sequence[Decision], due: Sequence[Decision]) -> Event:
    """What a night is about to do, said before it begins."""
    counts = ", ".join(f"{number} to {what}" for what, number in Counter(each.action for each in due).items())
    return Event(
        kind="planned", text=f"{len(due)} of {len(decisions)} entries due{counts and f': {counts}'}", steps=len(due)
    )

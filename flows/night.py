"""One night over a line-up: verify data, train what changed, evaluate, register, ask the gate; survive anything.

The truth about a run lies in its folder under `$ZOO_HOME/runs`, and what MLflow has not acknowledged stays there and
is delivered by the next night: losing Prefect, MLflow or the power for an hour loses nothing that was made.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Literal

from pydantic import BaseModel, ConfigDict

from flows.job import Event, Failure, Job, Needed
from flows.lineups import lineup
from flows.locks import held
from flows.plan import Decision, plan, run_folder
from flows.versions import verify
from registry.glance import Version, champion, ready_versions
from registry.settings import Settings
from zoo.artifact import read_record, sha256_of
from zoo.durable import write_atomically

ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
"""Sums depend on the number of threads, to the last bit; two processes of one thread also train more than one of two."""

Say = Callable[[str, Event], None]
"""Told (entry, event) from any thread while a night goes on."""


class Outcome(BaseModel):
    """What a night did with one entry."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    entry: str
    recipe: str
    done: Literal["skipped", "trained", "resumed", "delivered", "judged", "reproduced", "undelivered", "failed", "blocked"]
    why: str  # the proof of a skip, the reason of a failure and what to do about it
    version: int | None = None
    metric: str = ""
    value: float | None = None
    floor: float | None = None
    verdict: str = ""
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Whether the registry holds what this entry should be tonight."""
        return self.done not in ("undelivered", "failed", "blocked")


class Summary(BaseModel):
    """What a night did (`$ZOO_HOME/nights/<started>.json`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lineup: str
    started: datetime
    seconds: float
    outcomes: tuple[Outcome, ...]

    @property
    def good(self) -> bool:
        """Whether every entry is as it should be."""
        return all(outcome.good for outcome in self.outcomes)


def night(name: str, *, settings: Settings, only: str = "", force: bool = False, say: Say) -> Summary:
    """Bring every entry of a line-up up to date; an entry that fails, fails alone.

    Args:
        name: of the line-up.
        only: a pattern of entries; what they need comes with them.
        force: train those again although nothing changed, from the first step, in a folder of their own, and check
            that the registered weights come out bit for bit. It makes no second version: a fingerprint has one.
        say: told what goes on.

    Raises:
        ValueError: another night is at work here; no such line-up or entry.
        ConnectionError: the tracking server does not answer, so that nobody knows what there is to do.
    """
    started = datetime.now(UTC)
    with held(settings.home / "night.lock", what="a night"):
        decisions = plan(lineup(name), settings=settings, only=only, force=force)
        tonight = _Night(settings, decisions, started, say)
        outcomes = tonight.run()
        seconds = (datetime.now(UTC) - started).total_seconds()
        summary = Summary(lineup=name, started=started, seconds=seconds, outcomes=outcomes)
        write_atomically(tonight.folder.with_suffix(".json"), summary.model_dump_json(indent=2).encode())
    return summary


class _Night:
    """What the works of one night share: slots to run workers in, the registry one at a time, outcomes so far."""

    def __init__(self, settings: Settings, decisions: Iterable[Decision], started: datetime, say: Say) -> None:
        self.settings = settings
        self.decisions = {decision.entry: decision for decision in decisions}
        self.say = say
        self.folder = settings.home / "nights" / f"{started:%Y-%m-%dT%H%M%S}"
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.outcomes: dict[str, Outcome] = {}
        self.registry = threading.Lock()
        self.slots: SimpleQueue[dict[str, str]] = SimpleQueue()

    def run(self) -> tuple[Outcome, ...]:
        """Do all there is to do; outcomes in the order of the line-up's graph."""
        todo = {entry: d for entry, d in self.decisions.items() if d.action not in ("skip", "blocked")}
        for entry, decision in self.decisions.items():
            if entry not in todo:
                self.outcomes[entry] = self._untouched(decision)
        if todo:
            for slot in slots():
                self.slots.put(slot)
            self._conduct(todo)
        return tuple(self.outcomes[entry] for entry in self.decisions)

    def _conduct(self, todo: dict[str, Decision]) -> None:
        from flows.server import prefect_api

        self.folder.mkdir(parents=True, exist_ok=True)
        datasets = dict.fromkeys(name for d in todo.values() if _trains(d) for name in d.datasets)
        with prefect_api(self.settings.home / "prefect", log=self.folder / "server.log", say=self._warn):
            from flows.graph import Work, run  # imports Prefect, which reads its settings from the environment now

            works = {f"data {name}": Work(lambda name=name: self._verify(name)) for name in datasets}
            for entry, decision in todo.items():
                data = [f"data {name}" for name in decision.datasets if _trains(decision)]
                needs = [upstream.entry for upstream in decision.upstream.values() if upstream.entry in todo]
                works[entry] = Work(lambda decision=decision: self._entry(decision), needs=data + needs)
            run(self.folder.name, works, log=self.folder / "prefect.log")
        for entry, decision in todo.items():
            self.outcomes.setdefault(entry, self._unreached(decision))

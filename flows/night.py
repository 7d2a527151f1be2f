"""One night over a line-up: verify data, train what changed, evaluate, register, ask the gate; survive anything.

The truth about a run lies in its folder under `$ZOO_HOME/runs`, and what MLflow has not acknowledged stays there and
is delivered by the next night: losing Prefect, MLflow or the power for an hour loses nothing that was made.
"""

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from flows.datasets.manifest import Manifest
from flows.datasets.verifying import verify
from flows.fingerprint import Ingredients
from flows.job import Event, Failure, Job
from flows.limits import room
from flows.lineups import Slot
from flows.locks import held
from flows.plan import Action, Decision, plan
from flows.reproduction import compare
from flows.runs import heal_some, model_folder, model_name, pulled, run_folder, whole_model
from flows.stopping import Stop, Stopped
from flows.summary import Asked, Done, Outcome, Summary, planned
from flows.workers import Say, Workers
from registry.glance import Version, read
from registry.settings import Settings
from zoo.artifact import UNSCORABLE, WEIGHTS
from zoo.durable import clear, scratch, write_atomically

DONE: dict[Action, Done] = {
    "train": "trained",
    "resume": "resumed",
    "score": "scored",
    "deliver": "delivered",
    "judge": "judged",
}
LEFT = ("checkpoints", "scratch")
"""What a run folder has no use for any more when its model is sealed."""
READING = frozenset({"train", "resume", "score", "reproduce"})
"""Actions that read data."""


def night(
    slots: Sequence[Slot],
    *,
    settings: Settings,
    only: str = "",
    force: bool = False,
    say: Say,
    asked: Asked | None = None,
) -> Summary:
    """Bring every entry of a line-up up to date; an entry that fails, fails alone.

    Args:
        slots: the line-up.
        only: a pattern of entries; what they need comes with them.
        force: train those again although nothing changed, from the first step, in a folder of their own, and check
            that the registered weights come out: bit for bit, on a GPU to a tolerance (`flows.reproduction`). It makes
            no second version of them.
        say: told what goes on.
        asked: what pages show that this night was asked; by default what is known here.

    Raises:
        AtWork: another night is at work here.
        ValueError: no such family, recipe or entry.
    """
    stop = Stop()
    with held(settings.home / "night.lock", what="a night"), stop.listening(), _temporary(settings.home / "scratch"):
        tonight = _Night(settings, say, stop, asked=asked or Asked(only=only, force=force))
        stop.carry_out(partial(tonight.run, slots, only=only, force=force), told=tonight.stopped)
        summary = tonight.summary()
        try:
            tonight.write(summary)
        except OSError as error:  # a full disk; what was reached is still to be told
            tonight.warn(f"the night's summary could not be kept: {error}.")
    return summary


@contextmanager
def _temporary(folder: Path) -> Iterator[None]:
    """Have this process, MLflow's client with it, keep temporary files where the next night looks for them."""
    with scratch(folder):
        before, tempfile.tempdir = tempfile.tempdir, str(folder)
        try:
            yield
        finally:
            tempfile.tempdir = before


class _Night:
    """What the works of one night share: workers, the registry one at a time, and the outcomes so far."""

    def __init__(self, settings: Settings, say: Say, stop: Stop, *, asked: Asked) -> None:
        self.settings = settings
        self.say = say
        self.stop = stop
        self.asked = asked
        self.started = datetime.now(UTC)
        self.folder = settings.home / "nights" / f"{self.started:%Y-%m-%dT%H%M%S}"
        self.registry = threading.Lock()
        self.decisions: Sequence[Decision] = ()
        self.outcomes: dict[str, Outcome] = {}

    def run(self, slots: Sequence[Slot], *, only: str, force: bool) -> None:
        """Look after what is registered, decide, and do all there is to do."""
        heal_some(self.settings, warn=self.warn)
        decided = partial(plan, slots, settings=self.settings, only=only, force=force)
        try:
            self.decisions = decided()
        except ConnectionError as error:
            self.warn(f"{error} Tonight's models stay in {self.settings.runs} until it does.")
            self.decisions = decided(offline=True)
        self.stop.check()
        for folder in (self.settings.home, self.settings.home / "memo"):
            clear(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        due = [decision for decision in self.decisions if decision.action not in ("skip", "blocked")]
        self.say("", planned(self.decisions, due))
        if due:
            room(self.settings.home)
            self.workers = Workers(self.say, leases=self.settings.leases, stop=self.stop)
            self._conduct(due)
        self._sweep()
        if due:
            self._decorate()

    def stopped(self) -> None:
        """Answer a signal before anything else."""
        self.warn(f"{self.stop.name}: the night ends now. What was trained so far is kept.")

    def summary(self) -> Summary:
        """What has been done by now: one outcome for each decision."""
        reached = dict(self.outcomes)  # what a signal left behind may still be at work
        outcomes = tuple(reached.get(each.entry) or self._untouched(each, reached) for each in self.decisions)
        seconds = (datetime.now(UTC) - self.started).total_seconds()
        return Summary(
            started=self.started, seconds=seconds, asked=self.asked, outcomes=outcomes, stopped=self.stop.name
        )

    def write(self, summary: Summary) -> None:
        """Leave the night's summary in its folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self.folder / "summary.json", summary.model_dump_json(indent=2).encode())

    def _conduct(self, due: Sequence[Decision]) -> None:
        """One Prefect task for each dataset to verify and each entry, with edges from what they need."""
        from flows.server import prefect_api

        trains: dict[str, str] = {decision.entry: decision.trains for decision in due}
        datasets = {name: f"data {name}" for d in due if d.action in READING for name in d.datasets}
        self.say("", Event(kind="note", text="starting Prefect"))
        try:
            with prefect_api(self.settings.home / "prefect", log=self.folder / "server.log", say=self.warn):
                from flows.graph import Work, run  # with Prefect, which reads its settings from the environment now

                works = {label: Work(partial(self._verify, name)) for name, label in datasets.items()}
                for decision in due:
                    data = [datasets[name] for name in decision.datasets if decision.action in READING]
                    upstream = [entry for entry, needed in decision.upstream.items() if trains.get(entry) == needed]
                    works[decision.entry] = Work(partial(self._entry, decision), needs=data + upstream)
                log = self.folder / "prefect.log"
                run(self.folder.name, works, asked=self.asked, log=log, summary=self.summary)
        except Exception as error:  # Prefect's own: what the works raise ends in their tasks
            self.warn(f"Prefect broke off ({error}); what was trained is kept. Start the night again to go on.")

    def _sweep(self) -> None:
        """Remove what registrations left behind that were killed and never came back."""
        from registry.sweeping import sweep, unfinished

        try:
            if unfinished(self.settings):
                for left_behind in sweep(self.settings):
                    self.warn(f"removed from the registry: {left_behind}")
        except ConnectionError:
            pass  # what was to be registered has said so; the next night sweeps
        except Exception as error:  # whatever it is, tonight's outcomes are to be told
            self.warn(f"the registry could not be swept ({error}); the next night tries again.")

    def _decorate(self) -> None:
        """Bring MLflow's own pages and the HTML board up to date; nothing depends on them."""
        from flows.published import targets
        from registry.decoration import refresh

        try:
            refresh(self.settings, targets=targets(read(self.settings).entries, self.settings))
        except Exception as error:  # whatever it is, the models are registered and judged
            self.warn(f"MLflow's pages stay as they were: {error} `zoo leaderboard --refresh` tries again.")

    def _verify(self, dataset: str) -> None:
        """Every byte of a dataset, before anything trains on it."""
        self.say("", Event(kind="note", text=f"verifying data set {dataset}"))
        try:
            verify(dataset, Manifest(self.settings))
        except Exception as error:  # whatever it is, it is this data set's, not Prefect's
            known = isinstance(error, ValueError)
            problem = str(error) if known else f"data set {dataset!r} cannot be verified: {error!r}"
            for decision in self.decisions:
                if dataset in decision.datasets and decision.action in READING:
                    self._finish(decision, Outcome.of(decision, "failed", problem))
            raise

    def _entry(self, decision: Decision) -> None:
        """From decision to verdict. What fails is told in the outcome, and raised for Prefect to show."""
        started = time.monotonic()
        problem: Exception | None = None
        try:
            self.stop.check()
            outcome = self._made(decision)
        except Stopped as signalled:
            outcome, problem = self._untouched(decision, {}), signalled
        except ConnectionError as error:  # the sealed folder is there: those that need it can go on
            outcome = Outcome.of(decision, "undelivered", f"{error} The next night delivers it.")
        except Exception as error:
            outcome, problem = Outcome.of(decision, "failed", str(error) or repr(error)), error
        seconds = time.monotonic() - started - self.workers.waited.get(decision.entry, 0.0)
        self._finish(decision, outcome.model_copy(update={"seconds": seconds}))
        if problem:
            raise problem

    def _finish(self, decision: Decision, outcome: Outcome) -> None:
        self.outcomes[decision.entry] = outcome
        self.say(decision.entry, Event(kind="done", text=f"{outcome.verdict_tonight or outcome.done}: {outcome.why}"))

    def _made(self, decision: Decision) -> Outcome:
        from registry.promotion import challenge, needs_rescoring
        from registry.store import register

        if decision.action == "reproduce":
            return self._reproduced(decision)
        if decision.action == "judge" and decision.version:
            version = decision.version
        else:
            folder = self._run(decision)
            with self.registry:
                version = register(folder, self.settings)
        reigning = needs_rescoring(version, self.settings) if version.verdict is None else None
        rescored = self._rescored(decision, reigning) if reigning else None
        with self.registry:
            ruling = challenge(version, self.settings, rescored=rescored)
        why = ruling.reason if ruling else "champion by hand"
        now = read(self.settings, version.entry).numbered(version.entry, version.number)
        return Outcome.of(decision, DONE[decision.action], why, version=now)

    def _reproduced(self, decision: Decision) -> Outcome:
        """Train again from the first step; the registered weights must come out."""
        version = decision.version
        if version is None:
            raise ValueError(f"{decision.entry}: expected a version to compare with, there is none.")
        made = run_folder(self.settings, decision.entry, decision.trains)
        folder = made.with_name(f"{made.name}-again")
        shutil.rmtree(folder, ignore_errors=True)
        self._job(decision).write(folder)
        self.workers.run(decision.entry, folder)
        registered, again = self._pulled(version), folder / model_name(self._ingredients(decision))
        try:
            how = compare(registered / WEIGHTS, again / WEIGHTS, device=version.record.placement["device"])
        except ValueError as error:
            raise ValueError(
                f"trained again, {decision.entry} got other weights than version {version.number} of the same "
                f"ingredients: {error}. Nothing was registered; compare device, precision and threads in "
                f"{again}/record.json with the version's."
            ) from error
        shutil.rmtree(folder)
        return Outcome.of(
            decision, "reproduced", f"the weights of version {version.number} again, {how}", version=version
        )

    def _run(self, decision: Decision) -> Path:
        """The sealed model, made if it is not there yet."""
        folder = run_folder(self.settings, decision.entry, decision.trains)
        if decision.from_scratch:
            shutil.rmtree(folder, ignore_errors=True)
        model = model_folder(self.settings, decision.entry, self._ingredients(decision))
        if model.is_dir():  # its worker or its night may have been killed right after that
            for name in LEFT:
                shutil.rmtree(folder / name, ignore_errors=True)
        else:
            room(self.settings.home)
            for used in (folder, folder / "checkpoints"):
                clear(used)
            self._job(decision, weights=self._weights(decision)).write(folder)
            self.workers.run(decision.entry, folder, recorded=self._recorded(decision))
        return model

    def _recorded(self, decision: Decision) -> float | None:
        """Seconds that training this entry by this recipe took the last time, where that is known."""
        try:
            versions = read(self.settings, decision.entry).versions(decision.entry)
        except ConnectionError:
            return None
        same = [version.record.seconds for version in versions if version.recipe_name == decision.slot.recipe]
        return same[-1] if same else None

    def _weights(self, decision: Decision) -> Path | None:
        """A sealed model of the same weights, where they are only to be scored."""
        return self._model(decision.entry, decision.trains) if decision.action == "score" else None

    def _rescored(self, decision: Decision, reigning: Version) -> Path | None:
        """The units of a champion under tonight's protocol and data, where its own do not compare.

        A champion that can no longer be scored abdicates, and there are none.
        """
        from registry.promotion import abdicate

        folder = run_folder(self.settings, decision.entry, decision.trains)
        out = folder / f"rescored-{reigning.number}-{decision.scores[:16]}"
        if not out.is_dir():
            self._job(decision).write(folder)
            try:
                self.workers.run(decision.entry, folder, "--rescore", str(self._pulled(reigning)), str(out))
            except ValueError as error:
                failure = Failure.of(folder)
                if failure is None or failure.kind not in UNSCORABLE:
                    raise
                self.warn(f"champion {reigning} abdicates: {error}")
                with self.registry:
                    abdicate(reigning, str(error), self.settings)
                return None
        return out / "units.parquet"

    def _job(self, decision: Decision, *, weights: Path | None = None) -> Job:
        return Job(
            entry=decision.entry,
            recipe_name=decision.slot.recipe,
            ingredients=self._ingredients(decision),
            datasets=self.settings.datasets,
            upstream={entry: self._model(entry, trains) for entry, trains in decision.upstream.items()},
            cache=self.settings.cache,
            weights=weights,
        )

    def _ingredients(self, decision: Decision) -> Ingredients:
        if decision.ingredients is None:
            raise ValueError(f"{decision.entry} is blocked: {decision.why}")
        return decision.ingredients

    def _model(self, entry: str, trains: str) -> Path:
        """The sealed folder of these weights: where they were trained, else pulled from the registry."""
        with self.registry:
            return whole_model(entry, trains, self.settings, warn=self.warn)

    def _pulled(self, version: Version) -> Path:
        """A registered version as a folder, every byte checked against the registry."""
        with self.registry:
            return pulled(version, self.settings)

    def _untouched(self, decision: Decision, outcomes: Mapping[str, Outcome]) -> Outcome:
        """The outcome of what was not done tonight, in most cases because it need not be."""
        if decision.action == "skip":
            return Outcome.of(decision, "skipped", decision.why, version=decision.version)
        if decision.action == "blocked":
            return Outcome.of(decision, "blocked", decision.why)
        if self.stop.name:
            why = f"{self.stop.name} ended the night before this was done; the next one goes on from there"
            return Outcome.of(decision, "stopped", why)
        short = [entry for entry in decision.upstream if entry in outcomes and not outcomes[entry].good]
        missing = ", ".join(short) or "Prefect or an entry before it"
        return Outcome.of(
            decision, "blocked", f"needs {missing}, which failed tonight; start the night again after that"
        )

    def warn(self, text: str) -> None:
        """Tell of something that is of no entry."""
        self.say("", Event(kind="warning", text=text))

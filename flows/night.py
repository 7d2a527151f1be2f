"""One night over a line-up: verify data, train what changed, evaluate, register, ask the gate; survive anything.

The truth about a run lies in its folder under `$ZOO_HOME/runs`, and what MLflow has not acknowledged stays there and
is delivered by the next night: losing Prefect, MLflow or the power for an hour loses nothing that was made.
"""

import shutil
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from flows.job import Event, Job, Needed
from flows.lineups import Slot
from flows.locks import held
from flows.plan import Action, Decision, Upstream, plan, run_folder
from flows.summary import Done, Outcome, Summary
from flows.versions import verify
from flows.workers import Say, Workers
from registry.glance import Version, proof, ready_versions
from registry.settings import Settings
from zoo.artifact import sha256_of
from zoo.durable import write_atomically

DONE: dict[Action, Done] = {"train": "trained", "resume": "resumed", "deliver": "delivered", "judge": "judged"}
TRAINING = frozenset({"train", "resume", "reproduce"})


def night(slots: Sequence[Slot], *, settings: Settings, only: str = "", force: bool = False, say: Say) -> Summary:
    """Bring every entry of a line-up up to date; an entry that fails, fails alone.

    Args:
        slots: the line-up.
        only: a pattern of entries; what they need comes with them.
        force: train those again although nothing changed, from the first step, in a folder of their own, and check
            that the registered weights come out bit for bit. It makes no second version: a fingerprint has one.
        say: told what goes on.

    Raises:
        ValueError: another night is at work here; no such family, recipe or entry.
    """
    started = datetime.now(UTC)
    with held(settings.home / "night.lock", what="a night"):
        try:
            decisions = plan(slots, settings=settings, only=only, force=force)
        except ConnectionError as error:
            say("", Event(kind="warning", text=f"{error} Tonight's models stay in {settings.runs} until it does."))
            decisions = plan(slots, settings=settings, only=only, force=force, offline=True)
        folder = settings.home / "nights" / f"{started:%Y-%m-%dT%H%M%S}"
        folder.mkdir(parents=True, exist_ok=True)
        outcomes = _Night(settings, decisions, folder, say).run()
        seconds = (datetime.now(UTC) - started).total_seconds()
        summary = Summary(started=started, seconds=seconds, outcomes=outcomes)
        write_atomically(folder / "summary.json", summary.model_dump_json(indent=2).encode())
    return summary


class _Night:
    """What the works of one night share: workers, the registry one at a time, and the outcomes so far."""

    def __init__(self, settings: Settings, decisions: Sequence[Decision], folder: Path, say: Say) -> None:
        self.settings = settings
        self.decisions = decisions
        self.folder = folder
        self.say = say
        self.registry = threading.Lock()
        self.outcomes: dict[str, Outcome] = {}

    def run(self) -> tuple[Outcome, ...]:
        """Do all there is to do; one outcome for each decision."""
        due = [decision for decision in self.decisions if decision.action not in ("skip", "blocked")]
        if due:
            self.workers = Workers(self.say)
            self._conduct(due)
            self._sweep()
        return tuple(self.outcomes.get(decision.entry) or self._untouched(decision) for decision in self.decisions)

    def _conduct(self, due: Sequence[Decision]) -> None:
        """One Prefect task for each dataset to verify and each entry, with edges from what they need."""
        from flows.server import prefect_api

        entries = {decision.entry for decision in due}
        datasets = {name: f"data {name}" for d in due if d.action in TRAINING for name in d.datasets}
        try:
            with prefect_api(self.settings.home / "prefect", log=self.folder / "server.log", say=self._warn):
                from flows.graph import Work, run  # with Prefect, which reads its settings from the environment now

                works = {label: Work(partial(self._verify, name)) for name, label in datasets.items()}
                for decision in due:
                    data = [datasets[name] for name in decision.datasets if decision.action in TRAINING]
                    upstream = [needed.entry for needed in decision.upstream.values() if needed.entry in entries]
                    works[decision.entry] = Work(partial(self._entry, decision), needs=data + upstream)
                run(self.folder.name, works, log=self.folder / "prefect.log")
        except Exception as error:  # Prefect's own: what the works raise ends in their tasks
            self._warn(f"Prefect broke off ({error}); what was trained is kept. Start the night again to go on.")

    def _sweep(self) -> None:
        """Remove what registrations left behind that were killed and never came back."""
        from registry.store import sweep

        try:
            for left_behind in sweep(self.settings):
                self._warn(f"removed from the registry: {left_behind}")
        except ConnectionError:
            pass  # what was to be registered has said so; the next night sweeps

    def _verify(self, dataset: str) -> None:
        """Every byte of a dataset, before anything trains on it."""
        try:
            verify(dataset, self.settings)
        except ValueError as error:
            for decision in self.decisions:
                if dataset in decision.datasets and decision.action in TRAINING:
                    self._finish(decision, Outcome.of(decision, "failed", str(error)))
            raise

    def _entry(self, decision: Decision) -> None:
        """From decision to verdict. What fails is told in the outcome, and raised for Prefect to show."""
        started = time.monotonic()
        problem: Exception | None = None
        try:
            outcome = self._made(decision)
        except ConnectionError as error:  # the sealed folder is there: those that need it can go on
            outcome = Outcome.of(decision, "undelivered", f"{error} The next night delivers it.")
        except Exception as error:
            outcome, problem = Outcome.of(decision, "failed", str(error) or repr(error)), error
        self._finish(decision, outcome.model_copy(update={"seconds": time.monotonic() - started}))
        if problem:
            raise problem

    def _finish(self, decision: Decision, outcome: Outcome) -> None:
        self.outcomes[decision.entry] = outcome
        self.say(decision.entry, Event(kind="done", text=outcome.done))

    def _made(self, decision: Decision) -> Outcome:
        from registry.promotion import challenge, needs_rescoring
        from registry.store import register

        folder = run_folder(self.settings, decision.entry, decision.fingerprint)
        if decision.action == "reproduce":
            return self._reproduced(decision, folder.with_name(f"{folder.name}-again"))
        if decision.action == "judge":
            version = self._version(decision)
        else:
            self._train(decision, folder)
            with self.registry:
                version = register(folder / "model", self.settings)
        reigning = needs_rescoring(version, self.settings) if version.verdict is None else None
        rescored = self._rescored(decision, folder, reigning) if reigning else None
        with self.registry:
            verdict = challenge(version, self.settings, rescored=rescored)
        why = verdict.reason if verdict else "champion by hand"
        return Outcome.of(
            decision, DONE[decision.action], why, version=proof(self.settings, version.entry, version.fingerprint)
        )

    def _reproduced(self, decision: Decision, folder: Path) -> Outcome:
        """Train again from the first step; the registered weights must come out bit for bit."""
        version = self._version(decision)
        self._train(decision, folder)
        registered = sha256_of(self._pulled(version) / "weights.safetensors")
        again = sha256_of(folder / "model" / "weights.safetensors")
        if again != registered:
            raise ValueError(
                f"trained again, {decision.entry} got other weights (SHA-256 {again[:12]}) than version "
                f"{version.number} ({registered[:12]}) of the same fingerprint. Nothing was registered; compare "
                f"device, precision and threads in {folder / 'model' / 'record.json'} with the version's."
            )
        shutil.rmtree(folder)
        why = f"the weights of version {version.number} again, bit for bit"
        return Outcome.of(decision, "reproduced", why, version=version)

    def _train(self, decision: Decision, folder: Path) -> None:
        """Have the sealed `folder/model` made, if it is not there yet."""
        if decision.from_scratch:
            shutil.rmtree(folder, ignore_errors=True)
        if not (folder / "model").is_dir():
            self._job(decision).write(folder)
            self.workers.run(decision.entry, folder)

    def _rescored(self, decision: Decision, folder: Path, reigning: Version) -> Path:
        """The units of a champion under tonight's protocol and data, where its own do not compare."""
        out = folder / f"rescored-{reigning.number}"
        if not out.is_dir():
            self._job(decision).write(folder)
            self.workers.run(decision.entry, folder, "--rescore", str(self._pulled(reigning)), str(out))
        return out / "units.parquet"

    def _job(self, decision: Decision) -> Job:
        if decision.ingredients is None:
            raise ValueError(f"{decision.entry} is blocked: {decision.why}")
        upstream = {
            family: Needed(entry=needed.entry, folder=self._model(needed))
            for family, needed in decision.upstream.items()
        }
        return Job(
            entry=decision.entry,
            family=decision.slot.family,
            recipe_name=decision.slot.recipe,
            ingredients=decision.ingredients,
            datasets=self.settings.datasets,
            upstream=upstream,
            cache=self.settings.cache,
        )

    def _model(self, needed: Upstream) -> Path:
        """The sealed folder of an upstream entry: where it was trained, else pulled from the registry."""
        trained = run_folder(self.settings, needed.entry, needed.fingerprint) / "model"
        if trained.is_dir():
            return trained
        version = proof(self.settings, needed.entry, needed.fingerprint)
        if version is None:
            raise ValueError(f"{needed.entry}: expected {trained}, which is gone. Start the night again to make it.")
        return self._pulled(version)

    def _pulled(self, version: Version) -> Path:
        """A registered version as a folder, every byte checked against the registry."""
        from registry.pull import pull

        folder = self.settings.home / "pulled" / version.entry / str(version.number)
        with self.registry:
            pull(str(version), folder, self.settings)
        return folder

    def _version(self, decision: Decision) -> Version:
        return next(v for v in ready_versions(self.settings, decision.entry) if v.number == decision.version)

    def _untouched(self, decision: Decision) -> Outcome:
        """The outcome of what was not done tonight, in most cases because it need not be."""
        if decision.action == "skip":
            return Outcome.of(decision, "skipped", decision.why, version=self._version(decision))
        if decision.action == "blocked":
            return Outcome.of(decision, "blocked", decision.why)
        short = [
            n.entry for n in decision.upstream.values() if n.entry in self.outcomes and not self.outcomes[n.entry].good
        ]
        missing = ", ".join(short) or "Prefect or an entry before it"
        return Outcome.of(
            decision, "blocked", f"needs {missing}, which failed tonight; start the night again after that"
        )

    def _warn(self, text: str) -> None:
        self.say("", Event(kind="warning", text=text))

"""What tonight would do with each entry, and why: decided from files and one look at the registry, in milliseconds.

Neither Prefect, MLflow, DVC nor torch is imported here, so a night with nothing to do is over before one of them had
been loaded.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from flows.datasets.manifest import Manifest
from flows.fingerprint import Description, Ingredients, describe, ingredients
from flows.lineups import Slot
from registry.glance import Version, ready_versions, unsettled
from registry.settings import Settings

Action = Literal["skip", "judge", "deliver", "resume", "train", "reproduce", "blocked"]


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """An entry that another one is built on, as it will be when its turn comes."""

    entry: str
    fingerprint: str
    tonight: bool  # made or proven by this line-up, rather than the registry's champion


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What happens to one entry tonight, and why."""

    entry: str
    slot: Slot
    action: Action
    why: str
    ingredients: Ingredients | None = None  # none where it is blocked
    upstream: Mapping[str, Upstream] = field(default_factory=dict)  # by family
    version: int | None = None  # that has this fingerprint
    from_scratch: bool = False  # forget what the run folder holds

    @property
    def datasets(self) -> tuple[str, ...]:
        """What it reads."""
        return tuple(self.ingredients.data) if self.ingredients else ()

    @property
    def fingerprint(self) -> str:
        """Of the run that makes it; empty where it is blocked."""
        return self.ingredients.fingerprint if self.ingredients else ""

    def as_json(self) -> dict[str, Any]:
        """What `zoo night --dry-run --json` prints of it."""
        return {
            "entry": self.entry,
            "recipe": self.slot.recipe,
            "action": self.action,
            "why": self.why,
            "version": self.version,
            "fingerprint": self.fingerprint,
            "needs": [upstream.entry for upstream in self.upstream.values()],
        }


def run_folder(settings: Settings, entry: str, fingerprint: str) -> Path:
    """Where the one run of a fingerprint lives: checkpoints, curves, and in the end the sealed `model/`."""
    return settings.runs / entry / fingerprint[:16]


def plan(
    slots: Sequence[Slot], *, settings: Settings, only: str = "", force: bool = False, offline: bool = False
) -> tuple[Decision, ...]:
    """A decision for each entry of a line-up, upstream entries first.

    Args:
        slots: the line-up.
        only: a pattern of entries (`fcn*`); what those need is decided on too. Empty: all.
        force: train what `only` matches although nothing changed, and compare with the version there is.
        offline: decide from the run folders alone, because the registry does not answer.

    Raises:
        ValueError: no such family, recipe or entry; two slots of one entry; entries that need each other.
        ConnectionError: the tracking server does not answer.
    """
    described = describe(dict.fromkeys(slot.family for slot in slots), memo=settings.home / "memo")
    entries = _entries(slots, described)
    chosen = [entry for entry in entries if not only or fnmatch(entry, only)]
    if not chosen:
        raise ValueError(f"no entry of this line-up matches {only!r}; it has: {', '.join(entries)}.")
    planner = _Planner(settings, described, entries, () if offline else ready_versions(settings))
    for entry in chosen:
        planner.decide(entry, awaited=())
    forced = chosen if force else []
    return tuple(_forced(made) if made.entry in forced else made for made in planner.decisions.values())


class _Planner:
    """Decides entry by entry, what an entry needs before itself."""

    def __init__(
        self,
        settings: Settings,
        described: Mapping[str, Description],
        entries: Mapping[str, Slot],
        ready: Iterable[Version],
    ) -> None:
        self.settings = settings
        self.manifest = Manifest(settings)
        self.described = described
        self.entries = entries
        self.decisions: dict[str, Decision] = {}
        self.ready: dict[str, list[Version]] = {}
        for version in ready:
            self.ready.setdefault(version.entry, []).append(version)

    def decide(self, entry: str, *, awaited: tuple[str, ...]) -> Decision:
        """The decision on an entry, after those on what it needs."""
        if entry in awaited:
            raise ValueError(f"entries that need each other cannot be trained: {' -> '.join((*awaited, entry))}.")
        if entry not in self.decisions:
            slot = self.entries[entry]
            try:
                if fault := self.described[slot.family].fault:
                    raise _Blocked(fault)
                upstream = self._upstream(entry, awaited=(*awaited, entry))
                made = self._ingredients(slot, upstream)
            except _Blocked as reason:
                self.decisions[entry] = Decision(entry=entry, slot=slot, action="blocked", why=str(reason))
            else:
                action, why, version = self._action(entry, made)
                self.decisions[entry] = Decision(
                    entry=entry,
                    slot=slot,
                    action=action,
                    why=why,
                    ingredients=made,
                    upstream=upstream,
                    version=version.number if version else None,
                )
        return self.decisions[entry]

    def _upstream(self, entry: str, *, awaited: tuple[str, ...]) -> dict[str, Upstream]:
        found = {}
        slot = self.entries[entry]
        for needed in self.described[slot.family].needs[slot.recipe]:
            found[needed.partition(".")[0]] = self._resolve(needed, awaited)
        return found

    def _resolve(self, needed: str, awaited: tuple[str, ...]) -> Upstream:
        """Tonight's, if the line-up makes it, else the registry's champion."""
        if needed in self.entries:
            decision = self.decide(needed, awaited=awaited)
            if decision.action == "blocked":
                raise _Blocked(f"needs {needed}, which is blocked")
            return Upstream(entry=needed, fingerprint=decision.fingerprint, tonight=True)
        champion = next((version for version in self.ready.get(needed, []) if version.champion), None)
        if champion is None:
            raise _Blocked(f"needs {needed}, which is neither in this line-up nor has a champion: train it first")
        return Upstream(entry=needed, fingerprint=champion.fingerprint, tonight=False)

    def _ingredients(self, slot: Slot, upstream: Mapping[str, Upstream]) -> Ingredients:
        recipe = _recipe(slot, self.described)
        try:
            data = {name: self.manifest.digest(name) for name in (recipe["dataset"], _scored(recipe))}
        except ValueError as error:
            raise _Blocked(str(error)) from error
        fingerprints = {needed.entry: needed.fingerprint for needed in upstream.values()}
        return ingredients(slot.family, recipe, data=data, upstream=fingerprints)

    def _action(self, entry: str, made: Ingredients) -> tuple[Action, str, Version | None]:
        versions = self.ready.get(entry, [])
        proof = next((version for version in versions if version.fingerprint == made.fingerprint), None)
        folder = run_folder(self.settings, entry, made.fingerprint)
        if proof and proof in unsettled(self.settings):
            return "judge", f"version {proof.number} is registered, but the gate has not finished with it", proof
        if proof:
            return "skip", f"version {proof.number} has this fingerprint ({made.fingerprint[:12]})", proof
        if (folder / "model").is_dir():
            return "deliver", "trained and evaluated, but the registry has not got it yet", None
        if step := _step(folder):
            return "resume", f"unfinished run of this fingerprint, at step {step} of {made.recipe['steps']}", None
        return "train", _what_changed(self.settings, entry, made, versions), None


class _Blocked(Exception):
    """An entry cannot be trained; the message says what to do."""


def _entries(slots: Sequence[Slot], described: Mapping[str, Description]) -> dict[str, Slot]:
    entries: dict[str, Slot] = {}
    for slot in slots:
        # Which data set a family scores that cannot be imported, nobody knows.
        scored = "?" if described[slot.family].fault else _scored(_recipe(slot, described))
        entry = f"{slot.family}.{scored}"
        if entry in entries:
            raise ValueError(f"two recipes of one line-up make {entry}: {entries[entry].recipe} and {slot.recipe}.")
        entries[entry] = slot
    return entries


def _recipe(slot: Slot, described: Mapping[str, Description]) -> dict[str, Any]:
    recipes = described[slot.family].recipes
    if slot.recipe not in recipes:
        raise ValueError(f"{slot.family} has no recipe {slot.recipe!r}; it has: {', '.join(recipes)}.")
    return recipes[slot.recipe]


def _scored(recipe: Mapping[str, Any]) -> str:
    """`Recipe.scored`, of a recipe told as JSON."""
    return str(recipe["scored_on"] or recipe["dataset"])


def _step(folder: Path) -> int:
    """The step of the newest checkpoint; 0 before the first."""
    index = folder / "checkpoints" / "index.json"
    return max((line["step"] for line in json.loads(index.read_text())), default=0) if index.is_file() else 0


def _what_changed(settings: Settings, entry: str, made: Ingredients, versions: Sequence[Version]) -> str:
    if not versions:
        return "never trained"
    latest = versions[-1]
    job = run_folder(settings, entry, latest.fingerprint) / "job.json"
    if not job.is_file():
        return f"fingerprint differs from that of version {latest.number}, whose run folder is not on this machine"
    try:
        before = Ingredients.model_validate(json.loads(job.read_text())["ingredients"])
    except ValidationError:
        return f"version {latest.number} was made by a nightzoo that counted other ingredients"
    return f"since version {latest.number}: {', '.join(made.changes(before))}"


def _forced(decision: Decision) -> Decision:
    """The same entry trained from the first step, and compared with the version of this fingerprint if there is one."""
    if decision.action == "blocked":
        return decision
    if decision.version is None:
        return replace(decision, action="train", why=f"forced; {decision.why}", from_scratch=True)
    why = f"forced: has to give the weights of version {decision.version} again"
    return replace(decision, action="reproduce", why=why, from_scratch=True)

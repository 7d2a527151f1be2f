"""What tonight would do with each entry, and why: decided from files and one look at the registry, in milliseconds.

Neither Prefect, MLflow, DVC nor torch is imported here, so a night with nothing to do is over before one of them had
been loaded.
"""

import json
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from flows.datasets.manifest import Manifest
from flows.described import describe_slots
from flows.fingerprint import Description, Ingredients, RecipeDescription, ingredients
from flows.lineups import Slot
from flows.runs import model_folder, run_folder, sealed
from flows.source import Sources
from registry.glance import Snapshot, Version, read
from registry.settings import Settings
from zoo.entry import Entry

Action = Literal["skip", "judge", "deliver", "score", "resume", "train", "reproduce", "blocked"]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What happens to one entry tonight, and why."""

    entry: Entry
    slot: Slot
    action: Action
    why: str
    ingredients: Ingredients | None = None  # none where it is blocked
    upstream: Mapping[str, str] = field(default_factory=dict)  # entry -> trains of what it is built on and scored with
    version: Version | None = None  # that has these scores; of "score", that has these weights
    from_scratch: bool = False  # forget what the run folder holds

    @property
    def datasets(self) -> tuple[str, ...]:
        """What it reads."""
        return tuple(self.ingredients.data) if self.ingredients else ()

    @property
    def trains(self) -> str:
        """The identity of its weights; empty where it is blocked."""
        return self.ingredients.trains if self.ingredients else ""

    @property
    def scores(self) -> str:
        """The identity of its numbers; empty where it is blocked."""
        return self.ingredients.scores if self.ingredients else ""

    def as_json(self) -> dict[str, Any]:
        """What `zoo night --dry-run --json` prints of it."""
        return {
            "entry": self.entry,
            "recipe": self.slot.recipe,
            "action": self.action,
            "why": self.why,
            "version": self.version.number if self.version else None,
            "trains": self.trains,
            "scores": self.scores,
            "needs": list(self.upstream),
        }


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
    described = describe_slots(slots, memo=settings.home / "memo")
    entries = _entries(slots, described)
    chosen = [entry for entry in entries if not only or fnmatch(entry, only)]
    if not chosen:
        raise ValueError(f"no entry of this line-up matches {only!r}; it has: {', '.join(entries)}.")
    planner = _Planner(settings, described, entries, Snapshot(()) if offline else read(settings))
    for entry in chosen:
        planner.decide(entry, awaited=())
    planner.sources.remember()
    forced = chosen if force else []
    return tuple(_forced(made) if made.entry in forced else made for made in planner.decisions.values())


class _Planner:
    """Decides entry by entry, what an entry needs before itself."""

    def __init__(
        self,
        settings: Settings,
        described: Mapping[str, Description],
        entries: Mapping[Entry, Slot],
        registry: Snapshot,
    ) -> None:
        self.settings = settings
        self.described = described
        self.entries = entries
        self.registry = registry
        self.manifest = Manifest(settings)
        self.sources = Sources(settings.home / "memo" / "source.json")
        self.decisions: dict[Entry, Decision] = {}

    @cached_property
    def unseeded(self) -> "_Planner":
        """The same line-up under its recipes' own seeds."""
        plain = copy(self)
        plain.entries = {entry: slot._replace(seed=None) for entry, slot in self.entries.items()}
        plain.decisions = {}
        return plain

    def decide(self, entry: Entry, *, awaited: tuple[Entry, ...]) -> Decision:
        """The decision on an entry, after those on what it needs."""
        if entry in awaited:
            raise ValueError(f"entries that need each other cannot be trained: {' -> '.join((*awaited, entry))}.")
        if entry not in self.decisions:
            slot = self.entries[entry]
            try:
                self.decisions[entry] = self._decision(entry, slot, awaited=(*awaited, entry))
            except _Blocked as reason:
                self.decisions[entry] = Decision(entry=entry, slot=slot, action="blocked", why=str(reason))
        return self.decisions[entry]

    def _decision(self, entry: Entry, slot: Slot, *, awaited: tuple[Entry, ...]) -> Decision:
        if fault := self.described[slot.family].fault:
            raise _Blocked(fault)
        recipe = _recipe(slot, self.described)
        upstream = {name: self._scores_with(Entry(name), awaited) for name in recipe.scoring_needs}
        upstream |= {name: self._trains(Entry(name), awaited) for name in recipe.needs}
        try:
            data = {name: self.manifest.digest(name) for name in (recipe.dataset, recipe.scored)}
            made = ingredients(slot.family, recipe, data=data, upstream=upstream, sources=self.sources)
        except (ValueError, SyntaxError) as error:
            raise _Blocked(str(error)) from error
        action, why, version = self._action(entry, made)
        return Decision(
            entry=entry, slot=slot, action=action, why=why, ingredients=made, upstream=upstream, version=version
        )

    def _trains(self, needed: Entry, awaited: tuple[Entry, ...]) -> str:
        """The weights of an upstream entry: tonight's, if the line-up makes it, else the registry's champion."""
        if needed in self.entries:
            decision = self.decide(needed, awaited=awaited)
            if decision.action == "blocked":
                raise _Blocked(f"needs {needed}, which is blocked")
            return decision.trains
        champion = self.registry.champion(needed)
        if champion is None:
            raise _Blocked(f"needs {needed}, which is neither in this line-up nor has a champion: train it first")
        return champion.trains

    def _scores_with(self, needed: Entry, awaited: tuple[Entry, ...]) -> str:
        """The weights of an entry that only scoring uses: those of its recipe's own seed, whatever tonight's is, for
        numbers that were made with others would not compare."""
        if needed not in self.entries or self.entries[needed].seed is None:
            return self._trains(needed, awaited)
        plain = self.unseeded.decide(needed, awaited=())
        if plain.action not in ("skip", "judge") and plain.trains != self._trains(needed, awaited):
            raise _Blocked(f"is scored with {needed} under its recipe's own seed, which has to be registered first")
        return plain.trains

    def _action(self, entry: Entry, made: Ingredients) -> tuple[Action, str, Version | None]:
        proof = self.registry.proof(entry, made.scores)
        if proof and not proof.settled:
            return "judge", f"version {proof.number} is registered, but the gate has not finished with it", proof
        if proof:
            return "skip", f"version {proof.number} has these scores ({made.scores[:12]})", proof
        if model_folder(self.settings, entry, made).is_dir():
            return "deliver", "trained and evaluated, but the registry has not got it yet", None
        trained = self.registry.by_trains(entry, made.trains)
        if trained or sealed(self.settings, entry, made.trains):
            return "score", f"the weights are there; {self._changed(entry, made)}", trained
        folder = run_folder(self.settings, entry, made.trains)
        if step := _step(folder):
            return "resume", f"unfinished run of these ingredients, at step {step} of {made.recipe['steps']}", None
        return "train", self._changed(entry, made), None

    def _changed(self, entry: Entry, made: Ingredients) -> str:
        latest = self.registry.latest(entry)
        if latest is None:
            return "never registered"
        job = run_folder(self.settings, entry, latest.trains) / "job.json"
        try:
            before = Ingredients.model_validate(json.loads(job.read_bytes())["ingredients"])
        except FileNotFoundError:
            return f"other ingredients than version {latest.number}'s, whose run folder is not on this machine"
        except ValidationError:
            return f"version {latest.number} was made by a nightzoo that counted other ingredients"
        except (ValueError, KeyError, TypeError):
            return f"other ingredients than version {latest.number}'s, whose {job} is damaged"
        return f"since version {latest.number}: {', '.join(made.changes(before)) or 'nothing but its scoring'}"


class _Blocked(Exception):
    """An entry cannot be trained; the message says what to do."""


def _entries(slots: Sequence[Slot], described: Mapping[str, Description]) -> dict[Entry, Slot]:
    entries: dict[Entry, Slot] = {}
    for slot in slots:
        # Which data set a family scores that cannot be imported, nobody knows.
        scored = "unknown" if described[slot.family].fault else _recipe(slot, described).scored
        entry = Entry.of(slot.family, scored, variant=slot.variant)
        if entry in entries:
            raise ValueError(f"two recipes of one line-up make {entry}: {entries[entry].recipe} and {slot.recipe}.")
        entries[entry] = slot
    return entries


def _recipe(slot: Slot, described: Mapping[str, Description]) -> RecipeDescription:
    variants = described[slot.family].recipes
    if slot.variant not in variants:
        raise ValueError(f"{slot.family} has no variant {slot.variant!r}; it has: {', '.join(variants)}.")
    recipes = variants[slot.variant]
    if slot.recipe not in recipes:
        raise ValueError(f"{slot.family} has no recipe {slot.recipe!r}; it has: {', '.join(recipes)}.")
    recipe = recipes[slot.recipe]
    if slot.seed is None:
        return recipe
    return recipe.model_copy(update={"training": recipe.training | {"seed": slot.seed}})


def _step(folder: Path) -> int:
    """The step of the newest checkpoint; 0 before the first, or where the index is damaged, as its worker will say."""
    index = folder / "checkpoints" / "index.json"
    try:
        return max((int(line["step"]) for line in json.loads(index.read_bytes())), default=0)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return 0


def _forced(decision: Decision) -> Decision:
    """The same entry trained from the first step, and compared with the version of these weights if there is one."""
    if decision.action == "blocked":
        return decision
    if decision.version is None:
        return replace(decision, action="train", why=f"forced; {decision.why}", from_scratch=True)
    why = f"forced: has to give the weights of version {decision.version.number} again"
    return replace(decision, action="reproduce", why=why, from_scratch=True)

"""Who was champion of an entry from when to when and why, and what every version changed: read off its versions alone.

Every accession is stored on the version that acceded: the gate's verdict, a succession, or a person's word. Versions
of older nightzoos do not say when they were judged; they were registered just before. What nobody wrote down (an alias
moved in MLflow's own pages) is told as such.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from registry import patience
from registry.gate import Succession
from registry.glance import ABDICATED_ON, Snapshot, Version
from registry.promotion import by_hand, stored
from zoo.scoring.metrics import Metric

Changes = Callable[[Version, Version], Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Reign:
    """One reign of a version, or of the floor."""

    version: int | None  # None: the floor
    since: datetime | None  # None: nobody wrote it down, or the floor's first
    until: datetime | None  # None: it reigns now, or nobody wrote it down
    how: str  # "gate", "same weights", "by hand", "rollback", "abdication", "unknown"
    why: str
    who: str = ""  # user name, where it was a person
    now: bool = False


@dataclass(frozen=True, kw_only=True)
class Step:
    """One version, and what was changed since the one before it."""

    version: int
    created: datetime
    recipe: str
    value: float
    error: float | None
    verdict: str
    changes: tuple[str, ...]  # none of the first version
    compares: bool  # with the version before: one protocol, one data digest


@dataclass(frozen=True, kw_only=True)
class History:
    """Of one entry, in the metric that ranks its newest version."""

    entry: str
    metric: Metric
    reigns: tuple[Reign, ...]
    steps: tuple[Step, ...]


def history(held: Snapshot, entry: str, *, changes: Changes | None = None) -> History:
    """The history of an entry.

    Args:
        changes: what is between two versions, in words; by default what the registry itself knows.

    Raises:
        ValueError: nothing is registered of this entry.
    """
    versions = held.versions(entry)
    if not versions:
        raise ValueError(f"no entry {entry!r} in the registry; it has: {', '.join(held.entries) or 'none yet'}.")
    metric = versions[-1].ranked_by
    ranked = [version for version in versions if version.ranked_by.name == metric.name]
    tell = changes or registered_changes
    befores: list[Version | None] = [None, *ranked[:-1]]
    return History(
        entry=entry,
        metric=metric,
        reigns=reigns(versions),
        steps=tuple(_step(version, before, metric, tell) for before, version in zip(befores, ranked, strict=True)),
    )


def reigns(versions: Sequence[Version]) -> tuple[Reign, ...]:
    """Who reigned, oldest first; the last one reigns now."""
    found = [Reign(version=None, since=None, until=None, how="", why="nobody had beaten it yet")]
    for event in sorted(_events(versions), key=lambda event: event.when):
        if event.overrules or event.before == found[-1].version:
            found = [*found[:-1], _ended(found[-1], event.when), event.reign()]
        elif event.before is None:  # the champion had gone, and nobody wrote down when
            found = [*found[:-1], _ended(found[-1], None), event.reign()]
    champion = next((version.number for version in versions if version.champion), None)
    if found[-1].version != champion:
        why = "the alias was moved in MLflow; nobody wrote down by whom, when or why"
        found = [
            *found[:-1],
            _ended(found[-1], None),
            Reign(version=champion, since=None, until=None, how="unknown", why=why),
        ]
    last = found[-1]
    return (*found[:-1], Reign(**{**vars(last), "now": True}))


def to_roll_back_to(versions: Sequence[Version]) -> int:
    """The version that the champion took over from, when it first became champion: the one to go back to.

    Raises:
        ValueError: the floor reigns, or reigned before.
    """
    told = reigns(versions)
    champion = told[-1].version
    if champion is None:
        raise ValueError("the floor reigns: there is no champion to roll back from.")
    first = next(i for i, reign in enumerate(told) if reign.version == champion)
    there = {version.number for version in versions if not version.abdicated}
    earlier = [reign.version for reign in told[:first] if reign.version in there]
    if not earlier or earlier[-1] is None:
        raise ValueError(f"version {champion} took over from the floor: there is no champion to roll back to.")
    return earlier[-1]


def registered_changes(before: Version, after: Version) -> tuple[str, ...]:
    """What the registry knows to be different: recipe, data, upstream, packages, scoring; what is left is code."""
    old, new = before.record, after.record
    told = [
        *_differing("recipe {} {} -> {}", before.recipe, after.recipe),
        *_differing("data {} changed", {old.dataset: old.data_digest}, {new.dataset: new.data_digest}),
        *_differing("upstream {} changed", old.upstream, new.upstream),
        *_differing("{} {} -> {}", old.versions, new.versions),
        *_differing("scored {} {} -> {}", _scored(before), _scored(after)),
    ]
    same = before.weights and before.weights == after.weights
    if not told and before.trains != after.trains:
        told = ["code"]
    return (*dict.fromkeys(told), *(["the same weights"] if same else []))


@dataclass(frozen=True, kw_only=True)
class _Event:
    """Somebody acceded, or abdicated."""

    when: datetime
    version: int | None
    before: int | None
    how: str
    why: str
    who: str = ""
    overrules: bool = False  # whoever reigned

    def reign(self) -> Reign:
        return Reign(version=self.version, since=self.when, until=None, how=self.how, why=self.why, who=self.who)


def _events(versions: Iterable[Version]) -> list[_Event]:
    return [event for version in versions for event in (*_by_gate(version), *_by_people(version), *_abdicated(version))]


def _by_gate(version: Version) -> list[_Event]:
    ruling = stored(version)
    if ruling is None or ruling.decision != "PROMOTE":
        return []
    if isinstance(ruling, patience.Verdict):
        when, how = version.created, "gate"
    elif isinstance(ruling, Succession):
        when, how = ruling.asked or version.created, "same weights"
    else:
        when, how = ruling.terms.asked, "gate"
    return [_Event(when=when, version=version.number, before=ruling.champion, how=how, why=ruling.reason)]


def _by_people(version: Version) -> list[_Event]:
    return [
        _Event(
            when=said.when,
            version=version.number,
            before=said.before,
            how="rollback" if said.rollback else "by hand",
            why=said.why,
            who=said.who,
            overrules=True,
        )
        for said in by_hand(version)
    ]


def _abdicated(version: Version) -> list[_Event]:
    if not version.abdicated or ABDICATED_ON not in version.tags:
        return []
    when = datetime.fromisoformat(version.tags[ABDICATED_ON])
    why = f"version {version.number} abdicated: {version.abdicated}"
    return [_Event(when=when, version=None, before=version.number, how="abdication", why=why)]


def _ended(reign: Reign, when: datetime | None) -> Reign:
    return Reign(**{**vars(reign), "until": when})


def _step(version: Version, before: Version | None, metric: Metric, changes: Changes) -> Step:
    alike = (version.protocol, version.data_digest)
    return Step(
        version=version.number,
        created=version.created,
        recipe=version.recipe_label,
        value=version.record.score.metrics[metric.name],
        error=version.error,
        verdict=version.standing,
        changes=tuple(changes(before, version)) if before else (),
        compares=before is not None and (before.protocol, before.data_digest) == alike,
    )


def _scored(version: Version) -> dict[str, str]:
    return {"under": version.protocol, "on": version.data_digest[:8]}


def _differing(words: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    names = [name for name in (*new, *(name for name in old if name not in new)) if old.get(name) != new.get(name)]
    return [words.format(name, old.get(name), new.get(name)) for name in names]

"""What is wrong with a registry: every version held to what was registered, loaded once, and nothing left over.

bytes     every file there and of the registered hash
rows      what the database says is what is sealed among the files
card      there, and says under which licence it may be used
loads     today's code builds its network and takes its weights
alias     points at a READY version
left over   runs and files that belong to no version
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from registry.client import connect, pages, plain_errors
from registry.glance import Snapshot, Version, read
from registry.healing import Condition, Copies, Healed, examined, heal
from registry.settings import Settings
from registry.sweeping import ABANDONED

LICENCE = re.compile(r"^licen[cs]e:", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong, or worth knowing."""

    subject: str  # entry/number, or where something lies
    check: str
    what: str
    advice: str
    wrong: bool = True  # False: only worth knowing
    mended: bool = False


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What a doctor found."""

    versions: int
    findings: tuple[Finding, ...]
    withdrawn: tuple[Version, ...] = ()

    @property
    def well(self) -> bool:
        """Whether nothing is wrong any more."""
        return all(finding.mended or not finding.wrong for finding in self.findings)


def examine(
    settings: Settings, copies: Copies, *, entry: str | None = None, loading: bool = True, repair: bool = False
) -> Examination:
    """Look at every version of an entry, or of all, and at what is left over.

    Args:
        loading: build each network and load its weights, which takes seconds and imports torch.
        repair: mend what is wrong from whoever has the right bytes; withdraw what nobody has.

    Raises:
        ConnectionError: the tracking server does not answer.
        ValueError: no such entry, or the database is damaged.
    """
    held = read(settings, entry)
    if entry and not held.versions() and not held.unready:
        raise ValueError(f"no entry {entry!r} in the registry; it has: {', '.join(read(settings).entries) or 'none'}.")
    findings: list[Finding] = []
    withdrawn = []
    for version in held.versions():
        healed = heal(version, settings, copies, by_hand=True) if repair else None
        if healed is not None:
            findings += _of_healed(healed)
            if healed.withdrawn:
                withdrawn.append(version)
            if not healed.whole:
                continue
            version = read(settings, version.entry).numbered(version.entry, version.number)  # with its mended rows
        findings += _of_version(version, settings, copies, loading=loading)
    findings += _aliases(held)
    if entry is None:
        findings += _left_over(held, settings)
    return Examination(versions=len(held.versions()), findings=tuple(findings), withdrawn=tuple(withdrawn))


def _of_healed(healed: Healed) -> Iterator[Finding]:
    for fault in healed.faults:
        check = "rows" if fault.startswith("row") else "bytes"
        yield Finding(subject=str(healed.version), check=check, what=fault, advice=healed.done, mended=healed.whole)


def _of_version(version: Version, settings: Settings, copies: Copies, *, loading: bool) -> Iterator[Finding]:
    subject = str(version)
    with TemporaryDirectory() as scratch:
        found = examined(version, settings, copies, Path(scratch) / "now")
        for fault in found.files:
            yield Finding(subject=subject, check="bytes", what=fault, advice="zoo doctor --repair")
        for fault in found.rows:
            yield Finding(subject=subject, check="rows", what=fault, advice="zoo doctor --repair")
        if found.folder is None or found.files:
            return
        yield from _card(subject, found.folder)
        if loading:
            yield from _loads(subject, found)


def _card(subject: str, folder: Path) -> Iterator[Finding]:
    card = folder / "card.md"
    if not card.is_file():
        yield Finding(subject=subject, check="card", what="it has none", advice="train it again", wrong=False)
    elif not LICENCE.search(card.read_text(encoding="utf-8", errors="replace")):
        what = "its card states no licence"
        yield Finding(subject=subject, check="card", what=what, advice="cards of older nightzoos do not", wrong=False)


def _loads(subject: str, found: Condition) -> Iterator[Finding]:
    from zoo.artifact import load

    try:
        load(found.folder or Path())
    except Exception as error:  # whatever it is, it is this version's
        what = " ".join(str(error).split())
        advice = "use the nightzoo that made it; as champion it abdicates at its next challenge"
        yield Finding(subject=subject, check="loads", what=what, advice=advice)


def _aliases(held: Snapshot) -> Iterator[Finding]:
    for version in held.unready:
        what = version.tags.get("damaged") or "not READY: its registration was never finished, or it was withdrawn"
        if version.aliases:
            told = ", ".join(f"@{alias}" for alias in version.aliases)
            advice = "the floor reigns until the next night registers it again"
            yield Finding(subject=str(version), check="alias", what=f"{told} points at it: {what}", advice=advice)
        else:
            advice = "the next night registers it again or sweeps it"
            yield Finding(subject=str(version), check="left over", what=what, advice=advice, wrong=False)


def _left_over(held: Snapshot, settings: Settings) -> Iterator[Finding]:
    """Runs of models, and folders of the embedded store, that belong to no version."""
    everybody = (*held.versions(), *held.unready)
    runs = {version.run_id for version in everybody}
    models = {version.tags.get("model_id", "") for version in everybody}
    client = connect(settings)
    with plain_errors():
        for experiment in pages(client.search_experiments):
            for run in pages(client.search_runs, [experiment.experiment_id], "tags.entry != ''"):
                a_line = "line" in run.data.tags  # of a table: a floor, or a published number
                if run.info.run_id not in runs and run.info.status != "RUNNING" and not a_line:
                    what = f"a run of {run.data.tags['entry']} that is no version's"
                    yield _spare(f"run {run.info.run_id}", what)
            if experiment.name != "Default" and not client.search_runs([experiment.experiment_id], max_results=1):
                yield _spare(f"experiment {experiment.name}", "no run is in it")
    if settings.embedded:
        store = settings.home / "artifacts"
        before = time.time() - ABANDONED.total_seconds()
        for folder in sorted([*store.glob("models/*"), *store.glob("*")]):
            known = folder.name in runs | models | {"models"}
            if not known and folder.is_dir() and folder.stat().st_mtime < before:
                yield _spare(str(folder), "files that are no version's")


def _spare(subject: str, what: str) -> Finding:
    return Finding(subject=subject, check="left over", what=what, advice="it may be deleted", wrong=False)

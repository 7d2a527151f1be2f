"""Noticing that a registered version is no longer what was registered, and giving it back its bytes.

A version is held to its manifest's hash, and its rows in the database to the record that is sealed among its files.
What is wrong is written again from another place that has the right bytes: the run folder, a pulled copy, the cache.
Where no place has them the version is withdrawn, so that the next night trains it anew.
"""

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from pydantic import BaseModel

from registry.cache import Cache, copied, remove
from registry.glance import READY, Version, read
from registry.settings import Settings
from registry.transfer import Absent, beside, opened, remote
from zoo.artifact import Record, Score
from zoo.contents import LARGEST_MANIFEST, MANIFEST, Content, Contents, sha256_of
from zoo.durable import atomically, write_atomically

NIGHTS = 7
"""Within so many nights every registered byte is hashed once."""

NEVER, ILL = 0.0, -1.0  # instead of the time when a version was checked
DAMAGED = "damaged"  # the tag that says why a version was withdrawn
MOST_TOLD = 4000  # characters of that; MLflow takes 5,000
LARGEST = 1 << 40  # bytes of a file of an older version, whose manifest tells no sizes

Copies = Callable[[Version], Iterable[Path]]
"""The folders that may hold the bytes of a version."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What is wrong with a version as it is registered, a line each."""

    files: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()  # files that are as they were registered
    folder: Path | None = None  # where its files can be read, for the length of the look

    @property
    def faults(self) -> tuple[str, ...]:
        return self.files + self.rows


@dataclass(frozen=True, kw_only=True)
class Healed:
    """What was done about a damaged version."""

    version: Version
    faults: tuple[str, ...]
    done: str  # in words
    whole: bool  # it is again what was registered
    withdrawn: bool = False


def check_some(settings: Settings, copies: Copies) -> tuple[Healed, ...]:
    """Check those versions that were longest not checked, as many as it takes for all to have their turn in `NIGHTS`
    nights, and heal what is damaged; what could not be mended is looked at every time.

    Raises:
        ConnectionError: the tracking server or its store does not answer; others have their turn the next time.
    """
    ledger = settings.home / "memo" / "checked.json"
    ledger.parent.mkdir(parents=True, exist_ok=True)
    checked = _checked(ledger)
    versions = sorted(read(settings).versions(), key=lambda version: checked.get(_manifest(version), NEVER))
    known = [version for version in versions if checked.get(_manifest(version)) == ILL]
    others = [version for version in versions if checked.get(_manifest(version)) != ILL]
    done = []
    try:
        for version in known + others[: math.ceil(len(others) / NIGHTS)]:
            checked[_manifest(version)] = time.time()
            if healed := heal(version, settings, copies):
                done.append(healed)
                checked[_manifest(version)] = time.time() if healed.whole else ILL
    finally:
        write_atomically(
            ledger, json.dumps({key: checked.get(key, NEVER) for key in map(_manifest, versions)}).encode()
        )
    return tuple(done)


def heal(version: Version, settings: Settings, copies: Copies, *, by_hand: bool = False) -> Healed | None:
    """Check one version and mend what is wrong with it; None where nothing is.

    Args:
        by_hand: withdraw it too where nothing of it is left. A night does not: a store that is away for an hour looks
            like that.
    """
    with TemporaryDirectory() as scratch:
        found = examined(version, settings, copies, Path(scratch) / "now")
        if not found.faults:
            return None
        if _row_of_manifest_is_wrong(version, settings, found):
            _write_rows(version, settings, {"manifest": sha256_of(_folder(found) / MANIFEST)})
            mended = False
        else:
            mended = _mend_files(version, settings, copies, found, Path(scratch) / "mended")
        version = read(settings, version.entry).numbered(version.entry, version.number)
        again = examined(version, settings, copies, Path(scratch) / "again")
        if again.rows:
            _mend_rows(version, settings, again)
            version = read(settings, version.entry).numbered(version.entry, version.number)
            again = examined(version, settings, copies, Path(scratch) / "rows")
    if not again.faults:
        done = "mended from another copy" if mended else "its rows were written again from its sealed record"
        return Healed(version=version, faults=found.faults, done=done, whole=True)
    if again.files and (found.whole or by_hand):
        _withdraw(version, settings, again.files)
        done = "no whole copy is left: withdrawn; the next night trains it anew if it is still in a line-up"
        return Healed(version=version, faults=found.faults, done=done, whole=False, withdrawn=True)
    done = "could not be mended: no copy here has the registered bytes; `zoo doctor --repair` withdraws it"
    return Healed(version=version, faults=found.faults, done=done, whole=False)


def examined(version: Version, settings: Settings, copies: Copies, scratch: Path) -> Condition:
    """Hold a version to what was registered.

    Args:
        scratch: where the files of a server are brought.
    """
    folder = beside(version) or _brought(version, settings, scratch)
    try:
        digest = sha256_of(folder / MANIFEST) if not (folder / MANIFEST).is_symlink() else ""
    except OSError:
        digest = ""
    right = (folder / MANIFEST).read_bytes() if digest == _manifest(version) else None
    wrong = () if right else (f"{'changed' if digest else 'missing'}: {MANIFEST}",)
    right = right or _right_manifest(version, settings, copies)
    try:
        contents = Contents.parsed(right or (folder / MANIFEST).read_bytes())
        faults = contents.faults(folder)
    except (OSError, ValueError) as error:
        return Condition(files=(*wrong, f"nothing of it can be read: {error}"))
    bad = {fault.partition(": ")[2] for fault in faults}
    whole = tuple(name for name in contents.files if name not in bad)
    if wrong or faults:
        return Condition(files=wrong + faults, whole=whole, folder=folder)
    return Condition(rows=_wrong_rows(version, folder), whole=whole, folder=folder)


def _wrong_rows(version: Version, folder: Path) -> tuple[str, ...]:
    """The tags of a version that say something else than its sealed files."""
    from registry.store import sealed_tags

    try:
        sealed = sealed_tags(folder)
    except ValueError as error:  # sealed by a nightzoo that said other things: not for us to correct
        return () if _same_record(version, folder) else (f"record: {error}",)
    return tuple(f"row {key}: not what is sealed" for key, value in sealed.items() if not _alike(version, key, value))


TOLD_BY: Mapping[str, type[BaseModel]] = {"record": Record, "floor": Score}
"""Tags that are models: an older nightzoo wrote fewer of their fields."""


def _alike(version: Version, key: str, sealed: str) -> bool:
    """Whether a tag says what is sealed; one that an older nightzoo did not write is not missed."""
    if key not in version.tags:
        return key not in ("record", "metrics", "protocol", "data_digest", "manifest")
    told = version.tags[key]
    if told == sealed:
        return True
    try:
        if kind := TOLD_BY.get(key):
            return kind.model_validate_json(told) == kind.model_validate_json(sealed)
        if key in ("metrics", "recipe"):
            return bool(json.loads(told) == json.loads(sealed))
    except ValueError:
        return False
    return key == "ranked_by"  # what a later scoring calls its metric is no damage


def _same_record(version: Version, folder: Path) -> bool:
    try:
        return Record.model_validate_json(version.tags["record"]) == Record.model_validate_json(
            (folder / "record.json").read_bytes()
        )
    except (ValueError, KeyError):
        return False


def _brought(version: Version, settings: Settings, scratch: Path) -> Path:
    """What a server has of a version, as far as it has it."""
    place = remote(version, settings)
    scratch.mkdir(parents=True)

    def bring(name: str, *, size: int | None, most: int) -> None:
        path = scratch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        try:
            place.bring(name, path, size=size, most=most, report=lambda *_: None)
        except Absent:
            path.unlink()

    bring(MANIFEST, size=None, most=LARGEST_MANIFEST)
    try:
        files = Contents.parsed((scratch / MANIFEST).read_bytes()).files
    except (OSError, ValueError):
        return scratch
    for name, content in files.items():
        bring(name, size=None, most=content.size or LARGEST)
    return scratch


def _right_manifest(version: Version, settings: Settings, copies: Copies) -> bytes | None:
    """The registered manifest, from whoever has it."""
    for path in _candidates(version, settings, copies, MANIFEST, _manifest(version)):
        try:
            if path.stat().st_size <= LARGEST_MANIFEST and sha256_of(path) == _manifest(version):
                return path.read_bytes()
        except OSError:
            continue
    return None


def _candidates(version: Version, settings: Settings, copies: Copies, name: str, sha256: str) -> Iterator[Path]:
    """Where a file of a version may lie, other than in the registry's copy; that comes first where it is here."""
    store = beside(version)
    if store is not None:
        yield store / name
    for folder in copies(version):
        yield folder / name
    yield Cache(settings.pulled_files).path(sha256)


def _mend_files(version: Version, settings: Settings, copies: Copies, found: Condition, scratch: Path) -> bool:
    """Write the wrong files again where all of them can be had; whether they were."""
    manifest = _right_manifest(version, settings, copies)
    if manifest is None or not found.files:
        return False
    contents = Contents.parsed(manifest)
    bad = {fault.partition(": ")[2] for fault in found.files if not fault.startswith("not in the manifest")}
    scratch.mkdir()
    for name in bad:
        (scratch / name).parent.mkdir(parents=True, exist_ok=True)
        if name == MANIFEST:
            (scratch / name).write_bytes(manifest)
            continue
        content = contents.files[name]
        if not _copied(_candidates(version, settings, copies, name, content.sha256), content, scratch / name):
            return False
    store = beside(version)
    if store is None:
        _upload(version, settings, scratch, bad)
        return bool(bad)
    for fault in found.files:
        if fault.startswith("not in the manifest"):  # first: it may be a link in a folder's place
            remove(store / fault.partition(": ")[2])
    for name in bad:
        _replace(scratch / name, store, name)
    return True


def _copied(candidates: Iterable[Path], content: Content, target: Path) -> bool:
    """Copy the first candidate that has these bytes."""
    for path in candidates:
        try:
            with opened(path.parent, path.name) as file:
                if copied(file, target) == content.sha256:
                    return True
        except Absent:
            continue
        target.unlink()
    return False


def _replace(mended: Path, store: Path, name: str) -> None:
    """Give a store on this machine a file again, in one step; links on the way to it are removed, not followed."""
    path = store
    for part in PurePosixPath(name).parts[:-1]:
        path = path / part
        if path.is_symlink() or not path.is_dir():
            remove(path)
            path.mkdir(parents=True)
    if (store / name).is_dir():
        remove(store / name)
    store.mkdir(parents=True, exist_ok=True)
    with atomically(store / name) as out, mended.open("rb") as file:
        while chunk := file.read(1 << 20):
            out.write(chunk)


def _upload(version: Version, settings: Settings, folder: Path, names: Iterable[str]) -> None:
    from registry.client import connect, plain_errors

    client = connect(settings)
    with plain_errors():
        for name in names:
            below = PurePosixPath(name).parent
            client.log_model_artifact(version.model_id, str(folder / name), None if below.name == "" else str(below))


def _row_of_manifest_is_wrong(version: Version, settings: Settings, found: Condition) -> bool:
    """Whether it is the tag of the manifest's hash that was changed, and not the manifest: the logged model tells the
    hash too."""
    from registry.client import connect, plain_errors

    if found.files != (f"changed: {MANIFEST}",) or found.folder is None:
        return False
    with plain_errors():
        witness: str = connect(settings).get_logged_model(version.model_id).tags.get("manifest", "")
    return witness == sha256_of(found.folder / MANIFEST)


def _mend_rows(version: Version, settings: Settings, found: Condition) -> None:
    from registry.store import sealed_tags

    wrong = {fault.partition(":")[0].removeprefix("row ") for fault in found.rows}
    sealed = sealed_tags(_folder(found))
    _write_rows(version, settings, {key: value for key, value in sealed.items() if key in wrong})


def _write_rows(version: Version, settings: Settings, rows: Mapping[str, str]) -> None:
    from registry.client import connect, plain_errors

    client = connect(settings)
    with plain_errors():
        for key, value in rows.items():
            client.set_model_version_tag(version.entry, str(version.number), key, value)


def _folder(found: Condition) -> Path:
    if found.folder is None:
        raise ValueError("expected a version whose files can be read.")
    return found.folder


def _withdraw(version: Version, settings: Settings, faults: Iterable[str]) -> None:
    """Take a version out of everybody's sight; registering the same again takes its place."""
    _write_rows(version, settings, {DAMAGED: "; ".join(faults)[:MOST_TOLD], READY: "false"})


def _manifest(version: Version) -> str:
    """The hash that a version's manifest has to have, as far as its row is there."""
    return version.tags.get("manifest", "")


def _checked(ledger: Path) -> dict[str, float]:
    """When each manifest was last checked, in seconds since 1970; a damaged ledger begins anew."""
    try:
        told: Mapping[str, float] = json.loads(ledger.read_bytes())
        return {str(manifest): float(when) for manifest, when in told.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}

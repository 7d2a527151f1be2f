"""Bringing a registered model to a folder: exactly the registered bytes, or the folder as it was before.

The manifest comes first and has to be the registered one; then only the files that it names, each hashed before it has
its name; then the whole folder in one step. What comes from a server is kept by content (`registry.cache`), so a pull
that was killed anywhere goes on where it was, in another process too. Nothing from the artifact is executed: not
MLflow's loaders (an `MLmodel` file names a module to import), not pickle.
"""

import ctypes
import errno
import os
import re
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory

from registry.cache import Cache, copied, remove
from registry.glance import Snapshot, Version, read
from registry.settings import Settings
from registry.transfer import Absent, Report, beside, opened, remote
from zoo.contents import LARGEST_MANIFEST, MANIFEST, Content, Contents, sha256_of
from zoo.durable import sync_folder

REFERENCE = re.compile(r"(?P<entry>[^@/\s]+)(?:@(?P<alias>[\w-]+)|/(?P<number>\d+))?")
SPARE = 64 << 20  # bytes that are left free on a disk
EXCHANGE = 2  # Linux's RENAME_EXCHANGE
HERE = -100  # Linux's AT_FDCWD


class Damaged(ValueError):
    """The registry's copy of a version is not what was registered."""


@dataclass(frozen=True, kw_only=True)
class File:
    """One file of a version, and whether it has to be brought from elsewhere."""

    name: str
    size: int | None  # None where an older manifest does not tell it and it is not here
    cached: bool


def resolve(reference: str, settings: Settings, *, offline: bool = False) -> Version:
    """The READY version that a reference names: `entry@champion`, `entry@latest`, `entry/3`; `entry` is its champion.

    Args:
        offline: ask no server but what it said last.

    Raises:
        ValueError: no such entry, alias or number; the message names what there is.
    """
    parts = REFERENCE.fullmatch(reference)
    if not parts:
        raise ValueError(f"{reference!r}: expected ENTRY@champion, ENTRY@latest or ENTRY/NUMBER, as in siamfc.otb/3.")
    versions = _versions(parts["entry"], settings, offline=offline)
    if parts["number"]:
        found = next((v for v in versions if v.number == int(parts["number"])), None)
    elif parts["alias"] == "latest":  # MLflow reserves the word, and would count versions that are not READY
        found = versions[-1]
    else:
        found = next((v for v in versions if (parts["alias"] or "champion") in v.aliases), None)
    if found is None:
        there = ", ".join(f"{v}{''.join(f' @{alias}' for alias in v.aliases)}" for v in versions)
        raise ValueError(f"{reference}: no such version; there are: {there}; @latest is {versions[-1]}.")
    return found


def pull(
    reference: str,
    destination: Path,
    settings: Settings,
    *,
    only: Sequence[str] = (),
    force: bool = False,
    offline: bool = False,
    report: Report = lambda *_: None,
) -> Version:
    """Bring a version to a folder that does not exist yet, is empty, or holds this version or a part of it already.

    Args:
        only: patterns of the files that are wanted (`evaluation/*`); none: all. The manifest always comes along.
        force: replace what an earlier pull left there: another version, or files that were changed since.
        offline: ask no server; take what earlier pulls kept.
        report: told how far each file is that has to be brought.

    Raises:
        Damaged: the registry's copy is not what was registered; the message says what can be done.
        ValueError: no such version or file, or the folder holds something else.
        ConnectionError: the tracking server does not answer.
        OSError: no room on the disk.
    """
    version = resolve(reference, settings, offline=offline)
    bringer = _Bringer(version, settings, offline=offline, report=report)
    contents = bringer.contents()
    wanted = _chosen(contents, only, version)
    destination = destination.resolve()
    if _missing(destination, version, contents, wanted, force=force) is not None:
        with bringer.cache.staging(destination) as staged:
            missing = _missing(
                destination, version, contents, wanted, force=force
            )  # another pull may have put it there
            if missing is not None:
                building = staged / "model"
                bringer.build(building, contents, sorted(missing))
                _put(building, destination)
    return version


def files(
    reference: str, settings: Settings, *, only: Sequence[str] = (), offline: bool = False
) -> tuple[Version, tuple[File, ...]]:
    """What `pull` would bring, by name; only the manifest is read for it.

    Raises:
        ValueError, ConnectionError: as `pull`.
    """
    version = resolve(reference, settings, offline=offline)
    bringer = _Bringer(version, settings, offline=offline, report=lambda *_: None)
    contents = bringer.contents()
    return version, tuple(bringer.file(name, contents.files[name]) for name in _chosen(contents, only, version))


def _versions(entry: str, settings: Settings, *, offline: bool) -> tuple[Version, ...]:
    """The READY versions of an entry, at least one."""
    cache = Cache(settings.pulled_files)
    if offline and not settings.embedded:
        versions = Snapshot(cache.remembered(settings.tracking_uri, entry)).versions()
        if not versions:
            raise ValueError(f"{entry}: nothing of it was pulled here before, so it cannot be had offline.")
        return versions
    versions = read(settings, entry).versions()
    if not versions:
        known = ", ".join(read(settings).entries)
        there = f"; it has: {known}." if known else f". {settings.nothing_registered}"
        raise ValueError(f"no entry {entry!r} in the registry{there}")
    if not settings.embedded:
        cache.remember(settings.tracking_uri, entry, versions)
    return versions


def _chosen(contents: Contents, only: Sequence[str], version: Version) -> tuple[str, ...]:
    """The names that are wanted."""
    for pattern in only:
        if not any(fnmatchcase(name, pattern) for name in contents.files):
            raise ValueError(f"{version} has no file {pattern!r}; it has: {', '.join(contents.files)}.")
    return tuple(name for name in contents.files if not only or any(fnmatchcase(name, pattern) for pattern in only))


class _Bringer:
    """Brings the files of one version."""

    def __init__(self, version: Version, settings: Settings, *, offline: bool, report: Report) -> None:
        self.version = version
        self.settings = settings
        self.offline = offline
        self.report = report
        self.cache = Cache(settings.pulled_files)
        self.store = beside(version)

    def contents(self) -> Contents:
        """What the registered manifest names."""
        with TemporaryDirectory() as scratch:
            manifest = Path(scratch) / MANIFEST
            self._bring(MANIFEST, self._manifest, manifest, most=LARGEST_MANIFEST)
            try:
                return Contents.parsed(manifest.read_bytes())
            except ValueError as error:
                raise Damaged(f"{self.version}, {MANIFEST}: {error}") from error

    def file(self, name: str, content: Content) -> File:
        """What is known of a file before it is brought."""
        size, cached = content.size, self.store is not None or self.cache.holds(content)
        if size is None and cached:
            there = self.store / name if self.store else self.cache.path(content.sha256)
            size = there.stat().st_size if there.is_file() else None
        return File(name=name, size=size, cached=cached)

    def build(self, folder: Path, contents: Contents, names: Sequence[str]) -> None:
        """Make a folder of the manifest and these files, every byte checked and durable."""
        folder.mkdir()
        free = _room(folder, [contents.files[name] for name in names])
        self._bring(MANIFEST, self._manifest, folder / MANIFEST, most=LARGEST_MANIFEST)
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            self._bring(name, contents.files[name], folder / name, most=free)
        for path in [folder, *folder.rglob("*")]:
            if path.is_dir():
                sync_folder(path)
            else:
                _sync(path)

    @property
    def _manifest(self) -> Content:
        return Content(sha256=self.version.manifest, size=None)

    def _bring(self, name: str, content: Content, target: Path, *, most: int) -> None:
        if self.store is not None:
            self._copy(self.store, name, content, target)
        elif not self.cache.copy(content, target):
            if self.offline:
                raise ValueError(f"{self.version}: {name} was not pulled here before, so it cannot be had offline.")
            self._download(name, content, most=most)
            if not self.cache.copy(content, target):
                raise OSError(errno.EIO, "changed right after it was written: check the disk", str(self.cache.folder))

    def _copy(self, store: Path, name: str, content: Content, target: Path) -> None:
        """From a registry that keeps its files on this machine."""
        try:
            with opened(store, name) as file:
                size = os.fstat(file.fileno()).st_size
                if content.size not in (None, size):
                    raise Absent(f"{store / name}: expected {content.size:,} bytes, got {size:,}.")
                found = copied(file, target)
        except Absent as error:
            raise self._damaged(name, str(error)) from error
        self.report(name, size, size)
        if found != content.sha256:
            raise self._damaged(name, f"{store / name}: expected SHA-256 {content.sha256}, got {found}.")

    def _download(self, name: str, content: Content, *, most: int) -> None:
        """From a server to the cache, going on from what an earlier pull got."""
        with self.cache.arriving(content.sha256) as part:
            if self.cache.holds(content):  # another pull has just brought it
                part.unlink()
                return
            found = ""
            for begun in (part.stat().st_size > 0, False):  # what was begun elsewhere may have been begun wrongly
                try:
                    place = remote(self.version, self.settings)
                    place.bring(name, part, size=content.size, most=most, report=self.report)
                except Absent as error:
                    part.unlink()
                    raise self._damaged(name, str(error)) from error
                found = sha256_of(part)
                if found == content.sha256:
                    self.cache.keep(part, content.sha256)
                    return
                os.truncate(part, 0)
                if not begun:
                    break
            part.unlink()
            raise self._damaged(name, f"{self.version.source}: expected SHA-256 {content.sha256}, got {found}.")

    def _damaged(self, name: str, how: str) -> Damaged:
        return Damaged(
            f"changed: {name} of {self.version} is not what was registered. {how} Nothing was pulled. Where it was "
            f"trained, `zoo doctor --repair {self.version.entry}` mends it from the run folder or a copy; another "
            "version may be whole."
        )


def _missing(
    destination: Path, version: Version, contents: Contents, wanted: Collection[str], *, force: bool
) -> set[str] | None:
    """The files that have to be brought to a destination that may already hold some; None where all is there.

    Raises:
        ValueError: something is there that would be lost.
    """
    if not destination.exists() or (destination.is_dir() and not any(destination.iterdir())):
        return {*wanted}
    there = _sealed(destination)
    same = there is not None and sha256_of(destination / MANIFEST) == version.manifest
    if there is None or (not same and not force):
        raise ValueError(
            f"{destination}: expected an empty folder or one that holds {version}, but something else is in it. "
            f"Choose another folder, or remove it{'; `--force` replaces an earlier pull' if there else ''}."
        )
    faults = there.faults(destination)
    foreign = [fault for fault in faults if fault.startswith("not in the manifest")]
    changed = [fault for fault in faults if not fault.startswith("missing")]
    if foreign or (changed and not force):
        advice = "Move it away" if foreign else "Nothing was pulled; `--force` brings the registered bytes again"
        raise ValueError(f"{destination}: {'; '.join(foreign or changed)}. {advice}.")
    if not same:
        return {*wanted}
    present = {name for name in contents.files if (destination / name).is_file()}
    lacking = [name for name in wanted if f"missing: {name}" in faults]
    return {*wanted, *present} if lacking or changed else None


def _sealed(folder: Path) -> Contents | None:
    """What a folder's own manifest says, None where it has none that can be read."""
    manifest = folder / MANIFEST
    try:
        if manifest.is_symlink() or manifest.stat().st_size > LARGEST_MANIFEST:
            return None
        return Contents.parsed(manifest.read_bytes())
    except (OSError, ValueError):
        return None


def _put(building: Path, destination: Path) -> None:
    """Give a finished folder its name in one step; what was there is left under the other name."""
    if destination.exists():
        _exchange(building, destination)
        remove(building)
    else:
        building.replace(destination)
    sync_folder(destination.parent)


def _exchange(one: Path, other: Path) -> None:
    """Let two names change places; in two steps where the system knows no single one."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename and rename(HERE, os.fsencode(one), HERE, os.fsencode(other), EXCHANGE) == 0:
        return
    aside = one.with_name("replaced")
    other.replace(aside)
    one.replace(other)


def _room(folder: Path, contents: Sequence[Content]) -> int:
    """The bytes that may be brought to a disk.

    Raises:
        OSError: they are known to be more than are free.
    """
    free = max(0, shutil.disk_usage(folder).free - SPARE)
    needed = sum(content.size or 0 for content in contents)
    if needed > free:
        raise OSError(
            errno.ENOSPC, f"expected room for {needed:,} bytes, {free:,} are free; `zoo cache prune` frees some", folder
        )
    return free


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())

"""What was pulled from a server, kept by content, so that no byte is brought twice and a killed pull goes on.

    files/ab/ab12...      whole files, named by their SHA-256; read-only, and hashed again whenever they are used
    partial/ab12...       files that are arriving, locked by who brings them; one that nobody holds is gone on from
    versions/SERVER/ENTRY.json   what that server last said of an entry, for `--offline`
    staging/...           which folders pulls were building, so that a later one clears what a killed one left

Any of it may be deleted at any time.
"""

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from registry.glance import Version
from zoo.contents import Content, Contents, sha256_of
from zoo.durable import sync_folder, write_atomically

CHUNK = 1 << 20
FICLONE = 0x40049409  # Linux: let two files share their blocks until one of them is written to
DAY = 86_400  # seconds


@dataclass(frozen=True, kw_only=True)
class Holding:
    """What the cache has of one version."""

    version: str  # entry/number
    files: int
    of: int
    bytes: int
    used: float  # when a file of it was last used, in seconds since 1970


class Cache:
    """The folder of what was pulled; any number of processes may use it at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sha256: str) -> Path:
        """Where a whole file of this hash lies, if it is there."""
        return self.folder / "files" / sha256[:2] / sha256

    def holds(self, content: Content) -> bool:
        return self.path(content.sha256).is_file()

    def copy(self, content: Content, target: Path) -> bool:
        """Copy a file to a new name, hashed on the way; False where it is not there, or was damaged and is now gone."""
        source = self.path(content.sha256)
        try:
            with source.open("rb") as file:
                same = copied(file, target) == content.sha256
        except FileNotFoundError:
            return False
        if not same:
            target.unlink()
            source.unlink(missing_ok=True)
            return False
        os.utime(source)  # when it was last used
        return True

    @contextmanager
    def arriving(self, sha256: str) -> Iterator[Path]:
        """The partial file of this hash, made if it is not there, and nobody else's for the length of the block."""
        part = self.folder / "partial" / sha256
        part.parent.mkdir(parents=True, exist_ok=True)
        descriptor = None
        while descriptor is None:
            part.touch()
            descriptor = _lock(part, wait=True)
        try:
            yield part
        finally:
            os.close(descriptor)

    def keep(self, part: Path, sha256: str) -> None:
        """Give a partial file that is whole and checked its place among the others."""
        place = self.path(sha256)
        place.parent.mkdir(parents=True, exist_ok=True)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(place)
        place.chmod(0o444)
        sync_folder(place.parent)

    def remember(self, server: str, entry: str, versions: Iterable[Version]) -> None:
        """Keep what a server says of an entry."""
        told = [asdict(version) | {"created": version.created.isoformat()} for version in versions]
        path = self._told(server, entry)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(told).encode())

    def remembered(self, server: str, entry: str) -> tuple[Version, ...]:
        """What `remember` kept; nothing where that was never asked for."""
        return _versions(self._told(server, entry))

    def holdings(self) -> tuple[Holding, ...]:
        """What is here of each version that was pulled."""
        told = sorted((self.folder / "versions").glob("*/*.json"))
        pulled = [v for path in told for v in _versions(path) if self.path(v.manifest).is_file()]
        return tuple(self._holding(version) for version in pulled)

    def size(self) -> tuple[int, int]:
        """How many whole files there are, and their bytes."""
        sizes = [path.stat().st_size for path in self._files()]
        return len(sizes), sum(sizes)

    def verify(self) -> tuple[Path, ...]:
        """Hash every file; those that are not what their name says are deleted, and are the answer."""
        damaged = tuple(path for path in self._files() if sha256_of(path) != path.name)
        for path in damaged:
            path.unlink(missing_ok=True)
        return damaged

    def prune(self, *, unused_days: float, dry_run: bool = False) -> tuple[int, int]:
        """Delete what was not used for so many days, and what killed pulls left; returns the files and their bytes."""
        before = time.time() - unused_days * DAY
        found = [*self._files(), *(self.folder / "partial").glob("*")]
        number = size = 0
        for path in found:
            if path.stat().st_mtime <= before and (descriptor := _lock(path)) is not None:  # nobody is writing to it
                number, size = number + 1, size + path.stat().st_size
                if not dry_run:
                    path.unlink(missing_ok=True)
                os.close(descriptor)
        if not dry_run:
            self.clear_staging()
        return number, size

    @contextmanager
    def staging(self, destination: Path) -> Iterator[Path]:
        """An empty hidden folder beside a destination, nobody else's for the length of the block, gone after it.

        Where another pull is building that destination, this one waits for it.
        """
        self.clear_staging()
        staged = destination.with_name(f".{destination.name}.arriving")
        note = self.folder / "staging" / hashlib.sha256(str(staged).encode()).hexdigest()
        note.parent.mkdir(parents=True, exist_ok=True)
        descriptor = None
        while descriptor is None:
            staged.mkdir(parents=True, exist_ok=True)
            descriptor = _lock(staged, wait=True)
        try:
            write_atomically(note, str(staged).encode())
            for left in staged.iterdir():
                remove(left)
            yield staged
        finally:
            remove(staged)
            note.unlink(missing_ok=True)
            os.close(descriptor)

    def clear_staging(self) -> None:
        """Remove the folders that killed pulls were building."""
        for note in (self.folder / "staging").glob("*"):
            try:
                staged = Path(note.read_text())
            except FileNotFoundError:  # its pull has just ended
                continue
            if staged.name.endswith(".arriving") and staged.is_dir() and not staged.is_symlink():
                descriptor = _lock(staged)
                if descriptor is None:
                    continue
                remove(staged)
                os.close(descriptor)
            note.unlink(missing_ok=True)

    def _told(self, server: str, entry: str) -> Path:
        return self.folder / "versions" / hashlib.sha256(server.encode()).hexdigest()[:16] / f"{entry}.json"

    def _files(self) -> tuple[Path, ...]:
        return tuple(sorted((self.folder / "files").glob("*/*")))

    def _holding(self, version: Version) -> Holding:
        manifest = self.path(version.manifest)
        contents = Contents.parsed(manifest.read_bytes())
        there = [self.path(content.sha256) for content in contents.files.values() if self.holds(content)]
        states = [path.stat() for path in (manifest, *there)]
        return Holding(
            version=str(version),
            files=len(states),
            of=1 + len(contents.files),
            bytes=sum(state.st_size for state in states),
            used=max(state.st_mtime for state in states),
        )


def copied(source: IO[bytes], target: Path) -> str:
    """Copy an open file to a new name, sharing blocks where the disk can; the SHA-256 of what is there now."""
    with target.open("xb+") as out:
        try:
            fcntl.ioctl(out.fileno(), FICLONE, source.fileno())
        except OSError:
            return _hashed_on_the_way(source, out)
        return hashlib.file_digest(out, "sha256").hexdigest()


def remove(path: Path) -> None:
    """Delete a file, a link or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _hashed_on_the_way(source: IO[bytes], out: IO[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in iter(lambda: source.read(CHUNK), b""):
        digest.update(chunk)
        out.write(chunk)
    return digest.hexdigest()


def _versions(path: Path) -> tuple[Version, ...]:
    """What `Cache.remember` wrote; a damaged file is as good as none."""
    try:
        told = json.loads(path.read_bytes())
        return tuple(
            Version(**{**one, "created": datetime.fromisoformat(one["created"]), "aliases": tuple(one["aliases"])})
            for one in told
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return ()


def _lock(path: Path, *, wait: bool = False) -> int | None:
    """The descriptor that holds the lock on a file or folder.

    Returns:
        None: it is gone (was renamed or deleted while this waited), or somebody else has it and this does not wait.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        if _is_at(descriptor, path):
            return descriptor
    except BlockingIOError:
        pass
    os.close(descriptor)
    return None


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one of this name."""
    try:
        here = path.stat()
    except FileNotFoundError:
        return False
    mine = os.fstat(descriptor)
    return (here.st_dev, here.st_ino) == (mine.st_dev, mine.st_ino)

"""Writing files so that a reader sees the old bytes or the new ones, whatever dies in between.

Bytes to a temporary name, fsync, rename, fsync the folder: the only order that survives SIGKILL and a power cut.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

TEMPORARY = re.compile(r"\..+\.(\d+)\.tmp")


@contextmanager
def atomically(path: Path) -> Iterator[BinaryIO]:
    """A file to write that becomes `path` in one visible step, or leaves no trace when the block fails."""
    temporary = temporary_name(path)
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def temporary_name(path: Path) -> Path:
    """What `path` is called until it is whole: a name that tells which process is at it."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def clear(folder: Path) -> None:
    """Remove what killed processes of this machine left in a folder under a temporary name."""
    for path in folder.glob(".*.tmp"):
        writer = TEMPORARY.fullmatch(path.name)
        if writer and not _lives(int(writer[1])):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


@contextmanager
def scratch(folder: Path) -> Iterator[None]:
    """A folder for temporary files, empty when the block begins, whatever a killed process left there; gone after."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def write_atomically(path: Path, data: bytes) -> None:
    """Replace `path` by `data` in one visible step."""
    with atomically(path) as file:
        file.write(data)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""The programs that `zoo up` started, as everybody else finds them: `$ZOO_HOME/service.json`, and a lock each.

A program is up exactly as long as its lock is held. The lock is its standard input, which its own children inherit, so
the kernel lets go of it when the last of them is gone. A process id may by then be somebody else's; a lock cannot be.
"""

import fcntl
import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Program:
    """One program that was started."""

    name: str
    pid: int  # also of its process group
    url: str  # empty where it has none
    since: datetime


def recorded(home: Path) -> dict[str, Program]:
    """What `zoo up` wrote down, by name; some of it may be gone.

    Raises:
        ValueError: the file is damaged.
    """
    path = home / "service.json"
    try:
        told = json.loads(path.read_bytes())
        return {
            name: Program(name=name, pid=of["pid"], url=of["url"], since=datetime.fromisoformat(of["since"]))
            for name, of in told.items()
        }
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path}: expected what `zoo up` wrote there, got a damaged file ({error!r}). End what holds the locks in "
            f"{home / 'service'} (`fuser -k {home / 'service'}/*.lock`), remove the file, and `zoo up` again."
        ) from error


def running(home: Path) -> dict[str, Program]:
    """The programs that are up, by name; none where the record is damaged: what asks here can do without them."""
    try:
        return {name: program for name, program in recorded(home).items() if is_held(lock_of(home, name))}
    except ValueError:
        return {}


def lock_of(home: Path, name: str) -> Path:
    """The file that a program holds the lock of."""
    return home / "service" / f"{name}.lock"


def is_held(lock: Path) -> bool:
    """Whether some process holds a lock exclusively; asking takes it from nobody."""
    try:
        descriptor = os.open(lock, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two who ask at once do not see each other
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)

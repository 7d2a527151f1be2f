"""Kernel locks on files: they vanish with their holder, so a killed night never blocks the next one."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class AtWork(ValueError):
    """Another process holds the lock; the message says which."""


@contextmanager
def held(path: Path, *, what: str, patience: float = 0.0) -> Iterator[None]:
    """Hold an exclusive lock on `path` for the length of the block; the file names its holder.

    Args:
        path: the lock file; made if it is not there, never removed.
        what: who asks, for the message to whom comes second ("a night").
        patience: seconds to wait for a holder that may be about to die.

    Raises:
        AtWork: another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _acquire(descriptor, path, what=what, deadline=time.monotonic() + patience)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, *, what: str, deadline: float) -> None:
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = os.pread(descriptor, 32, 0).decode() or "unknown"
                raise AtWork(
                    f"{what} is already at work here: process {holder} holds {path}. "
                    f"Wait for it, or end it (`kill {holder}`) and start again: nothing is lost."
                ) from None
        time.sleep(0.05)

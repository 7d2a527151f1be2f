"""Programs that go on after the command that started them: started once, waited for, ended with all their children.

$ZOO_HOME/service.json        what runs, where, since when (`registry.service` reads it)
$ZOO_HOME/service/NAME.lock   held as long as NAME or a child of it lives
$ZOO_HOME/service/NAME.log    what it says; what the one before it said is in NAME.log.old
"""

import fcntl
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from registry.service import Program, is_held, lock_of, recorded
from zoo.durable import write_atomically

STARTUP_SECONDS = 300.0  # 20 are usual, ten times as many while other processes keep the machine busy
PATIENCE = 10.0  # seconds that a program gets to end by itself
TAIL = 15  # lines of a log that say why a program died
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Server:
    """A program as it is to be started."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    url: str  # empty where it has none
    ready: Callable[[], bool]  # whether it does what it is there for


@dataclass(frozen=True)
class Started:
    """A program that was started just now, and has still to show that it works."""

    server: Server
    process: subprocess.Popen[bytes]
    log: Path


def start(server: Server, home: Path) -> Started:
    """Start a program in a session of its own, on loopback's side of everything: it outlives who started it.

    Raises:
        ValueError: it runs already, and nobody wrote down which process it is.
    """
    lock = lock_of(home, server.name)
    lock.parent.mkdir(parents=True, exist_ok=True)
    log = lock.with_suffix(".log")
    if log.exists():
        log.replace(log.with_suffix(".log.old"))
    with lock.open("ab+") as held, log.open("wb") as output:
        _take(held.fileno(), lock, server.name)
        since = datetime.now(UTC)
        process = subprocess.Popen(
            server.command,
            stdin=held,
            stdout=output,
            stderr=output,
            env=server.environment,
            cwd=home,
            start_new_session=True,
        )
    _record(home, Program(name=server.name, pid=process.pid, url=server.url, since=since))
    return Started(server, process, log)


def wait_for(started: Iterable[Started]) -> None:
    """Until each of them works.

    Raises:
        ChildProcessError: one died or took too long; the message ends with what its log ends with.
    """
    deadline = time.monotonic() + STARTUP_SECONDS
    waiting = list(started)
    while waiting:
        for one in waiting:
            status = one.process.poll()
            if status is not None:
                raise ChildProcessError(_told(one, f"ended with status {status} while it started"))
            if time.monotonic() > deadline:
                raise ChildProcessError(_told(one, f"did not answer within {STARTUP_SECONDS:g} s"))
        waiting = [one for one in waiting if not one.server.ready()]
        time.sleep(0.2)


def end(program: Program, home: Path) -> bool:
    """End a program with all its children, by force where it does not by itself; whether it had been up."""
    lock = lock_of(home, program.name)
    was_up = is_held(lock)
    for how in (signal.SIGTERM, signal.SIGKILL):
        if not is_held(lock):
            break
        _signal(program.pid, how)
        deadline = time.monotonic() + PATIENCE
        while is_held(lock) and time.monotonic() < deadline:
            time.sleep(0.05)
    if is_held(lock):
        raise ChildProcessError(
            f"{program.name} (process {program.pid}) cannot be ended: `fuser -v {lock}` says who it is."
        )
    _forget(home, program.name)
    return was_up


def free_port(wished: int) -> int:
    """This port of loopback, or a free one where somebody has it."""
    for port in (wished, 0):
        with socket.socket() as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listening.bind((LOOPBACK, port))
            except OSError:
                continue
            return int(listening.getsockname()[1])
    raise OSError(f"{LOOPBACK} has no free port.")


def port_before(home: Path, name: str, otherwise: int) -> int:
    """The port that a program had when it last ran, so that links to it go on working."""
    before = recorded(home).get(name)
    return (before and urlsplit(before.url).port) or otherwise


def _take(descriptor: int, lock: Path, name: str) -> None:
    """The lock for who inherits this descriptor; who only asks holds it for an instant."""
    deadline = time.monotonic() + 1
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise ValueError(
                    f"{name} is up, but service.json does not say which process it is: end it with `fuser -k {lock}`."
                ) from None
        time.sleep(0.02)


def _signal(group: int, how: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # it was about to end
        os.killpg(group, how)


def _told(one: Started, what: str) -> str:
    last = one.log.read_text(errors="replace").splitlines()[-TAIL:]
    return "\n".join([f"{one.server.name} {what}; the end of {one.log}:", *(f"  {line}" for line in last)])


def _record(home: Path, program: Program) -> None:
    _write(home, recorded(home) | {program.name: program})


def _forget(home: Path, name: str) -> None:
    _write(home, {key: program for key, program in recorded(home).items() if key != name})


def _write(home: Path, programs: Mapping[str, Program]) -> None:
    told = {
        name: {"pid": program.pid, "url": program.url, "since": program.since.isoformat()}
        for name, program in programs.items()
    }
    write_atomically(home / "service.json", json.dumps(told, indent=2).encode())

"""Programs that outlive who started them: real processes, real locks, real ports."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.service import processes
from flows.service.processes import Server, Started, end, free_port, port_before, start, wait_for
from registry.service import Program, is_held, lock_of, recorded, running

Begin = Callable[[Server], Started]

# Says that it is ready by a file; its child sleeps on, and neither minds SIGTERM where it is told not to.
PROGRAM = """
import pathlib, signal, subprocess, sys, time
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path("child").write_text(str(child.pid))
print("about to be ready", flush=True)
pathlib.Path("ready").touch()
time.sleep(600)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def begin(home: Path) -> Iterator[Begin]:
    """Starts a program that is gone after the test."""
    begun: list[Started] = []

    def of(server: Server) -> Started:
        begun.append(start(server, home))
        return begun[-1]

    yield of
    for one in begun:
        with suppress(ProcessLookupError):
            os.killpg(one.process.pid, signal.SIGKILL)
        one.process.wait()


def server(home: Path, *words: str, program: str = PROGRAM) -> Server:
    return Server(
        name="sleeper",
        command=(sys.executable, "-c", program, *words),
        environment=os.environ,
        url="http://127.0.0.1:1",
        ready=(home / "ready").exists,
    )


def alive(pid: int) -> bool:
    """Whether a process runs: one that has ended and was not asked for its status yet does not."""
    told = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return bool(told) and not told.startswith("Z")


def test_it_is_up_until_it_is_ended_with_its_child(home: Path, begin: Begin) -> None:
    assert running(home) == {}
    started = begin(server(home))
    wait_for([started])
    up = running(home)["sleeper"]
    assert (up.pid, up.url) == (started.process.pid, "http://127.0.0.1:1")
    assert abs((datetime.now(UTC) - up.since).total_seconds()) < 300
    child = int((home / "child").read_text())
    assert alive(up.pid)
    assert alive(child)
    assert end(up, home)
    assert not alive(up.pid)
    assert not alive(child)
    assert (running(home), recorded(home)) == ({}, {})
    assert not end(up, home), "what is ended already was not up"


def test_what_does_not_end_by_itself_is_ended_by_force(
    home: Path, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "PATIENCE", 0.5)
    started = begin(server(home, "stubborn"))
    wait_for([started])
    assert end(running(home)["sleeper"], home)
    assert started.process.wait() == -signal.SIGKILL
    assert not alive(int((home / "child").read_text()))


def test_a_child_that_outlives_its_program_is_still_up_and_can_be_ended(home: Path, begin: Begin) -> None:
    started = begin(server(home))
    wait_for([started])
    started.process.kill()
    started.process.wait()
    child = int((home / "child").read_text())
    assert alive(child)
    assert end(running(home)["sleeper"], home)
    assert not alive(child)


def test_a_program_that_dies_is_not_up_even_if_its_process_id_is_somebody_else_s(home: Path, begin: Begin) -> None:
    started = begin(server(home, program="pass"))
    started.process.wait()
    innocent = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    try:
        told = json.loads((home / "service.json").read_text())
        told["sleeper"]["pid"] = innocent.pid
        (home / "service.json").write_text(json.dumps(told))
        assert running(home) == {}
        assert not end(recorded(home)["sleeper"], home)
        assert innocent.poll() is None, "somebody else's process was ended"
    finally:
        innocent.kill()
        innocent.wait()


def test_what_dies_while_it_starts_is_told_with_the_end_of_its_log(home: Path, begin: Begin) -> None:
    lines = "print('\\n'.join(f'line {i}' for i in range(100))); raise SystemExit('the port is taken')"
    with pytest.raises(ChildProcessError, match=r"sleeper ended with status 1 while it started") as told:
        wait_for([begin(server(home, program=lines))])
    shown = str(told.value).splitlines()
    assert shown[-1].strip() == "the port is taken"
    assert len(shown) == processes.TAIL + 1


def test_what_never_answers_is_told_too(home: Path, begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "STARTUP_SECONDS", 1.0)
    started = begin(server(home, program="print('waiting', flush=True); import time; time.sleep(600)"))
    with pytest.raises(ChildProcessError, match="sleeper did not answer within 1 s"):
        wait_for([started])
    assert end(recorded(home)["sleeper"], home)


def test_it_is_not_started_twice(home: Path, begin: Begin) -> None:
    wait_for([begin(server(home))])
    up = running(home)["sleeper"]
    try:
        with pytest.raises(ValueError, match=r"sleeper is up, but service\.json does not say which process"):
            begin(server(home))
        assert running(home)["sleeper"] == up
    finally:
        assert end(up, home)


def test_the_log_of_the_one_before_is_kept(home: Path, begin: Begin) -> None:
    for said in ("first", "second"):
        begin(server(home, program=f"print({said!r})")).process.wait()
    log = lock_of(home, "sleeper").with_suffix(".log")
    assert (log.read_text(), log.with_suffix(".log.old").read_text()) == ("second\n", "first\n")


def test_asking_whether_a_lock_is_held_is_seen_by_nobody_else_who_asks(home: Path) -> None:
    lock = home / "lock"
    assert not is_held(lock)
    lock.touch()
    with lock.open() as asking, lock.open("a") as holding:
        fcntl.flock(asking, fcntl.LOCK_SH)
        assert not is_held(lock)
        fcntl.flock(asking, fcntl.LOCK_UN)
        fcntl.flock(holding, fcntl.LOCK_EX)
        assert is_held(lock)
    assert not is_held(lock)


def test_a_damaged_record_says_what_to_do_and_nothing_else_stumbles_over_it(home: Path) -> None:
    for damaged in ("{", "[]", '{"mlflow": {"pid": 1}}', '{"mlflow": 3}'):
        (home / "service.json").write_text(damaged)
        assert running(home) == {}
        with pytest.raises(ValueError, match=r"service\.json: expected what `zoo up` wrote there"):
            recorded(home)


def test_a_taken_port_gets_another_one_and_a_free_one_is_kept(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) != port
    deadline = time.monotonic() + 60
    while free_port(port) != port and time.monotonic() < deadline:
        time.sleep(0.1)
    assert free_port(port) == port
    assert port_before(home, "sleeper", 5000) == 5000
    program = Program(name="sleeper", pid=1, url=f"http://127.0.0.1:{port}/api", since=datetime.now(UTC))
    processes._record(home, program)
    assert port_before(home, "sleeper", 5000) == port

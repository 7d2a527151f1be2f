"""Locks and lifelines: what a killed process leaves to the next one is nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.lifeline import ORPHANED
from flows.locks import held

HOLDER = """
import sys, time
from pathlib import Path
from flows.locks import held
with held(Path(sys.argv[1]), what="a test"):
    print("held", flush=True)
    time.sleep(60)
"""
CHILD = "from flows.lifeline import die_with_parent as d; import time; d(); print('up', flush=True); time.sleep(60)"
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""


def test_second_holder_is_told_who_came_first_and_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    lock = tmp_path / "night.lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(lock)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match=f"process {holder.pid} holds"), held(lock, what="a night"):
            pass
        holder.kill()
    with held(lock, what="a night"):
        assert lock.read_text() == str(os.getpid())


def test_child_dies_with_its_killed_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, CHILD], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    assert gone(child, within=5.0)


def test_child_tells_by_its_status_that_it_was_orphaned() -> None:
    with subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(timeout=10) == ORPHANED


def gone(pid: int, *, within: float) -> bool:
    """Whether a process ends in time; one that nobody has reaped yet counts as ended."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        status = Path(f"/proc/{pid}/stat")
        if not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False

"""A worker that takes too much time, silence or memory is killed with its children, and the reason told."""

import subprocess
import sys
from dataclasses import replace

import pytest

from flows.limits import Leash, Limits, memory_of
from flows.stopping import Stop
from tests.flows.test_locks import gone

FREE = Limits.of(None, dict.fromkeys(("ZOO_TIME_LIMIT", "ZOO_SILENCE_LIMIT", "ZOO_MEMORY_LIMIT"), "none"))
CHILD = "import time; time.sleep(60)"
WORKER = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]])
print(child.pid, flush=True)
held = bytearray(int(sys.argv[2]))
time.sleep(float(sys.argv[3]))
"""


def leashed(limits: Limits, *, memory: int = 0, seconds: float = 60, signalled: int = 0) -> tuple[int, int, str]:
    """Exit status of a worker on a leash, its child, and why it was killed."""
    command, stop = [sys.executable, "-c", WORKER, CHILD, str(memory), str(seconds)], Stop()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as worker:
        with Leash(worker, limits, stop) as leash:
            assert worker.stdout is not None
            child = int(worker.stdout.readline())
            stop.number = signalled
            status = worker.wait(timeout=30)
        return status, child, leash.why


@pytest.mark.parametrize(
    ("limit", "value", "said"),
    [
        ("seconds", 1.0, "it took more than 1 s, its limit in time"),
        ("silence", 1.0, "it said nothing for 1 s"),
        ("memory", 150e6, "more than its limit of 0.15 GB"),
    ],
)
def test_what_passes_a_limit_is_killed_with_its_children(limit: str, value: float, said: str) -> None:
    status, child, why = leashed(replace(FREE, **{limit: value}), memory=300_000_000)
    assert status == -9
    assert said in why
    assert "ZOO_" in why
    assert gone(child, within=5)


def test_a_signal_to_the_night_kills_it_too() -> None:
    status, child, why = leashed(FREE, signalled=15)
    assert (status, why) == (-9, "")
    assert gone(child, within=5)


def test_what_stays_within_its_limits_ends_by_itself_and_leaves_no_children() -> None:
    status, child, why = leashed(FREE, seconds=0.5)
    assert (status, why) == (0, "")
    assert gone(child, within=5)


def test_limits_come_from_the_environment_else_from_what_it_took_before() -> None:
    usual = Limits.of(None, {})
    assert usual.seconds == float("inf")
    assert usual.silence == 3600
    assert 0 < usual.memory < float("inf")
    assert Limits.of(120.0, {}).seconds == 3600 + 1200
    told = {"ZOO_TIME_LIMIT": "1.5h", "ZOO_SILENCE_LIMIT": "90 m", "ZOO_MEMORY_LIMIT": "12GB"}
    assert Limits.of(120.0, told) == Limits(seconds=5400, silence=5400, memory=12e9)
    for variable, wrong in (("ZOO_TIME_LIMIT", "8"), ("ZOO_SILENCE_LIMIT", "0s"), ("ZOO_MEMORY_LIMIT", "12GiB")):
        with pytest.raises(ValueError, match=f"{variable}: expected a number with its unit .* or none, got '{wrong}'"):
            Limits.of(None, {variable: wrong})


def test_memory_counts_children() -> None:
    holder = "held = bytearray(200_000_000); print(flush=True); input()"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {holder!r}])"
    command = [sys.executable, "-c", outer]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert 200e6 < memory_of(process.pid) < 300e6
        process.communicate("\n")
    assert memory_of(process.pid) == 0

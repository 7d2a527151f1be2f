"""A signal ends what a night does, in time, and is answered."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from flows.stopping import GRACE, Stop, Stopped, handled, interrupt


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_told_at_once_and_what_goes_on_is_left_behind(number: int) -> None:
    stop, released, told = Stop(), threading.Event(), []

    def work() -> None:
        send(number)
        released.wait(60)

    before = signal.signal(number, signal.default_int_handler)  # whoever runs the tests may have it ignored
    try:
        started = time.monotonic()
        with stop.listening():
            stop.carry_out(work, told=lambda: told.append(stop.name))
        assert GRACE <= time.monotonic() - started < 10
        released.set()
        assert told == [signal.Signals(number).name]
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)
    with pytest.raises(Stopped, match=f"{signal.Signals(number).name} ended the night"):
        stop.check()


def test_without_a_signal_work_ends_or_fails_as_it_would_have() -> None:
    stop, done = Stop(), []
    stop.carry_out(lambda: done.append(1), told=pytest.fail)
    assert done == [1]
    with pytest.raises(ZeroDivisionError):
        stop.carry_out(lambda: done.append(1 // 0), told=pytest.fail)
    stop.check()


def test_an_ignored_signal_stays_ignored() -> None:
    """As under `nohup`, or for a command that a script started with `&`."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with handled(interrupt):
            send(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_any_command_says_so_and_exits_as_a_shell_expects(number: int, tmp_path: Path) -> None:
    script = (
        "import os, signal, cli.app\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"cli.app.app.command('wait')(lambda: os.kill(os.getpid(), {int(number)}) or signal.pause())\n"
        "import sys; sys.argv = ['zoo', 'wait']; cli.app.main()"
    )
    ran = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 128 + number
    assert ran.stderr.startswith(f"zoo: stopped by {signal.Signals(number).name}")
    assert len(ran.stderr.splitlines()) == 1

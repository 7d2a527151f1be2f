"""A signal ends a night in order: nothing new begins, workers are killed, what was reached is told; within seconds.

Everything on disk is written so that dying at any moment is fine, so nothing is waited for longer than `GRACE`.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
GRACE = 5.0  # seconds for what runs when the signal comes, such as a registration, to end by itself
TICK = 0.1  # seconds between two looks at whether a signal came


class Interrupted(BaseException):
    """A signal ended the command. Not KeyboardInterrupt, which Typer takes for itself and says nothing about."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number

    @property
    def status(self) -> int:
        """The exit status that a shell expects: 130 after Ctrl-C, 143 after `kill`."""
        return 128 + self.number


class Stopped(Exception):
    """Work that was not begun, or not brought to its end, because a signal ended the night."""


class Stop:
    """Whether a signal has asked a night to end. The handler notes no more than that: a lock might be held."""

    def __init__(self) -> None:
        self.number = 0

    @property
    def name(self) -> str:
        """The signal's; empty while none came."""
        return signal.Signals(self.number).name if self.number else ""

    def check(self) -> None:
        """Begin nothing once a signal came.

        Raises:
            Stopped: one did.
        """
        if self.number:
            raise Stopped(f"{self.name} ended the night")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take note of signals in the block; the second one ends the process at once."""
        if threading.current_thread() is not threading.main_thread():  # only that one may: whoever owns it decides
            yield
            return
        with handled(self._noted):
            yield

    def carry_out(self, work: Callable[[], None], *, told: Callable[[], None]) -> None:
        """Do the work to its end, or until `GRACE` after a signal: then its thread is left behind.

        In a thread of its own, because a handler interrupts the main thread alone, and Prefect's would be that one's.

        Args:
            told: called when a signal has come.
        """
        problems: list[BaseException] = []

        def carried() -> None:
            try:
                context.run(work)
            except BaseException as problem:
                problems.append(problem)

        context = copy_context()  # where the caller is a Prefect flow, the work is still in it
        thread = threading.Thread(target=carried, name="night", daemon=True)
        thread.start()
        while thread.is_alive() and not self.number:
            thread.join(TICK)
        if self.number:
            told()
            thread.join(GRACE)
        elif problems:
            raise problems[0]

    def _noted(self, number: int, _frame: FrameType | None) -> None:
        if self.number:
            os._exit(Interrupted(number).status)
        self.number = number


@contextmanager
def handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Have the signals that end a command call this in the block; one that is ignored (`nohup`, `&`) stays so."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    listened = [number for number, how in before.items() if how is not signal.SIG_IGN]
    for number in listened:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in listened:
            signal.signal(number, before[number])


def interrupt(number: int, _frame: FrameType | None) -> None:
    """The handler of a command that has nothing to tell when it is ended."""
    raise Interrupted(number)

"""A night as lines of a log: what one wants to read the next morning, and no line for every step.

Each line is a record of the logger `nightzoo`. Whoever wants them adds a handler: the command line one that writes to
standard error, as text or as JSON, Prefect's flow run one that shows them on its page (`flows.graph`).
"""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TextIO

from flows.job import Event

LOG = logging.getLogger("nightzoo")
LOG.setLevel(logging.INFO)
LOG.propagate = False
LOG.addHandler(logging.NullHandler())  # without it, Python would print warnings where nobody asked for lines

PROGRESS = ("training", "evaluating")
SAY_ALL = ("planned", "note", "warning", "done")
"""Kinds of events whose text is the whole line."""
EVERY_SECONDS = 60.0  # between two lines of progress of one entry


class Journal:
    """Turns what is said of a night into lines."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[str, float]] = {}

    def say(self, entry: str, event: Event) -> None:
        """Write a line, unless it would say what the last one of this entry said; called from any thread."""
        kind, when = self._last.get(entry, ("", 0.0))
        now = time.monotonic()
        if event.kind == kind and kind in PROGRESS and now - when < EVERY_SECONDS:
            return
        self._last[entry] = event.kind, now
        level = logging.WARNING if event.kind == "warning" else logging.INFO
        facts = {key: value for key, value in event.model_dump().items() if value and key not in ("kind", "text")}
        write(_line(entry, event), level=level, event=event.kind, **({"entry": entry} if entry else {}), **facts)


def write(line: str, *, level: int = logging.INFO, **facts: Any) -> None:
    """Write one line; the facts are what a program reads instead of it."""
    LOG.log(level, line, extra={"facts": facts})


class Plain(logging.Formatter):
    """A line for people, with the local time."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S")


class Json(logging.Formatter):
    """A line for programs: one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level and text, and the facts that the text was made of."""
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "text": record.getMessage(),
        }
        return json.dumps(told | getattr(record, "facts", {}))


@contextmanager
def written_to(stream: TextIO, *, form: logging.Formatter) -> Iterator[None]:
    """Write the journal's lines to a stream for the length of the block."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(form)
    LOG.addHandler(handler)
    try:
        yield
    finally:
        LOG.removeHandler(handler)


def _line(entry: str, event: Event) -> str:
    who = f"{entry}: " if entry else ""
    if event.kind in SAY_ALL:
        return f"{who}{event.text}"
    far = f"{event.step}/{event.steps}" if event.steps else ""
    rate = f"{event.per_second:.3g}/s" if event.per_second else ""
    return who + " ".join(part for part in (event.kind, event.text, far, rate) if part)

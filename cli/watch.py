"""What goes on, for whoever is watching: bars on a terminal, lines with times in a log, JSON for programs."""

import sys
from contextlib import ExitStack
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn

from flows.job import Event
from flows.journal import Journal, Json, Plain, written_to

LogFormat = Literal["plain", "json"]


class Watch:
    """Progress on standard error. On a terminal a bar for each entry at work and one for the night; else lines alone.

    Args:
        log_format: of the lines; `json` means lines alone, whoever watches.
    """

    def __init__(self, *, log_format: LogFormat = "plain") -> None:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
        )
        console = Console(stderr=True)
        bars = console.is_terminal and log_format == "plain"
        self.progress = Progress(*columns, console=console, disable=not bars, transient=True)
        self.form = Json() if log_format == "json" else Plain()
        self.journal = Journal()
        self.night: TaskID | None = None
        self.bars: dict[str, TaskID] = {}
        self._open = ExitStack()

    def __enter__(self) -> "Watch":
        self._open.enter_context(self.progress)  # from here on it lends its console to whatever is written
        self._open.enter_context(written_to(sys.stderr, form=self.form))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def say(self, entry: str, event: Event) -> None:
        """Show an event; called from any thread."""
        self.journal.say(entry, event)
        if event.kind == "planned":
            self.night = self.progress.add_task("the night", total=event.steps, note="entries")
        elif entry and event.kind != "warning":
            self._show(entry, event)

    def _show(self, entry: str, event: Event) -> None:
        if event.kind == "done":
            if entry in self.bars:
                self.progress.update(self.bars[entry], visible=False)
            if self.night is not None:
                self.progress.advance(self.night)
            return
        if entry not in self.bars:
            self.bars[entry] = self.progress.add_task(entry, total=None, note="")
        note = f"{event.per_second:.3g}/s" if event.kind == "training" else event.text or event.kind
        self.progress.update(self.bars[entry], total=event.steps or None, completed=event.step, note=note)

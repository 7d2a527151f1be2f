"""Live progress of workers, for whoever is watching."""

from collections import defaultdict

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn

from flows.job import Event


class Watch:
    """Live progress on standard error: a bar, rate and time left per entry; plain lines where nobody watches."""

    def __init__(self) -> None:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
        )
        console = Console(stderr=True)
        self.progress = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
        self.bars: dict[str, TaskID] = {}
        self.told: defaultdict[str, str] = defaultdict(str)

    def __enter__(self) -> "Watch":
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def say(self, entry: str, event: Event) -> None:
        """Show an event; called from any thread."""
        if event.kind == "warning":
            self._line(f"{entry}: {event.text}" if entry else event.text)
            return
        if entry not in self.bars:
            self.bars[entry] = self.progress.add_task(entry, total=None, note="")
        if event.kind == "training":
            note = f"{event.per_second:.3g}/s"
            self.progress.update(self.bars[entry], total=event.steps, completed=event.step, note=note)
        else:
            self.progress.update(self.bars[entry], note=event.text or event.kind, visible=event.kind != "done")
        if self.told[entry] != event.kind:
            self.told[entry] = event.kind
            self._line(f"{entry}: {event.kind} {event.text}".rstrip())

    def _line(self, text: str) -> None:
        self.progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

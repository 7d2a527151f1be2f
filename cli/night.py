"""`zoo night`: what would be done, what is being done, and what was done."""

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn

from cli.output import JSON, print_table, talk

if TYPE_CHECKING:
    from flows.job import Event
    from flows.summary import Outcome


def night(
    lineup: Annotated[str, typer.Option(help="What to train: quick (seconds each), mini (minutes), real.")] = "quick",
    only: Annotated[str, typer.Option(metavar="PATTERN", help="Only entries like this, and what they need.")] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Train again what did not change; the same weights must come out.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done and why; do nothing.")] = False,
    as_json: JSON = False,
) -> None:
    """Train what changed, evaluate it, register it and ask the gate; skip, with proof, what did not change.

    Stopped or killed at any moment, the same command goes on from there. An entry that fails, fails alone. Exits 0 if
    every entry is as it should be, else 1.

    Examples: [bold]zoo night --dry-run[/bold] · [bold]zoo night --lineup mini --only 'fcn*'[/bold]
    """
    from flows.lineups import lineup as slots
    from flows.night import night as run
    from flows.plan import plan
    from registry.settings import settings

    if dry_run:
        decisions = plan(slots(lineup), settings=settings(), only=only, force=force)
        shown = ("entry", "recipe", "action", "why")
        rows = [decision.as_json() for decision in decisions]
        print_table(rows if as_json else [{key: row[key] for key in shown} for row in rows], as_json=as_json)
        raise typer.Exit(any(decision.action == "blocked" for decision in decisions))
    with _Watch() as watch:
        summary = run(slots(lineup), settings=settings(), only=only, force=force, say=watch.say)
    if as_json:
        typer.echo(json.dumps(summary.model_dump(mode="json"), indent=2))
    else:
        print_table([_row(outcome) for outcome in summary.outcomes])
    for outcome in summary.outcomes:
        talk(f"{outcome.entry} {outcome.done}: {outcome.why}")
    talk(f"{summary.seconds:.1f} s")
    raise typer.Exit(not summary.good)


class _Watch:
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

    def __enter__(self) -> "_Watch":
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def say(self, entry: str, event: "Event") -> None:
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


def _row(outcome: "Outcome") -> dict[str, Any]:
    shown = ("entry", "done", "version", "metric", "value", "floor", "verdict")
    return {key: getattr(outcome, key) for key in shown}

"""`zoo night`: what would be done, what is being done, and what was done."""

import json
from collections import defaultdict
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from flows.job import Event
from flows.lineups import LINEUPS, lineup
from flows.night import night as run_night
from flows.plan import Decision, plan
from flows.summary import Outcome, Summary
from registry.settings import settings

talk = Console(stderr=True)


def night(
    lineup_name: Annotated[str, typer.Option("--lineup", help=f"What to train: {', '.join(LINEUPS)}.")] = "quick",
    only: Annotated[str, typer.Option(help="Entries that match this pattern, and what they need: 'fcn*'.")] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Train again although nothing changed; the same weights must come out.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done and why, and do nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Results as JSON on standard output.")] = False,
) -> None:
    """Retrain what changed, evaluate it, register it and ask the gate; what has not changed is skipped, with proof.

    Killed at any moment, start it again: it goes on from the last checkpoints. Ends with 0 if every entry is as it
    should be, else with 1; an entry that fails, fails alone.

    \b
    zoo night --dry-run                    what would happen to each entry, and why
    zoo night --lineup mini --only 'fcn*'  the segmentation networks, two minutes each
    """
    here = settings()
    if dry_run:
        decisions = plan(lineup(lineup_name), settings=here, only=only, force=force)
        if as_json:
            print(json.dumps([decision.as_json() for decision in decisions], indent=2))
        else:
            Console().print(_planned(decisions))
        raise typer.Exit(any(decision.action == "blocked" for decision in decisions))
    with _Watch() as watch:
        summary = run_night(lineup(lineup_name), settings=here, only=only, force=force, say=watch.say)
    if as_json:
        print(summary.model_dump_json(indent=2))
    else:
        Console().print(_done(summary))
    for outcome in summary.outcomes:
        style = "" if outcome.good else "red"
        talk.print(f"{outcome.entry} {outcome.done}: {outcome.why}", style=style, markup=False, highlight=False)
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
        self.progress = Progress(*columns, console=talk, disable=not talk.is_terminal, transient=True)
        self.bars: dict[str, TaskID] = {}
        self.told: defaultdict[str, str] = defaultdict(str)

    def __enter__(self) -> "_Watch":
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
        self.progress.console.print(text, markup=False, highlight=False)


def _planned(decisions: tuple[Decision, ...]) -> Table:
    table = Table("entry", "recipe", "would", "why")
    for decision in decisions:
        table.add_row(decision.entry, decision.slot.recipe, decision.action, decision.why)
    return table


def _done(summary: Summary) -> Table:
    columns = ("entry", "done", "version", "metric", "value", "floor", "verdict")
    table = Table(*columns, caption=f"{summary.seconds:.1f} s", caption_justify="left")
    for outcome in summary.outcomes:
        table.add_row(*_row(outcome), style="" if outcome.good else "red")
    return table


def _row(outcome: Outcome) -> tuple[str, ...]:
    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.4g}"

    version = str(outcome.version or "")
    return (
        outcome.entry,
        outcome.done,
        version,
        outcome.metric,
        number(outcome.value),
        number(outcome.floor),
        outcome.verdict,
    )

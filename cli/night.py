"""`zoo night`: what would be done, what is being done, and what was done."""

import json
import signal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import JSON, print_table, talk
from flows.stopping import Interrupted

if TYPE_CHECKING:
    from flows.summary import Outcome


def night(
    lineup: Annotated[str, typer.Option(help="What to train: quick (seconds each), mini (minutes), real.")] = "quick",
    only: Annotated[str, typer.Option(metavar="PATTERN", help="Only entries like this, and what they need.")] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Train again what did not change; the same weights must come out.")
    ] = False,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Train every entry, and what it is built on, under this seed.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done and why; do nothing.")] = False,
    as_json: JSON = False,
) -> None:
    """Train what changed, evaluate it, register it and ask the gate; skip, with proof, what did not change.

    Stopped or killed at any moment, the same command goes on from there. An entry that fails, fails alone. Exits 0 if
    every entry is as it should be, else 1; 130 after Ctrl-C and 143 after `kill`, both within ten seconds.

    An entry that takes too long, says nothing for an hour or takes the machine's memory is ended, alone:
    ZOO_TIME_LIMIT, ZOO_SILENCE_LIMIT (8h) and ZOO_MEMORY_LIMIT (12GB) in the environment change when.

    Under another seed an entry is registered and judged like any other version; what it is only scored with keeps its
    own seed, so that numbers of all seeds compare.

    Examples: [bold]zoo night --dry-run[/bold] · [bold]zoo night --lineup mini --only 'fcn*'[/bold] ·
    [bold]zoo night --lineup mini --seed 1[/bold]
    """
    from flows.lineups import lineup as slots
    from flows.night import night as run
    from flows.plan import plan
    from registry.settings import settings

    if dry_run:
        decisions = plan(slots(lineup, seed=seed), settings=settings(), only=only, force=force)
        shown = ("entry", "recipe", "action", "why")
        rows = [decision.as_json() for decision in decisions]
        print_table(rows if as_json else [{key: row[key] for key in shown} for row in rows], as_json=as_json)
        raise typer.Exit(any(decision.action == "blocked" for decision in decisions))
    from cli.watch import Watch

    with Watch() as watch:
        summary = run(slots(lineup, seed=seed), settings=settings(), only=only, force=force, say=watch.say)
    if as_json:
        typer.echo(json.dumps(summary.model_dump(mode="json"), indent=2))
    else:
        print_table([_row(outcome) for outcome in summary.outcomes])
    for outcome in summary.outcomes:
        talk(f"{outcome.entry} {outcome.done}: {outcome.why}")
    talk(f"{summary.seconds:.1f} s")
    if summary.stopped:
        raise Interrupted(signal.Signals[summary.stopped])
    raise typer.Exit(not summary.good)


def _row(outcome: "Outcome") -> dict[str, Any]:
    shown = ("entry", "done", "version", "metric", "value", "floor", "verdict")
    return {key: getattr(outcome, key) for key in shown}

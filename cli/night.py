"""`zoo night`: what would be done, what is being done, and what was done."""

import json
import logging
import signal
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli.output import JSON, print_table, talk
from flows.stopping import Interrupted

if TYPE_CHECKING:
    from flows.summary import Asked, Outcome, Summary


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
    webhook: Annotated[
        str,
        typer.Option(envvar="ZOO_WEBHOOK", show_envvar=True, metavar="URL", help="Post verdicts and failures there."),
    ] = "",
    log_format: Annotated[
        Literal["plain", "json"], typer.Option(help="How standard error is written: json is an object a line.")
    ] = "plain",
    as_json: JSON = False,
) -> None:
    """Train what changed, evaluate it, register it and ask the gate; skip, with proof, what did not change.

    Stopped or killed at any moment, the same command goes on from there. An entry that fails, fails alone. Exits 0 if
    every entry is as it should be, else 1; 130 after Ctrl-C and 143 after `kill`, both within ten seconds.

    An entry that takes too long, says nothing for an hour or takes the machine's memory is ended, alone:
    ZOO_TIME_LIMIT, ZOO_SILENCE_LIMIT (8h) and ZOO_MEMORY_LIMIT (12GB) in the environment change when.

    Under another seed an entry is registered and judged like any other version; what it is only scored with keeps its
    own seed, so that numbers of all seeds compare.

    The webhook takes {"text": ...} as Slack's do. A night in which nothing changed posts nothing.

    Examples: [bold]zoo night --dry-run[/bold] · [bold]zoo night --lineup mini --only 'fcn*'[/bold] ·
    [bold]zoo night --lineup mini --seed 1[/bold] · [bold]zoo night --log-format json 2> night.jsonl[/bold]
    """
    from flows.lineups import lineup as slots
    from flows.plan import plan
    from flows.summary import Asked
    from registry.settings import settings

    if dry_run:
        decisions = plan(slots(lineup, seed=seed), settings=settings(), only=only, force=force)
        shown = ("entry", "recipe", "action", "why")
        rows = [decision.as_json() for decision in decisions]
        print_table(rows if as_json else [{key: row[key] for key in shown} for row in rows], as_json=as_json)
        raise typer.Exit(any(decision.action == "blocked" for decision in decisions))
    summary = _watched(Asked(lineup=lineup, only=only, seed=seed, force=force), webhook, log_format)
    if as_json:
        typer.echo(json.dumps(summary.model_dump(mode="json"), indent=2))
    else:
        print_table([_row(outcome) for outcome in summary.outcomes])
    if summary.stopped:
        raise Interrupted(signal.Signals[summary.stopped])
    raise typer.Exit(not summary.good)


def _watched(asked: "Asked", webhook: str, log_format: Literal["plain", "json"]) -> "Summary":
    """A night, with what is said of it on standard error."""
    from cli.watch import Watch
    from flows.journal import write
    from flows.notice import nightly
    from registry.settings import settings

    with Watch(log_format=log_format) as watch:
        try:
            summary = nightly(asked, settings=settings(), say=watch.say, webhook=webhook)
        except (ValueError, OSError) as error:
            if log_format == "plain":
                raise
            write(str(error), level=logging.ERROR)
            raise typer.Exit(1) from error
        if log_format == "json":
            _write_down(summary)
    if log_format == "plain":
        for outcome in summary.outcomes:
            talk(f"{outcome.entry} {outcome.done}: {outcome.why}")
        talk(f"{summary.headline}; {summary.seconds:.1f} s")
    return summary


def _write_down(summary: "Summary") -> None:
    """What became of each entry and of the night, as lines for programs."""
    from flows.journal import write

    for outcome in summary.outcomes:
        write(f"{outcome.entry} {outcome.done}: {outcome.why}", event="outcome", **outcome.model_dump(mode="json"))
    write(summary.headline, event="ended", good=summary.good, seconds=summary.seconds, **summary.counts)


def _row(outcome: "Outcome") -> dict[str, Any]:
    shown = ("entry", "done", "version", "metric", "value", "floor", "verdict")
    return {key: getattr(outcome, key) for key in shown}

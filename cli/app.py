"""The command `zoo`: results to stdout, talk to stderr, exit code 0 only if what was asked is true.

Importing this module imports no torch, no MLflow and no Prefect: `zoo --help` and `zoo list` answer at once. Each
command imports what it needs.
"""

import os
import sys
from contextlib import suppress
from importlib.metadata import version
from typing import Annotated

import typer

from cli import (
    catalogue,
    data,
    doctor,
    history,
    leaderboard,
    models,
    night,
    predict,
    pulling,
    query,
    registered,
    schedule,
    service,
    where,
)
from flows.stopping import Interrupted, handled, interrupt
from registry.settings import whereabouts

app = typer.Typer(
    name="zoo",
    help="A computer-vision model zoo that retrains, evaluates and re-ranks itself every night.",
    epilog="Start with: zoo list · zoo night --lineup quick · zoo leaderboard",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def _zoo(show_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if show_version:
        typer.echo(version("nightzoo"))
        raise typer.Exit
    if prefect := whereabouts().prefect.value:
        os.environ["PREFECT_API_URL"] = prefect  # Prefect and whoever is started from here read it there


app.command("list")(catalogue.list_families)
app.command("ls")(query.ls)
app.command("show")(catalogue.show)
app.command("where")(where.where)
app.command("train")(models.train)
app.command("evaluate")(models.evaluate)
app.command("night")(night.night)
app.command("up")(service.up)
app.command("down")(service.down)
app.command("status")(service.status)
app.command("leaderboard")(leaderboard.leaderboard)
app.command("versions")(registered.versions)
app.command("replay")(history.replay)
app.command("promote")(history.promote)
app.command("rollback")(history.rollback)
app.command("history")(history.history)
app.command("compare")(history.compare)
app.command("figures")(registered.figures)
app.command("pull")(pulling.pull)
app.command("predict")(predict.predict)
app.command("verify")(pulling.verify)
app.command("doctor")(doctor.doctor)
app.add_typer(schedule.app, name="schedule")
app.add_typer(data.app, name="data")
app.add_typer(pulling.cache, name="cache")


def main() -> None:
    """Run the command; what a user can mend is one line, not a traceback."""
    try:
        with handled(interrupt):
            app()
    except (ValueError, OSError) as error:
        print(f"zoo: {error}", file=sys.stderr)
        sys.exit(1)
    except Interrupted as end:
        print(f"zoo: stopped by {end}. What was made so far is kept; the same command goes on.", file=sys.stderr)
        with suppress(OSError):  # nobody may be reading any more
            sys.stdout.flush()
        os._exit(end.status)  # a thread that the signal left behind is not waited for

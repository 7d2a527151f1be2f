"""The command `zoo`: results to stdout, talk to stderr, exit code 0 only if what was asked is true.

Importing this module imports no torch, no MLflow and no Prefect: `zoo --help` and `zoo list` answer at once. Each
command imports what it needs.
"""

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from cli import catalogue, data, doctor, leaderboard, models, night, pulling, registered

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


app.command("list")(catalogue.list_families)
app.command("show")(catalogue.show)
app.command("train")(models.train)
app.command("evaluate")(models.evaluate)
app.command("night")(night.night)
app.command("leaderboard")(leaderboard.leaderboard)
app.command("versions")(registered.versions)
app.command("replay")(registered.replay)
app.command("figures")(registered.figures)
app.command("pull")(pulling.pull)
app.command("verify")(pulling.verify)
app.command("doctor")(doctor.doctor)
app.add_typer(data.app, name="data")
app.add_typer(pulling.cache, name="cache")


def main() -> None:
    """Run the command; what a user can mend is one line, not a traceback."""
    try:
        app()
    except (ValueError, OSError) as error:
        print(f"zoo: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("zoo: stopped. What was trained so far is kept; the same command goes on from there.", file=sys.stderr)
        sys.exit(130)

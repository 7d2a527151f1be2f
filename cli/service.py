"""`zoo up`, `zoo down`, `zoo status`: the servers of one machine, and what is going on there."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from cli.output import JSON, print_table, talk

if TYPE_CHECKING:
    from flows.service.status import Seen
    from registry.service import Program

PAGES = {
    "mlflow": "/#/experiments?workflowType=machine_learning",  # without it, MLflow opens its pages for language models
    "prefect": "/runs",
}
"""The page of a server that a person wants to begin at."""


def up() -> None:
    """Start MLflow's pages, Prefect's server and a worker for scheduled nights on this machine; say where they are.

    What is up already stays as it is; a port that is taken is replaced by a free one. All of them listen on this
    machine only. Where MLFLOW_TRACKING_URI or PREFECT_API_URL names a server, that one is used and none is started.

    Exits 0 when all of it works, else 1: then the end of the log of what failed is shown, and what was started with it
    is ended again.

    Examples: [bold]zoo up[/bold] · [bold]ZOO_HOME=/data/zoo zoo up[/bold]
    """
    from flows.service.servers import NAMES
    from flows.service.servers import up as start
    from registry.settings import settings

    programs = start(settings(), say=talk)
    for name in NAMES:
        if name in programs:
            typer.echo(f"{name:<8} {_page(programs[name])}")
    talk(f"Logs: {settings().home / 'service'}. zoo status says what goes on; zoo down ends them.")


def down() -> None:
    """End what zoo up started, a scheduled night that is at work included: the next one goes on where it stopped.

    A night that you began yourself goes on. Exits 0 when nothing of it is left, also where nothing was.

    Example: [bold]zoo down[/bold]
    """
    from flows.service.servers import down as end
    from flows.service.status import night_at_work
    from registry.settings import settings

    ended = end(settings())
    talk(f"Ended: {', '.join(ended)}." if ended else "Nothing was up.")
    if night := night_at_work(settings()):
        talk(f"A night that none of them began is at work (process {night.pid}); it goes on.")


def status(as_json: JSON = False) -> None:
    """Say what is up, whether a night is at work, what its workers do, and what is scheduled.

    Exits 0 if all that zoo up starts is up, else 1.

    Examples: [bold]zoo status[/bold] · [bold]zoo status --json[/bold]
    """
    from flows.service.status import look
    from registry.settings import settings

    seen = look(settings())
    if as_json:
        typer.echo(json.dumps(seen.model_dump(mode="json"), indent=2))
    else:
        _print(seen)
    for remark in seen.remarks:
        talk(remark)
    raise typer.Exit(not seen.good)


def _print(seen: "Seen") -> None:
    print_table(
        [
            {"program": up.program, "state": up.state, "since": _time(up.since), "pid": up.pid, "address": up.url}
            for up in seen.programs
        ],
        spare=("pid",),
    )
    if seen.night:
        typer.echo(f"A night is at work since {_time(seen.night.since)} (process {seen.night.pid}).")
    else:
        typer.echo("No night is at work.")
    typer.echo()
    working = [
        {"entry": work.entry, "step": work.step, "of": work.steps, "since": _time(work.since)} for work in seen.working
    ]
    print_table(working, title="At work")
    print_table(
        [{"schedule": plan.name, "when": plan.when, "next": _time(plan.next)} for plan in seen.scheduled],
        title="Scheduled",
    )


def _page(program: "Program") -> str:
    """Where a person wants to begin."""
    if not program.url:
        return f"process {program.pid}, waiting for scheduled nights"
    return program.url.removesuffix("/api") + PAGES.get(program.name, "")


def _time(moment: datetime | None) -> str | None:
    """In this machine's time zone; the day only where it is another one."""
    if moment is None:
        return None
    here, today = moment.astimezone(), datetime.now(UTC).astimezone().date()
    return f"{here:%H:%M}" if here.date() == today else f"{here:%Y-%m-%d %H:%M}"

"""`zoo schedule`: nights that start by themselves."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cli.output import JSON, print_table, talk
from registry.settings import settings


class _TimesOrCommand(TyperGroup):
    """Takes `zoo schedule "0 2 * * *"` for `zoo schedule add "0 2 * * *"`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, "--help"):
            args = ["add", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_TimesOrCommand, no_args_is_help=True, rich_markup_mode="rich")
Name = Annotated[str, typer.Argument(help="As `zoo schedule ls` shows it.")]


@app.callback()
def schedule() -> None:
    """Nights that start by themselves, as deployments of a Prefect server: [bold]zoo schedule "0 2 * * *"[/bold].

    `zoo up` starts a server and the worker that runs them; PREFECT_API_URL names another server. A night that is still
    at work is not started twice, and nights that were missed, because the machine was off, are made up for once.

    Examples: [bold]zoo schedule "0 2 * * *" --lineup mini --timezone Europe/Berlin[/bold] ·
    [bold]zoo schedule ls[/bold] · [bold]zoo schedule run-now mini[/bold]
    """


@app.command("add")
def add(
    times: Annotated[str, typer.Argument(metavar="CRON", help="Minute, hour, day, month, weekday: '0 2 * * *'.")],
    lineup: Annotated[str, typer.Option(help="What to train: quick (seconds each), mini (minutes), real.")] = "quick",
    timezone: Annotated[str, typer.Option(metavar="ZONE", help="Where these times count, as Europe/Berlin.")] = "UTC",
    name: Annotated[str, typer.Option(metavar="N", help="By default the line-up's name.")] = "",
    only: Annotated[str, typer.Option(metavar="PATTERN", help="Only entries like this, and what they need.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Train again what did not change.")] = False,
    seed: Annotated[int | None, typer.Option(min=0, help="Train every entry under this seed.")] = None,
) -> None:
    """Have a night run at these times; what was scheduled by the same name is replaced. `add` may be left out.

    It runs in this project, with this ZOO_HOME. Tokens and passwords are not handed on: they belong into the
    environment of the worker (ZOO_WEBHOOK, MLFLOW_TRACKING_PASSWORD).

    Examples: [bold]zoo schedule "0 2 * * *" --lineup mini --timezone Europe/Berlin[/bold] ·
    [bold]zoo schedule "30 4 * * sun" --name weekly --lineup mini --force[/bold]
    """
    _find_prefect()
    from flows import deployments
    from flows.lineups import lineup as slots
    from flows.summary import Asked

    slots(lineup)
    asked = Asked(lineup=lineup, only=only, seed=seed, force=force)
    first = deployments.schedule(name or lineup, times, timezone=timezone, asked=asked, settings=settings())
    talk(f"{name or lineup} is scheduled; its next night begins {first:%Y-%m-%d %H:%M} {timezone}.")
    if not deployments.worker_is_up():
        talk("No worker is up that would run it: `zoo up` starts one.")


@app.command("ls")
def ls(as_json: JSON = False) -> None:
    """What is scheduled, when it runs next, and how it went last; in this machine's time.

    Examples: [bold]zoo schedule ls[/bold] · [bold]zoo schedule ls --json[/bold]
    """
    _find_prefect()
    from flows import deployments

    found = deployments.schedules()
    if as_json:
        print_table([_plain(asdict(each) | {"asked": each.asked.model_dump()}) for each in found], as_json=True)
        return
    rows = [
        {
            "name": each.name,
            "cron": each.cron,
            "zone": each.timezone,
            "lineup": each.asked.lineup,
            "only": each.asked.only or None,
            "next": _when(each.due) if each.active else "paused",
            "last": each.last or None,
            "began": _when(each.last_began),
        }
        for each in found
    ]
    print_table(rows, spare=("only", "began", "zone"))
    if not found:
        talk('Nothing is scheduled: zoo schedule "0 2 * * *" --lineup mini')
    elif not deployments.worker_is_up():
        talk("No worker is up that would run them: `zoo up` starts one.")


@app.command("pause")
def pause(name: Name) -> None:
    """Start no more nights of a schedule until `resume`; one that runs goes on.

    Example: [bold]zoo schedule pause mini[/bold]
    """
    _find_prefect()
    from flows import deployments

    deployments.pause(name)
    talk(f"{name} is paused.")


@app.command("resume")
def resume(name: Name) -> None:
    """Go on with a paused schedule; nights that were due meanwhile are not made up for.

    Example: [bold]zoo schedule resume mini[/bold]
    """
    _find_prefect()
    from flows import deployments

    deployments.resume(name)
    talk(f"{name} is resumed.")


@app.command("rm")
def rm(name: Name) -> None:
    """Forget a schedule; what its nights made stays.

    Example: [bold]zoo schedule rm mini[/bold]
    """
    _find_prefect()
    from flows import deployments

    deployments.remove(name)
    talk(f"{name} is removed.")


@app.command("run-now")
def run_now(name: Name) -> None:
    """Have the worker start a schedule's night at once, whatever the time.

    Example: [bold]zoo schedule run-now mini[/bold]
    """
    _find_prefect()
    from flows import deployments

    talk(f"{name} was handed to the worker: {deployments.run_now(name)}")
    if not deployments.worker_is_up():
        talk("No worker is up that would run it: `zoo up` starts one.")


def _find_prefect() -> None:
    """Have a server; called before Prefect is imported."""
    from flows.server import use
    from flows.service.servers import prefect_api_url

    use(prefect_api_url(settings()))


def _when(moment: datetime | None) -> str | None:
    """In this machine's time zone."""
    return f"{moment.astimezone():%m-%d %H:%M}" if moment else None


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in row.items()}

"""`zoo doctor`: whether what is registered is still what was registered, and mending it."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from cli.output import JSON, print_table, talk
from registry.settings import settings


def doctor(
    entry: Annotated[str, typer.Argument(help="Only this entry, FAMILY.DATASET.")] = "",
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend from run folders and copies; withdraw what nobody has.")
    ] = False,
    loading: Annotated[bool, typer.Option("--load/--no-load", help="Build each network, load its weights.")] = True,
    as_json: JSON = False,
) -> None:
    """Check every registered version: bytes, rows of the database, card, licence, aliases, whether it loads, leftovers.

    --repair brings a version's bytes back from its run folder, a pulled copy or the cache. Where nobody has them, the
    version is withdrawn, and the next night trains it anew. Exits 0 if nothing is wrong; a note is no fault.

    Examples: [bold]zoo doctor[/bold] · [bold]zoo doctor siamfc.collage-track --repair[/bold] ·
    [bold]zoo doctor --no-load --json[/bold]
    """
    from flows.runs import copies, set_aside
    from registry.doctor import examine

    where = settings()
    found = examine(where, lambda one: copies(one, where), entry=entry or None, loading=loading, repair=repair)
    for version in found.withdrawn:
        set_aside(version, where)
    if as_json:
        findings = [asdict(finding) for finding in found.findings]
        typer.echo(json.dumps({"versions": found.versions, "well": found.well, "findings": findings}, indent=2))
    else:
        rows = [
            {
                "where": finding.subject,
                "check": finding.check,
                "state": "mended" if finding.mended else "wrong" if finding.wrong else "note",
                "what": finding.what,
                "advice": finding.advice,
            }
            for finding in found.findings
        ]
        print_table(rows, spare=("advice",))
        talk(f"{found.versions} versions checked: {'nothing is wrong' if found.well else 'not all is well'}")
    raise typer.Exit(not found.well)

"""`zoo where`: which folders and servers a command started here works on, and how that was decided."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from cli.output import JSON, talk
from registry.settings import whereabouts

if TYPE_CHECKING:
    from registry.settings import Settings


def where(as_json: JSON = False) -> None:
    """Say where this zoo lives, how each place was decided, and what is registered there.

    The environment decides first ($ZOO_PROJECT, $ZOO_HOME, $MLFLOW_TRACKING_URI, $PREFECT_API_URL), then a zoo.toml in
    this folder or above, then ~/.config/nightzoo/zoo.toml ($ZOO_CONFIG names another). Without any of them the project
    is the nearest folder upwards that holds a zoo.toml, a datasets.dvc or a .zoo.

    Examples: [bold]zoo where[/bold] · [bold]zoo where --json[/bold]
    """
    found = whereabouts()
    places = {"project": found.project, "home": found.home, "registry": found.registry, "prefect": found.prefect}
    holds = _held(found.settings)
    shown = {name: asdict(place) for name, place in places.items()}
    shown["registry"]["value"] = found.settings.registry
    if as_json:
        files = [str(file) for file in found.files]
        typer.echo(json.dumps({**shown, "files": files, "lineups": sorted(found.lineups), "holds": holds}, indent=2))
        return
    for name, place in shown.items():
        typer.echo(f"{name:<9} {place['value'] or '-'}\n{'':<9} ({place['because']})")
    if holds["fault"]:
        talk(str(holds["fault"]))
    elif not holds["versions"]:
        talk(found.settings.nothing_registered)
    else:
        talk(f"Registered: {holds['entries']} entries, {holds['versions']} versions. `zoo ls` lists them.")


def _held(settings: "Settings") -> dict[str, int | str | None]:
    """How much is registered; why that is not known, where it is not."""
    from registry.glance import read

    try:
        held = read(settings)
    except (ConnectionError, ValueError) as error:
        return {"entries": None, "versions": None, "fault": str(error)}
    return {"entries": len(held.entries), "versions": len(held.versions()), "fault": ""}

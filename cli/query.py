"""`zoo ls`: what is registered, as much of it as is asked for."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import completion
from cli.output import JSON, interval, print_table, talk
from registry.settings import settings

if TYPE_CHECKING:
    from registry.query import Standing
    from registry.settings import Settings

SPARE = ("licence", "parameters", "recipe")


def ls(
    area: Annotated[
        str, typer.Option(help="Only this area (segmentation, ...).", autocompletion=completion.areas)
    ] = "",
    dataset: Annotated[
        str,
        typer.Option(
            metavar="PATTERN", help="Only what was trained or scored on this.", autocompletion=completion.datasets
        ),
    ] = "",
    licence: Annotated[str, typer.Option(metavar="TEXT", help="Only where the data's licence says this.")] = "",
    where: Annotated[str, typer.Option(metavar="CONDITION", help="Only where this holds; see above.")] = "",
    sort: Annotated[str, typer.Option(metavar="FACT", help="Smallest first; -FACT is largest first.")] = "",
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="At most so many.")] = None,
    as_json: JSON = False,
) -> None:
    """List what is registered: each entry's champion with its score, and how much better the latest version is.

    A condition compares metrics (miou, success_auc, fid, ...), numbers of the recipe (batch_size, ...) and these:
    entry family variant area dataset trained_on licence version champion recipe metric value error low high floor gain
    delta parameters steps seconds seed speed protocol verdict; with and, or, not, in, + - * /. What an entry lacks
    leaves it out.

    --json is a list of objects with full digests. Exits 0 also where nothing matches.

    Examples: [bold]zoo ls[/bold] · [bold]zoo ls --area segmentation --sort -value[/bold] ·
    [bold]zoo ls --where 'miou > 0.5 and parameters < 30e6'[/bold] ·
    [bold]zoo ls --dataset 'collage-*' --sort parameters --limit 3 --json[/bold]
    """
    from registry.glance import read
    from registry.query import select, standings

    here = settings()
    among = standings(read(here))
    chosen = select(among, area=area, dataset=dataset, licence=licence, where=where, sort=sort, limit=limit)
    if as_json:
        typer.echo(json.dumps([told(one) for one in chosen], indent=2))
    else:
        _print(chosen)
    _remark(len(among), len(chosen), here)


def _print(chosen: "tuple[Standing, ...]") -> None:
    from registry.pages import count

    newer = any(one.latest is not one.version for one in chosen)
    rows = [
        {
            "entry": str(one.version),
            "metric": one.version.ranked_by.name,
            "value": one.value,
            "95 %": interval(one.version.record.score.interval),
            **({"latest": _latest(one)} if newer else {}),
            "recipe": one.version.recipe_label,
            "parameters": count(one.version.record.parameters),
            "licence": str(one.facts["licence"]),
        }
        for one in chosen
    ]
    print_table(rows, spare=SPARE)
    if floors := [str(one.version) for one in chosen if not one.version.champion]:
        typer.echo(f"no champion (the floor reigns), the latest is shown: {', '.join(floors)}")


def _latest(one: "Standing") -> str | None:
    """The latest version and how much better it is, where it is not the one shown."""
    if one.latest is one.version:
        return None
    return (
        f"/{one.latest.number} other data or protocol"
        if one.delta is None
        else f"/{one.latest.number} {one.delta:+.3g}"
    )


def _remark(registered: int, shown: int, here: "Settings") -> None:
    if not registered:
        talk(here.nothing_registered)
    elif shown < registered:
        talk(f"{shown} of {registered} registered entries")


def told(one: "Standing") -> dict[str, Any]:
    """Everything that is known of what an entry stands with."""
    version, record, verdict = one.version, one.version.record, one.version.verdict or {}
    metric = version.ranked_by
    return {
        "entry": version.entry,
        "version": version.number,
        "aliases": version.aliases,
        "champion": version.champion,
        "family": one.entry.family,
        "variant": one.entry.variant,
        "area": one.area,
        "metric": metric.name,
        "unit": metric.unit,
        "higher_is_better": metric.higher_is_better,
        "value": one.value,
        "error": version.error,
        "interval": record.score.interval,
        "metrics": record.score.metrics,
        "floor": record.floor.metrics,
        "floor_name": record.floor.name,
        "gain": one.gain,
        "latest": {"version": one.latest.number, "delta": one.delta},
        "verdict": verdict.get("decision"),
        "reason": verdict.get("reason"),
        "abdicated": version.abdicated,
        "recipe_name": version.recipe_name,
        "recipe": version.recipe,
        "dataset": record.dataset,
        "dataset_digest": record.data_digest,
        "scored": record.scored,
        "scored_digest": record.scored_digest,
        "licences": one.licences,
        "protocol": version.protocol,
        "parameters": record.parameters,
        "steps": record.steps,
        "seconds": record.seconds,
        "speed": record.score.speed,
        "upstream": record.upstream,
        "trains": version.trains,
        "scores": version.scores,
        "weights": version.weights,
        "manifest": version.manifest,
        "run_id": version.run_id,
        "created": version.created.isoformat(),
    }

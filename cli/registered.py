"""`zoo versions` and `figures`: the models that have been trained."""

import json
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import completion
from cli.leaderboard import aliases, title
from cli.output import JSON, interval, measured, print_table, talk
from registry.settings import settings

if TYPE_CHECKING:
    from registry.glance import Version


def versions(
    entry: Annotated[
        str, typer.Argument(help="A registered entry, FAMILY.DATASET.", autocompletion=completion.entries)
    ],
    as_json: JSON = False,
) -> None:
    """List the versions of an entry, a table per benchmark, with the gate's verdict on each.

    Examples: [bold]zoo versions siamfc.collage-track[/bold] · [bold]zoo versions fcn8s.collage-seg --json[/bold]
    """
    from registry.glance import read

    where = settings()
    found = read(where, entry).versions()
    if not found:
        known = ", ".join(read(where).entries)
        there = f"; it has: {known}." if known else f". {where.nothing_registered}"
        raise ValueError(f"no entry {entry!r} in the registry{there}")
    if as_json:
        typer.echo(json.dumps([_version(version) for version in found], indent=2))
        return
    for (protocol, digest), same in groupby(found, key=lambda v: (v.protocol, v.data_digest)):
        print_table([_version_row(version) for version in same], title=title(protocol, digest), spare=SPARE_OF_VERSION)
    for version in found:
        if version.abdicated:
            typer.echo(f"{version} abdicated: {version.abdicated}")
    talk(f"Why a verdict is what it is: zoo replay {entry}/NUMBER. Who reigned when: zoo history {entry}")


def figures(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]...", help="README.md, or a family's file.")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Write the figures into the files.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Exit 1 if a file states others; write nothing.")] = False,
    lineup: Annotated[str, typer.Option(help="Whose entries.", autocompletion=completion.lineups)] = "mini",
    as_json: JSON = False,
) -> None:
    """Make the figures that README and docstrings state from the registered versions: mean and spread over seeds.

    In Markdown they stand between [bold]<!-- figures -->[/bold] and [bold]<!-- /figures -->[/bold], in a docstring
    behind [bold]zoo train FAMILY --recipe NAME[/bold].

    Examples: [bold]zoo figures[/bold] · [bold]zoo figures README.md zoo/*/*.py --write[/bold]
    """
    from flows.lineups import lineup as slots
    from flows.published import wanted
    from registry.figures import figures as make
    from registry.figures import table, written
    from registry.glance import read
    from zoo.durable import write_atomically

    where = settings()
    asked = wanted(slots(lineup), where)
    made = make(asked, read(where))
    if not made:
        raise ValueError(f"no entry of {lineup} is registered as its recipe is now: zoo night --lineup {lineup}")
    if as_json:
        typer.echo(json.dumps([asdict(figure) for figure in made], indent=2))
    elif not files:
        typer.echo(table(asked, made), nl=False)
    stale = []
    for file in files or ():
        before = file.read_text(encoding="utf-8")
        try:
            now = written(before, asked, made)
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from error
        if now != before:
            stale.append(str(file))
            if write:
                write_atomically(file, now.encode())
    if check and stale:
        raise ValueError(f"other figures than the registered ones: {', '.join(stale)}. `zoo figures FILE --write`.")
    for name in stale:
        talk(f"{name}: {'written' if write else 'other figures than the registered ones'}")


# Tables


SPARE_OF_VERSION = ("registered", "95 %", "against", "alias")


def _version_row(version: "Version") -> dict[str, Any]:
    metric, verdict = version.ranked_by.name, version.verdict or {}
    champion = verdict.get("champion")
    gain, ends = verdict.get("gain"), verdict.get("interval")
    return {
        "version": version.number,
        "recipe": version.recipe_label,
        metric: measured(version.record.score.metrics[metric], version.error),
        "95 %": interval(version.record.score.interval),
        "verdict": version.standing,
        "gain": None if gain is None else f"{gain:+.4g}",
        "its interval": ends and interval(ends),
        "against": verdict and ("the floor" if champion is None else f"version {champion}"),
        "alias": aliases(version.aliases),
        "registered": f"{version.created.astimezone():%Y-%m-%d %H:%M}",
    }


# The same for programs


def _version(version: "Version") -> dict[str, Any]:
    score, verdict = version.record.score, version.verdict or {}
    return {
        "version": version.number,
        "aliases": version.aliases,
        "recipe": version.recipe_name,
        "seed": version.recipe.get("seed", 0),
        "protocol": version.protocol,
        "data_digest": version.data_digest,
        "metrics": score.metrics,
        "error": version.error,
        "interval": score.interval,
        "verdict": verdict.get("decision", "not judged yet"),
        "reason": verdict.get("reason", ""),
        "by_hand": version.by_hand,
        "abdicated": version.abdicated,
        "trains": version.trains,
        "scores": version.scores,
        "weights": version.weights,
    }

"""`zoo list` and `zoo show`: the families we have code for, and what is known of one, of an entry or of a version."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import completion
from cli.output import JSON, interval, measured, print_published, print_table
from zoo.catalogue import CATALOGUE

if TYPE_CHECKING:
    from flows.fingerprint import RecipeDescription
    from registry.glance import Snapshot, Version
    from registry.settings import Settings

TOLD = 10  # versions of an entry; `zoo versions` lists all


def list_families(
    area: Annotated[str, typer.Argument(help="Only this area.", autocompletion=completion.areas)] = "",
    as_json: JSON = False,
) -> None:
    """List the families, by area; [bold]zoo ls[/bold] lists what is trained and registered.

    Examples: [bold]zoo list[/bold] · [bold]zoo list segmentation[/bold] · [bold]zoo list --json[/bold]
    """
    areas = sorted({line.area for line in CATALOGUE.values()})
    if area and area not in areas:
        raise ValueError(f"no area {area!r}; the areas are: {', '.join(areas)}")
    rows = [
        {"family": name, "area": line.area, "scored by": line.scored_by, "what": line.title}
        for name, line in CATALOGUE.items()
        if area in ("", line.area)
    ]
    print_table(rows, as_json=as_json)


def show(
    reference: Annotated[
        str,
        typer.Argument(
            metavar="REF", help="A family, an entry, ENTRY@ALIAS or ENTRY/NUMBER.", autocompletion=completion.anything
        ),
    ],
    as_json: JSON = False,
) -> None:
    """Show a family, an entry or a version.

    A family: paper, recipes with every number, what it needs, published numbers beside ours. An entry: its champion,
    its versions, what it is built on, what is built on it, its card. A version: the same of that one.

    Examples: [bold]zoo show fcn8s[/bold] · [bold]zoo show wgan-gp --json[/bold] ·
    [bold]zoo show siamfc.collage-track[/bold] · [bold]zoo show siamfc.collage-track/1[/bold]
    """
    from registry.glance import read
    from registry.settings import settings

    here = settings()
    held = read(here)
    if reference in CATALOGUE:
        _show_family(reference, held, here, as_json=as_json)
        return
    version = _version(reference, held, here)
    alone = reference != version.entry
    if as_json:
        typer.echo(json.dumps(_told(version, held, here, alone=alone), indent=2))
        return
    _show_version(version, held, here, alone=alone)


# A family


def _show_family(name: str, held: "Snapshot", here: "Settings", *, as_json: bool) -> None:
    from flows.fingerprint import describe
    from registry.published import compare, standing

    line, family = CATALOGUE[name], describe([name], memo=here.home / "memo")[name]
    if family.fault:
        raise ValueError(family.fault)
    variant, recipes = next(iter(family.recipes.items()))
    published = compare({name: family.targets}, standing(held))
    if as_json:
        about = {"family": name, "area": line.area, "what": line.title, "paper": family.paper}
        numbers = {key: recipe.training | recipe.scoring for key, recipe in recipes.items()}
        needs = {key: list(recipe.needs) for key, recipe in recipes.items()}
        beside = [asdict(comparison) for comparison in published]
        others = {"variants": list(family.recipes), "published": beside}
        typer.echo(json.dumps({**about, "recipes": numbers, "needs": needs, **others}, indent=2))
        return
    typer.echo(f"{name}: {line.title} ({line.area}, scored by {line.scored_by})\n{family.paper}")
    if len(family.recipes) > 1:
        typer.echo(f"Variants: {', '.join(family.recipes)}; the numbers are those of {variant!r}")
    print_table(_numbers(recipes, family.numbers), spare=("",))
    print_published(published)
    ours = [version for version in standing(held) if version.entry in _entries_of(name, held)]
    print_table([_row(version) for version in ours], title="Registered")


def _numbers(recipes: "dict[str, RecipeDescription]", about: dict[str, str]) -> list[dict[str, Any]]:
    """A row per number of the recipes, and one for what they need."""
    values = {key: recipe.training | recipe.scoring for key, recipe in recipes.items()}
    rows = [
        {"recipe": name, **{key: numbers[name] for key, numbers in values.items()}, "": said}
        for name, said in about.items()
    ]
    if any(recipe.needs for recipe in recipes.values()):
        needed = {key: "\n".join(recipe.needs) for key, recipe in recipes.items()}
        rows.append({"recipe": "needs", **needed, "": "entries that are trained before"})
    return rows


def _entries_of(family: str, held: "Snapshot") -> set[str]:
    from zoo.entry import Entry

    return {entry for entry in held.entries if Entry(entry).family == family}


# An entry or a version


def _version(reference: str, held: "Snapshot", here: "Settings") -> "Version":
    """The version that is meant; of an entry, its champion, or the latest while the floor reigns."""
    from registry.pull import REFERENCE, resolve

    parts = REFERENCE.fullmatch(reference)
    entry = parts["entry"] if parts else reference
    if entry not in held.entries:
        near = get_close_matches(entry, [*CATALOGUE, *held.entries])
        meant = f"did you mean: {', '.join(near)}? " if near else ""
        raise ValueError(f"no family, entry or version {reference!r}; {meant}See `zoo list` and `zoo ls`.")
    found = (held.champion(entry) or held.latest(entry)) if reference == entry else None
    return found or resolve(reference, here)


def _show_version(version: "Version", held: "Snapshot", here: "Settings", *, alone: bool) -> None:
    from cli.leaderboard import title
    from registry.query import lineage

    record, verdict, metric = version.record, version.verdict or {}, version.ranked_by
    standing = "champion" if version.champion else "not champion" if alone else "no champion: the floor reigns"
    typer.echo(f"{version} ({standing}), recipe {version.recipe_label}, registered {_day(version)}")
    score = measured(record.score.metrics[metric.name], version.error)
    typer.echo(
        f"{metric.name} {score}, 95 % in {interval(record.score.interval) or '-'}; floor "
        f"{record.floor.metrics[metric.name]:.4g} ({record.floor.name})\n{title(version.protocol, version.data_digest)}"
    )
    typer.echo(f"verdict: {verdict.get('decision', 'not judged yet')}. {verdict.get('reason', '')}".rstrip())
    if version.abdicated:
        typer.echo(f"abdicated: {version.abdicated}")
    needed, users = lineage(version, held)
    for entry, built_on in needed.items():
        typer.echo(f"built on or scored with: {built_on or f'{entry}, whose weights are not registered'}")
    if users:
        typer.echo(f"used by: {', '.join(users)}")
    typer.echo()
    if not alone:
        _print_versions(held.versions(version.entry))
    card = _card(version, here)
    typer.echo(card["card"] or f"no card: {card['fault'] or 'an older version without one'}")


def _print_versions(versions: "Sequence[Version]") -> None:
    rows = [_row(version) for version in versions[-TOLD:]]
    more = f" (the newest {TOLD} of {len(versions)}; zoo versions has all)" if len(versions) > TOLD else ""
    print_table(rows, title=f"Versions{more}", spare=("registered",))


def _row(version: "Version") -> dict[str, Any]:
    from cli.leaderboard import aliases

    metric = version.ranked_by.name
    return {
        "version": str(version),
        "recipe": version.recipe_label,
        "metric": metric,
        "value": version.record.score.metrics[metric],
        "verdict": (version.verdict or {}).get("decision", "not judged yet"),
        "alias": aliases(version.aliases),
        "registered": _day(version),
    }


def _told(version: "Version", held: "Snapshot", here: "Settings", *, alone: bool) -> dict[str, Any]:
    """Everything about a version, for programs; of an entry, its versions too."""
    from cli.query import told
    from registry.query import Standing, lineage

    latest = held.latest(version.entry) or version
    needed, users = lineage(version, held)
    others = [] if alone else [_row(other) for other in held.versions(version.entry)]
    facts = told(Standing(version=version, latest=latest))
    return {**facts, "built_on": needed, "used_by": list(users), "versions": others, **_card(version, here)}


def _card(version: "Version", here: "Settings") -> dict[str, str]:
    """The card, or why there is none to show."""
    from registry.shown import card

    try:
        return {"card": card(version, here), "fault": ""}
    except (OSError, ValueError) as error:
        return {"card": "", "fault": str(error)}


def _day(version: "Version") -> str:
    return f"{version.created.astimezone():%Y-%m-%d %H:%M}"

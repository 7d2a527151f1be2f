"""`zoo list` and `zoo show`: the families we have code for."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from cli.output import JSON, print_published, print_table
from zoo.catalogue import CATALOGUE, listing
from zoo.catalogue import family as named


def list_families(area: Annotated[str, typer.Argument(help="Only this area.")] = "", as_json: JSON = False) -> None:
    """List the families, by area.

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
    name: Annotated[str, typer.Argument(metavar="FAMILY", help="A family of `zoo list`.")], as_json: JSON = False
) -> None:
    """Show a family: paper, recipes with every number, what it needs, published numbers beside ours.

    Examples: [bold]zoo show fcn8s[/bold] · [bold]zoo show wgan-gp --json[/bold]
    """
    line = listing(name)  # says no before torch is imported
    from registry.glance import read
    from registry.published import compare, standing
    from registry.settings import settings

    family = named(name)
    recipes = {key: recipe.model_dump(mode="json") for key, recipe in family.recipes.items()}
    needs = {key: list(recipe.needs) for key, recipe in family.recipes.items()}
    published = compare({name: family.targets}, standing(read(settings())))
    if as_json:
        about = {"family": name, "area": line.area, "what": line.title, "paper": family.paper}
        beside = [asdict(comparison) for comparison in published]
        typer.echo(json.dumps({**about, "recipes": recipes, "needs": needs, "published": beside}, indent=2))
        return
    typer.echo(f"{name}: {line.title} ({line.area}, scored by {line.scored_by})\n{family.paper}")
    fields = type(next(iter(family.recipes.values()))).model_fields
    numbers = [
        {"recipe": field, **{key: values[field] for key, values in recipes.items()}, "": info.description or ""}
        for field, info in fields.items()
    ]
    if any(needs.values()):
        needed = {key: "\n".join(entries) for key, entries in needs.items()}
        numbers.append({"recipe": "needs", **needed, "": "entries that are trained before"})
    print_table(numbers, spare=("",))
    print_published(published)

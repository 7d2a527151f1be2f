"""What the shell offers for a word that is being typed: known from files, in the time between two keys.

A completion that fails offers nothing: it must never write into somebody's prompt.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from typing import Any

import typer

from zoo.catalogue import CATALOGUE

Offer = tuple[str, str]
"""A word, and what is said beside it."""


def _quietly(offers: Callable[..., Iterable[Offer]]) -> Callable[..., list[Offer]]:
    """Only what begins as it was typed, and nothing where anything goes wrong."""

    @wraps(offers)
    def offered(ctx: typer.Context, incomplete: str) -> list[Offer]:
        try:
            return [offer for offer in offers(ctx.params) if offer[0].startswith(incomplete)]
        except Exception:  # whatever it is, the command itself will say so
            return []

    del offered.__wrapped__  # Typer reads the signature, which is this one
    offered.__annotations__ = {"ctx": typer.Context, "incomplete": str}
    return offered


@_quietly
def areas(_: Mapping[str, Any]) -> Iterable[Offer]:
    """Of the catalogue."""
    return [(area, "") for area in sorted({line.area for line in CATALOGUE.values()})]


@_quietly
def families(_: Mapping[str, Any]) -> Iterable[Offer]:
    """Of the catalogue."""
    return _families()


@_quietly
def entries(_: Mapping[str, Any]) -> Iterable[Offer]:
    """That are registered."""
    return [(version.entry, said) for version, said in _standing()]


@_quietly
def versions(_: Mapping[str, Any]) -> Iterable[Offer]:
    """References to registered versions: by alias, and by number."""
    return _references()


@_quietly
def anything(_: Mapping[str, Any]) -> Iterable[Offer]:
    """What `zoo show` shows: families, entries, versions."""
    return [*_families(), *((version.entry, said) for version, said in _standing()), *_references()]


@_quietly
def recipes(given: Mapping[str, Any]) -> Iterable[Offer]:
    """Of the family that was named before, where its file was read once since it was changed."""
    return [(recipe, "") for recipe in next(iter(_recipes(given).values()), {})]


@_quietly
def variants(given: Mapping[str, Any]) -> Iterable[Offer]:
    """Of the family that was named before, likewise."""
    return [(variant, "") for variant in _recipes(given) if variant]


@_quietly
def lineups(_: Mapping[str, Any]) -> Iterable[Offer]:
    """Ours, and those of zoo.toml."""
    from flows.lineups import LINEUPS
    from registry.settings import whereabouts

    own = whereabouts().lineups
    return [*((name, f"{len(slots)} entries") for name, slots in LINEUPS.items()), *((name, "yours") for name in own)]


@_quietly
def datasets(_: Mapping[str, Any]) -> Iterable[Offer]:
    """That are recorded, can be made, or have a known source."""
    from flows.datasets.manifest import recorded
    from registry.settings import settings
    from zoo.data.made import MADE
    from zoo.data.sources import SOURCES

    titles = MADE | {name: source.title for name, source in SOURCES.items()}
    return [(name, titles.get(name, "yours")) for name in sorted({*recorded(settings()), *titles})]


def _families() -> list[Offer]:
    return [(name, line.title) for name, line in CATALOGUE.items()]


def _standing() -> Iterator[tuple[Any, str]]:
    """A version of each registered entry, and what is said of it."""
    from registry.glance import read
    from registry.published import standing
    from registry.settings import settings

    for version in standing(read(settings())):
        metric = version.ranked_by.name
        yield version, f"{metric} {version.record.score.metrics[metric]:.4g}"


def _references() -> list[Offer]:
    from registry.glance import read
    from registry.settings import settings

    held = read(settings())
    aliased = [
        (f"{version.entry}@{alias}", f"version {version.number}")
        for version in held.versions()
        for alias in version.aliases
    ]
    latest = [(f"{entry}@latest", "") for entry in held.entries]
    numbered = [(str(version), version.recipe_label) for version in held.versions()]
    return [*aliased, *latest, *numbered]


def _recipes(given: Mapping[str, Any]) -> Mapping[str, Mapping[str, object]]:
    """Recipes by variant of the family that the command line names."""
    from flows.fingerprint import remembered
    from registry.settings import settings

    known = remembered(memo=settings().home / "memo").get(given.get("name") or "")
    return known.recipes if known else {}

"""The figures that README and docstrings state, made from registered versions: mean and spread over seeds, floor, asks.

A figure is of one recipe as its numbers are now: the newest version of each seed, all under the benchmark that the
newest of them stands on. What is built on another entry varies with that one's seed too.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from registry.glance import Snapshot, Version
from zoo.entry import Entry
from zoo.published import Ask
from zoo.scoring.metrics import Metric
from zoo.scoring.protocols import scoring

BLOCK = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- /figures -->)", re.DOTALL)  # of a Markdown file
COMMAND = re.compile(  # of a docstring, what it says behind the command included
    r"^(?P<command> +zoo train (?P<family>[\w-]+)(?: --variant (?P<variant>[\w-]+))? --recipe (?P<recipe>\w+))"
    r"(?P<said> *(?:#.*)?)$",
    re.MULTILINE,
)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What figures are wanted of: an entry as one recipe makes it."""

    entry: Entry
    recipe_name: str
    recipe: Mapping[str, Any]  # all numbers
    needs: tuple[str, ...] = ()  # entries that it is trained on
    asks: tuple[Ask, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One metric of an entry over the seeds that are registered."""

    entry: Entry
    recipe_name: str
    metric: str
    unit: str
    values: tuple[float, ...]  # one a seed
    varied: str  # whose seed varies, where it is not the entry's own
    floor: float
    floor_name: str
    asked: str  # in words; empty where nothing was
    reached: bool | None
    seconds: tuple[float, float] | None  # of training, least and most; None where nothing was trained

    @property
    def spread(self) -> str:
        return spread(self.values)

    @property
    def seeds(self) -> str:
        count = f"{len(self.values)} seed{'s' if len(self.values) > 1 else ''}"
        return f"{count} of {self.varied}" if self.varied else count

    @property
    def training(self) -> str:
        if self.seconds is None:
            return "none"
        least, most = (f"{seconds:.0f}" for seconds in self.seconds)
        return f"{least} s" if least == most else f"{least} to {most} s"


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation, two digits of the latter."""
    mean = fmean(values)
    if len(values) < 2:
        return f"{mean:.4g}"
    deviation = stdev(values)
    places = max(0, 1 - math.floor(math.log10(deviation))) if deviation else 3
    return f"{mean:.{places}f} ± {deviation:.{places}f}"


def figures(wanted: Iterable[Wanted], held: Snapshot) -> tuple[Figure, ...]:
    """A figure of each wanted entry's ranking metric, and of every other that something was asked of."""
    by_entry: dict[str, Wanted] = {each.entry: each for each in wanted}
    return tuple(figure for each in by_entry.values() for figure in _figures(each, by_entry, held))


def table(wanted: Iterable[Wanted], made: Iterable[Figure]) -> str:
    """The figures as a Markdown table; an entry without any says so."""
    by_entry: dict[str, list[Figure]] = {}
    for figure in made:
        by_entry.setdefault(figure.entry, []).append(figure)
    rows = [row for each in wanted for row in _rows(each, by_entry.get(each.entry, []))]
    heads = ("entry", "metric", "mean ± deviation", "over", "floor", "asked for", "training")
    lines = [heads, ("---",) * len(heads), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def written(text: str, wanted: Iterable[Wanted], made: Iterable[Figure]) -> str:
    """A text with its figures as they are now: a Markdown block between `<!-- figures -->` and `<!-- /figures -->`, or
    the comments behind `zoo train FAMILY --recipe NAME` in a docstring.

    Raises:
        ValueError: it has a place for neither.
    """
    made = tuple(made)
    if BLOCK.search(text):
        now = table(wanted, made)
        return BLOCK.sub(lambda _: now, text)
    if not COMMAND.search(text):
        raise ValueError(
            "expected `<!-- figures -->` and `<!-- /figures -->` on lines of their own, or a line "
            "`    zoo train FAMILY --recipe NAME` in a docstring; found neither."
        )
    first = {(each.entry.model, each.recipe_name): each for each in reversed(made)}  # the ranking metric's

    def said(line: re.Match[str]) -> str:
        model = f"{line['family']}-{line['variant']}" if line["variant"] else line["family"]
        figure = first.get((model, line["recipe"]))
        return f"{line['command']}   # {_sentence(figure)}" if figure else line[0]

    return COMMAND.sub(said, text)


def _figures(wanted: Wanted, by_entry: Mapping[str, Wanted], held: Snapshot) -> Iterator[Figure]:
    versions = _one_a_seed(wanted, by_entry, held)
    if not versions:
        return
    newest = list(versions.values())[-1]
    ranking = newest.ranked_by
    asks = {ask.metric: ask for ask in wanted.asks if ask.recipe == wanted.recipe_name}
    others = asks.keys() - {ranking.name}
    beside = [metric for metric in scoring(newest.protocol).metrics if metric.name in others] if others else []
    for metric in (ranking, *beside):
        yield _figure(wanted, metric, versions, asks.get(metric.name))


def _figure(wanted: Wanted, metric: Metric, versions: Mapping[tuple[str, ...], Version], ask: Ask | None) -> Figure:
    records = [version.record for version in versions.values()]
    values = tuple(record.score.metrics[metric.name] for record in records)
    seconds = [record.seconds for record in records if record.steps or record.seconds >= 1]
    own = {seeds[0] for seeds in versions}
    return Figure(
        entry=wanted.entry,
        recipe_name=wanted.recipe_name,
        metric=metric.name,
        unit=metric.unit,
        values=values,
        varied=" and ".join(wanted.needs) if len(own) == 1 < len(values) else "",
        floor=records[-1].floor.metrics[metric.name],
        floor_name=records[-1].floor.name,
        asked=_in_words(ask, metric) if ask else "",
        reached=_reached(ask, metric, fmean(values)) if ask else None,
        seconds=(min(seconds), max(seconds)) if seconds else None,
    )


def _in_words(ask: Ask, metric: Metric) -> str:
    words = f"{'≥' if metric.higher_is_better != ask.control else '≤'} {ask.value:.3g}"
    return f"{words}, a control" if ask.control else words


def _reached(ask: Ask, metric: Metric, value: float) -> bool:
    gain = metric.gain(value, ask.value)
    return gain <= 0 if ask.control else gain >= 0


def _one_a_seed(wanted: Wanted, by_entry: Mapping[str, Wanted], held: Snapshot) -> dict[tuple[str, ...], Version]:
    """The newest version of each seed, its own and those it is built on, on the newest version's benchmark."""
    alike = [version for version in held.versions(wanted.entry) if _is_of(version, wanted)]
    found: dict[tuple[str, ...], Version] = {}
    for version in alike:
        same = (version.protocol, version.data_digest) == (alike[-1].protocol, alike[-1].data_digest)
        if same and (seeds := _seeds(version, wanted, by_entry, held)):
            found.pop(seeds, None)  # so that the newest come last
            found[seeds] = version
    return found


def _is_of(version: Version, wanted: Wanted) -> bool:
    """Whether the recipe as it is now made this version, whatever the seed."""
    return version.recipe | {"seed": None} == {**wanted.recipe, "seed": None}


def _seeds(version: Version, wanted: Wanted, by_entry: Mapping[str, Wanted], held: Snapshot) -> tuple[str, ...] | None:
    """Its seed and those of what it is built on; None where that was made by another recipe than the wanted one."""
    seeds = [str(version.recipe.get("seed", 0))]
    for entry in wanted.needs:
        trains = version.record.upstream.get(entry, "")
        upstream = held.by_trains(entry, trains)
        if entry not in by_entry or upstream is None:
            seeds.append(trains)
            continue
        if not _is_of(upstream, by_entry[entry]):
            return None
        below = _seeds(upstream, by_entry[entry], by_entry, held)
        if below is None:
            return None
        seeds += below
    return tuple(seeds)


def _rows(wanted: Wanted, figures: list[Figure]) -> Iterator[tuple[str, ...]]:
    if not figures:
        yield f"`{wanted.entry}`", "", "not registered", "", "", "", ""
    for i, figure in enumerate(figures):
        yield (
            "" if i else f"`{figure.entry}`",
            f"{figure.metric}, {figure.unit}" if figure.unit else figure.metric,
            figure.spread,
            figure.seeds,
            f"{figure.floor:.3g} ({figure.floor_name})",
            f"{figure.asked}, not reached" if figure.reached is False else figure.asked,
            "" if i else figure.training,
        )


def _sentence(figure: Figure) -> str:
    unit = f" {figure.unit}" if figure.unit else ""
    training = "" if figure.seconds is None else f", {figure.training}"
    return f"{figure.metric} {figure.spread}{unit} ({figure.seeds}{training}); floor {figure.floor:.3g}"

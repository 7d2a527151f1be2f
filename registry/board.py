"""The leaderboards as one HTML file that needs nothing else: boards, a page for each model, and two of them compared.

It holds its pictures, style and script, and loads nothing: it can be mailed, put on any web server, or shown by MLflow
in a frame. Whatever a name says is text to it.
"""

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from registry import cards, charts, pages
from registry.glance import PROMOTED, Snapshot, Version
from registry.leaderboard import Board, Row
from registry.settings import Settings
from registry.shown import shown
from zoo.entry import Entry

CAPTIONS = {
    "attention": "What it attends to",
    "contours": "Contours, from the octagon to the last deformation",
    "curves": "Success and precision, beside the floor's",
    "first_filters": "Kernels of the first layer",
    "floor": "Drawn from the floor",
    "hardest": "The test pictures whose class it gives the lowest score, lowest first",
    "least_probable": "The test pictures that it finds least probable",
    "most_probable": "The test pictures that it finds most probable",
    "real": "Training pictures, for comparison",
    "samples": "Drawn from the model",
}
"""Of pictures that benchmarks and families give these names; others are called after what they show."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """Where a value lies between the ends of its board's axis, in per cent."""

    value: float
    low: float
    high: float
    floor: float | None


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of a board: a model, the floor, or a published number."""

    kind: str  # "model", "floor", "published"
    name: str
    value: str
    bar: Bar
    row: Row | None = None


def page(held: Snapshot, boards: Sequence[Board], settings: Settings) -> str:
    """The whole of it; the same registry gives the same bytes."""
    standing = [board for board in boards if board.rows]
    models = [_model(held, board, row, settings) for board in standing for row in board.rows]
    newest = max((version.created for version in held.versions()), default=None)
    told: str = _template().render(
        boards=[(board, _lines(board)) for board in standing],
        retired=[board for board in boards if not board.rows],
        models=models,
        newest=newest,
        facts=_script([model["facts"] for model in models]),
        style=_asset("board.css"),
        script=_asset("board.js"),
    )
    return told


def reference(row: Row) -> str:
    """What a model's page is found by, and `zoo pull` too."""
    return f"{row.entry}/{row.version}"


def _lines(board: Board) -> list[Line]:
    """Models, floors and comparable published numbers, best first."""
    metric = board.metric
    found = [(row.value, _model_line(board, row)) for row in board.rows]
    found += [(value, _other(board, "floor", name, value)) for name, value in board.floors]
    found += [
        (line.published, _other(board, "published", line.source, line.published))
        for line in board.comparable
        if line.metric == metric.name
    ]
    return [line for _, line in sorted(found, key=lambda pair: pair[0], reverse=metric.higher_is_better)]


def _model_line(board: Board, row: Row) -> Line:
    low, high = row.interval or (row.value, row.value)
    at = _scale(board)
    bar = Bar(value=at(row.value), low=at(low), high=at(high), floor=at(row.floor))
    return Line(kind="model", name=Entry(row.entry).model, value=pages.measured(row.value, row.error), bar=bar, row=row)


def _other(board: Board, kind: str, name: str, value: float) -> Line:
    at = _scale(board)(value)
    return Line(kind=kind, name=name, value=f"{value:.4g}", bar=Bar(value=at, low=at, high=at, floor=None))


def _scale(board: Board) -> Any:
    """Where a value lies on the board's axis, which has room for all that is drawn on it."""
    values = [value for row in board.rows for value in (row.value, row.floor, *(row.interval or ()))]
    values += [line.published for line in board.comparable if line.metric == board.metric.name]
    low, high = min(values), max(values)
    margin = 0.03 * (high - low) or 1.0
    return lambda value: round(100 * (value - low + margin) / (high - low + 2 * margin), 2)


def _model(held: Snapshot, board: Board, row: Row, settings: Settings) -> dict[str, Any]:
    """What a model's page tells."""
    version = held.numbered(row.entry, row.version)
    has = shown(version, settings)
    return {
        "row": row,
        "board": board,
        "reference": reference(row),
        "line": _model_line(board, row),
        "record": version.record,
        "shown": has,
        "card": _rendered(has.card),
        "curves": charts.curves(has.curves),
        "pictures": [(name, _caption(name), _source(has.pictures[name])) for name in sorted(has.pictures, key=_order)],
        "history": _history(held.versions(row.entry)),
        "chart": _chart(held.versions(row.entry), version),
        "facts": _facts(board, row, version),
    }


def _history(versions: Sequence[Version]) -> list[dict[str, Any]]:
    """The versions of an entry, newest first."""
    return [
        {
            "number": version.number,
            "created": version.created,
            "recipe": version.recipe_label,
            "score": pages.measured(version.record.score.metrics[version.ranked_by.name], version.error),
            "metric": version.ranked_by.name,
            "protocol": version.protocol,
            "data": version.data_digest[:8],
            "champion": version.champion,
            "verdict": version.standing,
            "reason": version.abdicated or (version.verdict or {}).get("reason", ""),
        }
        for version in reversed(versions)
    ]


def _chart(versions: Sequence[Version], now: Version) -> Markup | None:
    """The metric over those versions that compare with this one; none where that is this one alone."""
    same = [v for v in versions if (v.protocol, v.data_digest) == (now.protocol, now.data_digest)]
    points = [
        (v.number, v.record.score.metrics[v.ranked_by.name], v.record.score.interval, PROMOTED in v.tags) for v in same
    ]
    return charts.history(points) if len(points) > 1 else None


def _facts(board: Board, row: Row, version: Version) -> dict[str, Any]:
    """What two models are compared by."""
    return {
        "reference": reference(row),
        "board": f"{board.protocol} on data {board.data_digest[:8]}",
        "higher": board.metric.higher_is_better,
        "metric": board.metric.name,
        "value": row.value,
        "said": {
            board.metric.name: pages.measured(row.value, row.error),
            "95 % interval": f"{row.interval[0]:.4g} to {row.interval[1]:.4g}" if row.interval else "-",
            **{
                name: f"{value:.4g}"
                for name, value in version.record.score.metrics.items()
                if name != board.metric.name
            },
            "over the floor": f"{row.gain:+.4g}",
            "parameters": pages.count(row.parameters),
            "training": pages.cost(row.seconds),
            "verdict": row.verdict or "not judged",
        },
        "recipe": {name: json.dumps(value) for name, value in {"recipe": row.recipe, **version.recipe}.items()},
    }


def _order(name: str) -> tuple[bool, str]:
    """What a model made comes before what is there to compare it with."""
    return name in ("floor", "real"), name


def _caption(name: str) -> str:
    return CAPTIONS.get(name, name.replace("_", " "))


def _source(webp: bytes) -> str:
    return f"data:image/webp;base64,{b64encode(webp).decode()}"


def _rendered(card: str) -> Markup:
    """A card's Markdown without what is for hubs and its first heading, which the page has; HTML in it is text."""
    from markdown_it import MarkdownIt

    text = cards.text(card)
    title, _, rest = text.partition("\n")
    body = rest if title.startswith("# ") else text
    return Markup(MarkdownIt("commonmark", {"html": False}).enable("table").render(body))


def _script(facts: object) -> Markup:
    """Values for the script, in JSON in which nothing can end the element that holds it."""
    return Markup(json.dumps(facts).replace("<", "\\u003c"))


def _asset(name: str) -> Markup:
    return Markup(files("registry").joinpath("html", name).read_text(encoding="utf-8"))


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"cost": pages.cost, "count": pages.count, "model": lambda entry: Entry(entry).model}
    return environment.from_string(_asset("board.html.j2"))

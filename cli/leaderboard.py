"""`zoo leaderboard`: who leads, in the terminal, for programs, as a page, and in MLflow."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import JSON, interval, measured, print_published, print_table, talk
from registry.settings import Settings, settings

if TYPE_CHECKING:
    from registry.glance import Snapshot
    from registry.leaderboard import Board

SPARE = ("registered", "95 %", "verdict", "training", "alias", "frames/s")
LOCAL = "http://127.0.0.1:5000"  # where `mlflow ui` answers


class Format(StrEnum):
    """How a board is told."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MD = "md"
    HTML = "html"


def leaderboard(
    benchmark: Annotated[str, typer.Argument(help="Only benchmarks whose protocol contains this.")] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Every version, not each entry's champion and latest alone.")
    ] = False,
    form: Annotated[
        Format, typer.Option("--format", help="html is one file with pictures, curves, history and comparison.")
    ] = Format.TABLE,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there.")] = None,
    browse: Annotated[
        bool, typer.Option("--open", help="Open it in a browser: in MLflow where that is a server, else as a page.")
    ] = False,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="First bring MLflow's own pages up to date, of every version.")
    ] = False,
    as_json: JSON = False,
) -> None:
    """Rank the registered models, a board per benchmark (protocol and data), the floor beside every score.

    An entry stands there with its champion and its latest version; boards on which nobody stands any more are named in
    a line each. Below each board: what the papers report, ours beside it, and whether the two compare.

    Every night brings MLflow's pages up to date; --refresh is for a registry that an older nightzoo made.

    Examples: [bold]zoo leaderboard[/bold] · [bold]zoo leaderboard collage-seg --all[/bold] ·
    [bold]zoo leaderboard --format html -o board.html[/bold] · [bold]zoo leaderboard --format csv[/bold] ·
    [bold]zoo leaderboard collage-seg --open[/bold]
    """
    from registry.glance import read
    from registry.leaderboard import leaderboard as rank

    where = settings()
    held = read(where)
    published = _published(held, where)
    if refresh:
        from registry.decoration import refresh as decorate

        talk(f"MLflow's pages: {decorate(where, targets=published, everything=True)} things written")
    boards = rank(held, benchmark, targets=published, everything=everything)
    if not boards:
        talk(where.nothing_registered)
    if browse:
        _browse(held, boards, where)
        return
    text = _told(held, boards, where, Format.JSON if as_json else form)
    if output:
        from zoo.durable import write_atomically

        write_atomically(output, text.encode())
        talk(f"written to {output}")
    elif text:
        typer.echo(text, nl=False)
    else:
        _print_boards(boards)


def _published(held: "Snapshot", where: Settings) -> dict[str, Any]:
    """Published numbers by family; one that cannot be imported hides no ranking."""
    from flows.published import targets

    try:
        return dict(targets(held.entries, where))
    except ValueError as error:
        talk(f"published numbers are left out: {error}")
        return {}


def _told(held: "Snapshot", boards: Sequence["Board"], where: Settings, form: Format) -> str:
    """The boards as a text; empty for a table, which needs to know how wide the terminal is."""
    if form is Format.JSON:
        return json.dumps([_board(board) for board in boards], indent=2) + "\n"
    if form is Format.CSV:
        return _csv(boards)
    if form is Format.MD:
        return "\n".join(map(_markdown, boards))
    if form is Format.HTML:
        from registry.board import page

        return page(held, boards, where)
    return ""


def _browse(held: "Snapshot", boards: Sequence["Board"], where: Settings) -> None:
    """Open the boards' page in MLflow where that is a server, else the HTML board; say where they are."""
    import webbrowser

    from registry.decoration import addresses
    from zoo.durable import write_atomically

    server = LOCAL if where.embedded else where.tracking_uri.rstrip("/")
    links = [f"{server}/{address}" for address in addresses(where, boards).values()]
    if where.embedded:
        file = where.home / "leaderboard.html"
        write_atomically(file, _told(held, boards, where, Format.HTML).encode())
        talk(f"In MLflow, once `mlflow ui --backend-store-uri {where.tracking_uri}` runs:")
        for link in links:
            talk(f"  {link}")
        links = [file.as_uri()]
    for link in links:
        typer.echo(link)
    if links and not webbrowser.open(links[0]):
        talk("No browser could be started here.")


# For people


def _print_boards(boards: Sequence["Board"]) -> None:
    for board in boards:
        if board.rows:
            _print_board(board)
    for board in boards:
        if not board.rows:
            typer.echo(f"retired: {title(board.protocol, board.data_digest)} (versions: {board.versions}; --all)")


def _print_board(board: "Board") -> None:
    from registry.pages import cost

    rows = [
        {
            "#": row.rank,
            "entry": f"{row.entry}/{row.version}",
            "recipe": row.recipe,
            board.metric.name: measured(row.value, row.error),
            **({"kind": row.kind} if row.kind else {}),
            "95 %": interval(row.interval),
            "over floor": f"{row.gain:+.4g}",
            "training": cost(row.seconds),
            **({"frames/s": f"{row.speed:.1f}"} if row.speed else {}),
            "alias": aliases(row.aliases),
            "verdict": row.verdict,
            "registered": f"{row.created.astimezone():%Y-%m-%d %H:%M}",
        }
        for row in board.rows
    ]
    print_table(rows, title=f"{title(board.protocol, board.data_digest)}: {_floors(board)}", spare=SPARE)
    near = [line for line in board.published if line.difference is not None]
    print_published(near)
    if others := len(board.published) - len(near):
        typer.echo(f"and {others} published numbers on other data (--format md has them)\n")


def _floors(board: "Board") -> str:
    better = "higher" if board.metric.higher_is_better else "lower"
    return f"{better} is better; floor {' or '.join(f'{value:.4g} ({name})' for name, value in board.floors)}"


def title(protocol: str, data_digest: str) -> str:
    """A board's name: two values compare only within it."""
    return f"{protocol} on data {data_digest[:8]}"


def aliases(names: Iterable[str]) -> str:
    """As they are asked for."""
    return " ".join(f"@{alias}" for alias in names)


def _markdown(board: "Board") -> str:
    """A board as a section with its table, and one of what was published."""
    from registry.pages import cost, count

    lines = [f"## {title(board.protocol, board.data_digest)}", ""]
    if not board.rows:
        return "\n".join([*lines, f"Retired: nobody stands here any more (versions: {board.versions}).", ""])
    heads = (
        "#",
        "model",
        board.metric.name,
        "95 %",
        "over floor",
        "recipe",
        "parameters",
        "training",
        "verdict",
        "alias",
    )
    rows = [
        (
            row.rank,
            f"{row.entry}/{row.version}",
            measured(row.value, row.error),
            interval(row.interval) or "-",
            f"{row.gain:+.4g}",
            row.recipe,
            count(row.parameters),
            cost(row.seconds),
            row.verdict,
            aliases(row.aliases) or "-",
        )
        for row in board.rows
    ]
    lines += [f"{_floors(board)}.", "", *_table(heads, rows), ""]
    if board.published:
        told = [
            (f"{p.published:.4g}", p.metric, p.dataset, f"{p.version} {p.ours:.4g}", p.remark, p.source)
            for p in board.published
        ]
        lines += [*_table(("published", "metric", "on", "ours", "remark", "source"), told), ""]
    return "\n".join(lines)


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    cells = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(str(cell).replace('|', '&#124;') for cell in line)} |" for line in cells]


# For programs


def _csv(boards: Iterable["Board"]) -> str:
    """A line per row, its board's facts repeated; empty where a board or a row has none."""
    text = io.StringIO()
    writer: csv.DictWriter[str] | None = None
    for board in boards:
        facts = {key: value for key, value in _board(board).items() if not isinstance(value, list)}
        for row in board.rows:
            low, high = row.interval or (None, None)
            own = asdict(row) | {"aliases": " ".join(row.aliases), "created": row.created.isoformat()}
            line = facts | {key: value for key, value in own.items() if key != "interval"} | {"low": low, "high": high}
            if writer is None:
                writer = csv.DictWriter(text, list(line), lineterminator="\n")
                writer.writeheader()
            writer.writerow(line)
    return text.getvalue()


def _board(board: "Board") -> dict[str, Any]:
    """A board as plain values; the metric's range stays out, for JSON knows no infinity."""
    metric = board.metric
    return {
        "protocol": board.protocol,
        "data_digest": board.data_digest,
        "metric": metric.name,
        "unit": metric.unit,
        "higher_is_better": metric.higher_is_better,
        "retired": board.retired,
        "versions": board.versions,
        "rows": [asdict(row) | {"created": row.created.isoformat()} for row in board.rows],
        "published": [asdict(line) for line in board.published],
    }

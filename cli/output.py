"""How answers look: a table for people, `--json` for programs, the same facts for both.

A table fits the terminal, or 80 columns in a pipe: prose wraps between words, then the columns that can be spared go,
then names are shortened. No word is ever broken, and no number shortened.
"""

import json
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from registry.published import Comparison

JSON = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table: everything, and nothing shortened.")]

GAP = 2  # blanks between columns
PROSE = 16  # the narrowest that prose wraps to
LONG = 24  # a text with blanks that is longer is prose
SHORTEST = 8  # no name is cut to less


@dataclass(frozen=True, kw_only=True)
class _Column:
    """One column as text, and how narrow it can be."""

    name: str
    cells: tuple[str, ...]
    number: bool

    @property
    def natural(self) -> int:
        """Its width where there is room."""
        return max(len(line) for text in (self.name, *self.cells) for line in text.splitlines() or [""])

    @property
    def prose(self) -> bool:
        return not self.number and any(len(cell) > LONG and " " in cell for cell in self.cells)

    @property
    def least(self) -> int:
        """Its width without a loss: of prose, that of the longest word."""
        if not self.prose:
            return self.natural
        words = [word for text in (self.name, *self.cells) for word in text.split()]
        return min(self.natural, max(PROSE, *map(len, words)))

    def lines(self, cell: str, width: int) -> list[str]:
        """A cell in this width."""
        lines = cell.splitlines() or [""]
        if self.prose:
            lines = [part for line in lines for part in _wrapped(line, width)]
        shortened = [line if len(line) <= width else f"{line[: width - 1]}…" for line in lines]
        return [line.rjust(width) if self.number else line.ljust(width) for line in shortened]


def print_table(
    rows: Sequence[Mapping[str, Any]], *, as_json: bool = False, title: str = "", spare: Sequence[str] = ()
) -> None:
    """Rows as a table on stdout, or as a JSON list; what a row lacks is a dash.

    Args:
        spare: columns that a narrow terminal can do without, the one that goes first first.
    """
    if as_json:
        typer.echo(json.dumps(list(rows), indent=2))
        return
    if not rows:
        return
    width = shutil.get_terminal_size(fallback=(80, 24)).columns
    fitted = _fitted([_column(name, rows) for name in dict.fromkeys(key for row in rows for key in row)], width, spare)
    if title:
        typer.echo("\n".join(_wrapped(title, width)))
    for line in _lines([(column, column.name, size) for column, size in fitted]):
        typer.echo(typer.style(line, bold=True))
    typer.echo("─" * (sum(size for _, size in fitted) + GAP * (len(fitted) - 1)))
    for row in range(len(rows)):
        for line in _lines([(column, column.cells[row], size) for column, size in fitted]):
            typer.echo(line)
    typer.echo()


def print_published(published: Sequence["Comparison"]) -> None:
    """Published numbers beside ours, with what keeps the two from being compared."""
    rows = [
        {
            "metric": line.metric,
            "published": line.published,
            "on": line.dataset,
            "ours": line.ours,
            "difference": line.difference,
            "remark": line.remark,
            "version": line.version,
            "source": line.source,
        }
        for line in published
    ]
    print_table(rows, title="Published numbers beside ours", spare=("source", "version"))


def talk(message: str) -> None:
    """Say something to the person, not to the pipe."""
    typer.echo(message, err=True)


def measured(value: float, error: float | None) -> str:
    """A number with its standard error, where that is known."""
    return f"{value:.4g}" if error is None else f"{value:.4g} ± {error:.2g}"


def interval(ends: tuple[float, float] | None) -> str | None:
    """Both ends of an interval, where there is one."""
    return ends and f"[{ends[0]:.4g}, {ends[1]:.4g}]"


def _column(name: str, rows: Sequence[Mapping[str, Any]]) -> _Column:
    values = [row.get(name) for row in rows]
    number = all(isinstance(value, int | float) or value is None for value in values)
    return _Column(name=name, cells=tuple(map(_cell, values)), number=number)


def _fitted(columns: list[_Column], width: int, spare: Sequence[str]) -> list[tuple[_Column, int]]:
    """The columns that have room, and how wide each is."""

    def room(sizes: list[int]) -> int:
        return width - sum(sizes) - GAP * (len(sizes) - 1)

    for name in spare:
        if room([column.least for column in columns]) < 0:
            columns = [column for column in columns if column.name != name]
    sizes = [column.least for column in columns]
    while room(sizes) < 0:
        shortened = [(size, i) for i, size in enumerate(sizes) if size > SHORTEST and not columns[i].number]
        if not shortened:
            break
        sizes[max(shortened)[1]] -= 1
    for i, column in enumerate(columns):
        if column.prose and room(sizes) > 0:
            sizes[i] = min(column.natural, sizes[i] + room(sizes))
    return list(zip(columns, sizes, strict=True))


def _lines(cells: list[tuple[_Column, str, int]]) -> list[str]:
    """One row of the table, in as many lines as its longest cell takes."""
    parts = [column.lines(cell, size) for column, cell, size in cells]
    blanks = [" " * size for _, _, size in cells]
    return [
        (" " * GAP).join(part if part is not None else blank for part, blank in zip(line, blanks, strict=True)).rstrip()
        for line in zip_longest(*parts)
    ]


def _wrapped(text: str, width: int) -> list[str]:
    """A text in lines of this width, where its words allow it."""
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)

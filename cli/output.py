"""How answers look: a table for people, `--json` for programs, the same rows for both."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

JSON = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def print_table(rows: Sequence[Mapping[str, Any]], *, as_json: bool = False, title: str = "") -> None:
    """Rows with the same keys, as a table on stdout, or as a JSON list.

    On a terminal the table fits its width; into a pipe nothing is cut off.
    """
    if as_json:
        typer.echo(json.dumps(list(rows), indent=2))
        return
    if not rows:
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in rows[0]:
        number = all(isinstance(row[name], int | float) for row in rows)
        table.add_column(str(name), justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    Console(width=None if sys.stdout.isatty() else 200, soft_wrap=not sys.stdout.isatty()).print(table)


def talk(message: str) -> None:
    """Say something to the person, not to the pipe."""
    typer.echo(message, err=True)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)

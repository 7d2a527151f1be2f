"""`zoo leaderboard`, `zoo versions` and `zoo pull`: the models that have been trained."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import JSON, print_table, talk
from registry.settings import settings

if TYPE_CHECKING:
    from registry.leaderboard import Board


def leaderboard(
    benchmark: Annotated[str, typer.Argument(help="Only benchmarks whose protocol contains this.")] = "",
    as_json: JSON = False,
) -> None:
    """Rank the registered models, a board per benchmark (protocol and data), the floor beside every score.

    Below each board: what the papers report, ours beside it, and whether the protocol is the same.

    Examples: [bold]zoo leaderboard[/bold] · [bold]zoo leaderboard collage-seg --json[/bold]
    """
    from flows.published import targets
    from registry.glance import ready_versions
    from registry.leaderboard import leaderboard as rank

    where = settings()
    try:
        published = targets((version.entry for version in ready_versions(where)), where)
    except ValueError as error:  # a family that cannot be imported hides no ranking
        talk(f"published numbers are left out: {error}")
        published = {}
    boards = rank(where, benchmark, targets=published)
    if as_json:
        typer.echo(json.dumps([_board(board) for board in boards], indent=2))
        return
    if not boards:
        talk("Nothing is registered yet. Train something: zoo night --lineup quick")
    for board in boards:
        better = "higher" if board.metric.higher_is_better else "lower"
        rows = [
            {
                "#": row.rank,
                "entry": f"{row.entry}/{row.version}",
                "alias": " ".join(f"@{alias}" for alias in row.aliases),
                board.metric.name: _with_error(row.value, row.error),
                "floor": f"{row.floor:.4g} ({row.floor_name})",
                "over floor": f"{row.gain:+.4g}",
                "verdict": row.verdict or "not judged yet",
                "registered": f"{row.created.astimezone():%Y-%m-%d %H:%M}",
            }
            for row in board.rows
        ]
        title = f"{board.protocol}  data {board.data_digest[:8]}  {better} is better, ± is the bootstrap standard error"
        print_table(rows, title=title)
        print_table([asdict(line) for line in board.published], title="Published numbers beside ours")


def versions(
    entry: Annotated[str, typer.Argument(help="A registered entry, FAMILY.DATASET.")], as_json: JSON = False
) -> None:
    """List the versions of an entry with metrics and the gate's verdict on each.

    Examples: [bold]zoo versions siamfc.collage-track[/bold] · [bold]zoo versions fcn8s.collage-seg --json[/bold]
    """
    from registry.glance import ready_versions

    where = settings()
    found = ready_versions(where, entry)
    if not found:
        known = sorted({version.entry for version in ready_versions(where)})
        raise ValueError(f"no entry {entry!r} in the registry; it has: {', '.join(known) or 'none yet'}.")
    rows = [
        {
            "version": version.number,
            "alias": " ".join(f"@{alias}" for alias in version.aliases),
            **version.record.score.metrics,
            "protocol": version.protocol,
            "verdict": (version.verdict or {}).get("decision", "not judged yet"),
            "reason": (version.verdict or {}).get("reason", ""),
            "scores": version.scores[:16],
        }
        for version in found
    ]
    print_table(rows, as_json=as_json, title=entry)


def pull(
    reference: Annotated[str, typer.Argument(metavar="REF", help="ENTRY@champion, ENTRY@latest or ENTRY/NUMBER.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is empty or does not exist yet.")],
    as_json: JSON = False,
) -> None:
    """Bring a registered model to a folder, every byte checked; `zoo.load(DIR)` makes a predictor of it.

    Examples: [bold]zoo pull siamfc.collage-track@champion ./siamfc[/bold] · [bold]zoo pull siamfc.otb/3 ./b[/bold]
    """
    from registry.pull import pull as bring

    version = bring(reference, folder, settings())
    if as_json:
        outcome: dict[str, Any] = {
            "version": str(version),
            "folder": str(folder.resolve()),
            "manifest": version.manifest,
        }
        outcome |= {"protocol": version.protocol, "metrics": version.record.score.metrics}
        typer.echo(json.dumps(outcome, indent=2))
        return
    typer.echo(f"{version} is in {folder}, every file as registered. In Python: zoo.load({str(folder)!r})")


def _board(board: "Board") -> dict[str, Any]:
    """A board as plain values; the metric's range stays out, for JSON knows no infinity."""
    metric = board.metric
    rows = [asdict(row) | {"created": row.created.isoformat()} for row in board.rows]
    about = {"protocol": board.protocol, "data_digest": board.data_digest, "metric": metric.name, "unit": metric.unit}
    published = [asdict(line) for line in board.published]
    return {**about, "higher_is_better": metric.higher_is_better, "rows": rows, "published": published}


def _with_error(value: float, error: float | None) -> str:
    return f"{value:.4g}" if error is None else f"{value:.4g} ± {error:.2g}"

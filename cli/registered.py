"""`zoo leaderboard`, `versions`, `replay` and `figures`: the models that have been trained."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import JSON, interval, measured, print_published, print_table, talk
from registry.settings import settings

if TYPE_CHECKING:
    from registry.glance import Version
    from registry.leaderboard import Board


def leaderboard(
    benchmark: Annotated[str, typer.Argument(help="Only benchmarks whose protocol contains this.")] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Every version, not each entry's champion and latest alone.")
    ] = False,
    as_json: JSON = False,
) -> None:
    """Rank the registered models, a board per benchmark (protocol and data), the floor beside every score.

    An entry stands there with its champion and its latest version; boards on which nobody stands any more are named in
    a line each. Below each board: what the papers report, ours beside it, and whether the two compare.

    Examples: [bold]zoo leaderboard[/bold] · [bold]zoo leaderboard collage-seg --all[/bold]
    """
    from flows.published import targets
    from registry.glance import read
    from registry.leaderboard import leaderboard as rank

    where = settings()
    held = read(where)
    try:
        published = targets(held.entries, where)
    except ValueError as error:  # a family that cannot be imported hides no ranking
        talk(f"published numbers are left out: {error}")
        published = {}
    boards = rank(held, benchmark, targets=published, everything=everything)
    if as_json:
        typer.echo(json.dumps([_board(board) for board in boards], indent=2))
        return
    if not boards:
        talk("Nothing is registered yet. Train something: zoo night --lineup quick")
    for board in boards:
        if board.rows:
            _print_board(board)
    for board in boards:
        if not board.rows:
            typer.echo(f"retired: {_title(board.protocol, board.data_digest)} (versions: {board.versions}; --all)")


def versions(
    entry: Annotated[str, typer.Argument(help="A registered entry, FAMILY.DATASET.")], as_json: JSON = False
) -> None:
    """List the versions of an entry, a table per benchmark, with the gate's verdict on each.

    Examples: [bold]zoo versions siamfc.collage-track[/bold] · [bold]zoo versions fcn8s.collage-seg --json[/bold]
    """
    from registry.glance import read

    where = settings()
    found = read(where, entry).versions()
    if not found:
        known = ", ".join(read(where).entries)
        raise ValueError(f"no entry {entry!r} in the registry; it has: {known or 'none yet'}.")
    if as_json:
        typer.echo(json.dumps([_version(version) for version in found], indent=2))
        return
    for (protocol, digest), same in groupby(found, key=lambda v: (v.protocol, v.data_digest)):
        print_table([_version_row(version) for version in same], title=_title(protocol, digest), spare=SPARE_OF_VERSION)
    for version in found:
        if version.abdicated:
            typer.echo(f"{version} abdicated: {version.abdicated}")
    talk(f"Why a verdict is what it is: zoo replay {entry}/NUMBER")


def replay(
    reference: Annotated[str, typer.Argument(metavar="ENTRY/NUMBER", help="A version that the gate has judged.")],
    as_json: JSON = False,
) -> None:
    """Make the gate's verdict on a version again, from the units that it was made from; exits 1 if it differs.

    Every file is checked against the hash that the verdict names.

    Examples: [bold]zoo replay fcn8s.collage-seg/2[/bold] · [bold]zoo replay siamfc.otb/3 --json[/bold]
    """
    from registry.gate import differences
    from registry.promotion import replay as make_again
    from registry.pull import resolve

    where = settings()
    version = resolve(reference, where)
    verdict, again = make_again(version, where)
    different = differences(verdict, again)
    if as_json:
        told = {"stored": verdict.model_dump(mode="json"), "again": again.model_dump(mode="json")}
        typer.echo(json.dumps({"version": str(version), "same": not different, "differs": different, **told}, indent=2))
    else:
        typer.echo(f"{version}: {verdict.decision}: {verdict.reason}")
        for name, digest in verdict.units.items():
            typer.echo(f"  {digest[:16]}  {name}")
        for name in different:
            typer.echo(f"  {name}: stored {getattr(verdict, name)}, now {getattr(again, name)}")
    if different:
        raise ValueError(
            f"{version}: the same units give another verdict now ({', '.join(different)} differ): the scoring or the "
            "gate was changed since without a new version of its name."
        )
    talk("the same again")


def figures(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]...", help="README.md, or a family's file.")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Write the figures into the files.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Exit 1 if a file states others; write nothing.")] = False,
    lineup: Annotated[str, typer.Option(help="Whose entries.")] = "mini",
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


SPARE_OF_BOARD = ("registered", "95 %", "verdict", "alias", "frames/s")
SPARE_OF_VERSION = ("registered", "95 %", "against", "alias")


def _print_board(board: "Board") -> None:
    rows = [
        {
            "#": row.rank,
            "entry": f"{row.entry}/{row.version}",
            "recipe": row.recipe,
            board.metric.name: measured(row.value, row.error),
            "95 %": interval(row.interval),
            "over floor": f"{row.gain:+.4g}",
            **({"frames/s": f"{row.speed:.1f}"} if row.speed else {}),
            "alias": _aliases(row.aliases),
            "verdict": row.verdict or "not judged yet",
            "registered": f"{row.created.astimezone():%Y-%m-%d %H:%M}",
        }
        for row in board.rows
    ]
    better = "higher" if board.metric.higher_is_better else "lower"
    floors = " or ".join(dict.fromkeys(f"{row.floor:.4g} ({row.floor_name})" for row in board.rows))
    title = f"{_title(board.protocol, board.data_digest)}: {better} is better; floor {floors}"
    print_table(rows, title=title, spare=SPARE_OF_BOARD)
    print_published(board.published)


def _version_row(version: "Version") -> dict[str, Any]:
    metric, verdict = version.ranked_by.name, version.verdict or {}
    champion = verdict.get("champion")
    gain, ends = verdict.get("gain"), verdict.get("interval")
    return {
        "version": version.number,
        "recipe": version.recipe_label,
        metric: measured(version.record.score.metrics[metric], version.error),
        "95 %": interval(version.record.score.interval),
        "verdict": "abdicated" if version.abdicated else verdict.get("decision", "not judged yet"),
        "gain": None if gain is None else f"{gain:+.4g}",
        "its interval": ends and interval(ends),
        "against": verdict and ("the floor" if champion is None else f"version {champion}"),
        "alias": _aliases(version.aliases),
        "registered": f"{version.created.astimezone():%Y-%m-%d %H:%M}",
    }


def _title(protocol: str, data_digest: str) -> str:
    return f"{protocol} on data {data_digest[:8]}"


def _aliases(aliases: Iterable[str]) -> str:
    return " ".join(f"@{alias}" for alias in aliases)


# The same for programs


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
        "abdicated": version.abdicated,
        "trains": version.trains,
        "scores": version.scores,
        "weights": version.weights,
    }

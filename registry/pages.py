"""What MLflow's own pages say, so that they read as leaderboards: names, notes, tags, views and links, as plain values.

`registry.decoration` writes them. MLflow opens an experiment on a table of runs without one metric; a view kept in a
tag of the experiment, and a short link to it, open the table ranked, with the columns that count.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from registry.cards import text
from registry.glance import CHAMPION
from registry.leaderboard import Board, Row
from zoo.artifact import Record
from zoo.entry import Entry
from zoo.scoring.metrics import Metric

START = "nightzoo - start here"
"""The experiment whose runs are the benchmarks, and one the HTML board."""

NOTE = "mlflow.note.content"  # where MLflow keeps a description
VIEW = "mlflow.sharedViewState."  # and a view, by its key
LEADERBOARD, EVERYTHING = "leaderboard", "versions"
"""Keys of the two views of a benchmark."""

COLUMNS = {  # of a view after the metric, with their width in pixels: all of them fit a window of 1280
    "tags.`interval`": 122,
    "tags.`over floor`": 80,
    "tags.`alias`": 76,
    "tags.`verdict`": 90,
    "tags.`recipe`": 64,
    "tags.`training`": 66,
    "tags.`parameters`": 84,
}
OVERVIEW = {"tags.`leader`": 140, "tags.`score`": 180, "tags.`floor`": 230, "tags.`better`": 70, "tags.`models`": 70}
"""Those of the experiment to start with."""

DESCRIPTION_MOST = 5000  # characters that MLflow keeps of a version's


def experiment_name(protocol: str) -> str:
    """A protocol as MLflow can show it: its pages cut what stands before the last slash."""
    return protocol.replace("/", " · ")


def run_name(entry: str, recipe: str, seed: int) -> str:
    """What tells the runs of a benchmark apart, whose data set they share."""
    return f"{Entry(entry).model} {recipe or '-'} s{seed}"


def rounded(value: float) -> float:
    """A number as it is shown: MLflow's tables print all its digits."""
    return float(f"{value:.4g}")


def began(folder: Path, record: Record) -> int:
    """When a sealed model's training began, in milliseconds: as long before its last step, or where there are none
    before it was sealed, as all its attempts took together."""
    curves = folder / "curves.jsonl"
    lines = curves.read_text(encoding="utf-8").splitlines() if curves.is_file() else []
    written = (folder / "record.json").stat().st_mtime_ns // 1_000_000
    ended: int = json.loads(lines[-1])["time"] if lines else written
    return ended - round(record.seconds * 1000)


def measured(value: float, error: float | None) -> str:
    """A number with its standard error, where that is known."""
    return f"{value:.4g}" if error is None else f"{value:.4g} ± {error:.2g}"


def model_tags(record: Record, metric: Metric, recipe_label: str) -> dict[str, str]:
    """What the columns of a run show that never changes."""
    score, floor = record.score, record.floor.metrics[metric.name]
    value = score.metrics[metric.name]
    return {
        "data": record.scored_digest[:8],
        "score": measured(value, score.error),
        "interval": _ends(score.interval),
        "floor": f"{floor:.4g}",
        "over floor": f"{metric.gain(value, floor):+.4g}",
        "recipe": recipe_label,
        "training": cost(record.seconds),
        "parameters": count(record.parameters),
    }


def standing_tags(row: Row, board: Board) -> dict[str, str]:
    """What the columns of a run show that nights change."""
    return {
        "board": board.data_digest[:8],
        "version": str(row.version),
        "alias": ", ".join(row.aliases) or "-",
        "verdict": row.verdict or "not judged",
    }


def cost(seconds: float) -> str:
    """Of training; what takes less than a second was not trained."""
    if seconds < 1:
        return "none"
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 3600:.1f} h"


def count(number: int) -> str:
    """A number of parameters in three digits."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)


def view(board: Board, *, everything: bool = False) -> str:
    """The tag that holds a benchmark's view: its runs ranked, those that stand on the board or all."""
    metric = f"metrics.`{metric_name(board.metric.name)}`"
    digest = board.data_digest[:8]
    created = max((row.created for row in board.rows), default=None)
    return _view(
        f"{'Every version' if everything else 'Leaderboard'} on data {digest}",
        {metric: max(80, 24 + 8 * len(board.metric.name)), **COLUMNS},
        only=f"tags.{'data' if everything else 'board'} = '{digest}'",
        order=(metric, not board.metric.higher_is_better),
        created=round(created.timestamp() * 1000) if created else 0,
    )


def views(boards: Sequence[Board]) -> dict[str, str]:
    """The tags with the views of a protocol's boards: those of the first under the plain keys."""
    tags = {}
    for board in boards:
        suffix = "" if board is boards[0] else f"-{board.data_digest[:8]}"
        if board.rows:
            tags[f"{VIEW}{LEADERBOARD}{suffix}"] = view(board)
        tags[f"{VIEW}{EVERYTHING}{suffix}"] = view(board, everything=True)
    return tags


def overview() -> str:
    """The tag that holds the view of the experiment to start with: a row for each benchmark."""
    return _view("Benchmarks", OVERVIEW, only="tags.leader != ''", order=("tags.`mlflow.runName`", True))


def _view(name: str, widths: dict[str, int], *, only: str, order: tuple[str, bool], created: int = 0) -> str:
    """A view as MLflow keeps it.

    Args:
        widths: in pixels, of its columns.
        only: the filter.
        order: a column, and whether the lowest comes first.
        created: in milliseconds.
    """
    columns = list(widths)
    state = {
        "searchFilter": only,
        "orderByKey": order[0],
        "orderByAsc": order[1],
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": columns,
        "columnOrder": ["attributes.`Run Name`", *columns, "runDateAndNestInfo", "duration"],
        "columnWidths": {"attributes.`Run Name`": 170, "runDateAndNestInfo": 100, "duration": 75, **widths},
    }
    return json.dumps({"name": name, "createdAt": created, "state": json.dumps(state)}, ensure_ascii=False)


def metric_name(metric: str) -> str:
    """A metric's name as MLflow allows it (`precision@20` has a sign that it does not)."""
    return metric.replace("@", " at ")


def address(experiment: str, key: str = LEADERBOARD) -> str:
    """A page of a benchmark on any MLflow server, behind its own address: short, because a longer form of it would
    make MLflow forget the view's columns."""
    return f"#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey={key}"


def artifact_address(experiment: str, run: str, name: str) -> str:
    """The page of a run's file."""
    return f"#/experiments/{experiment}/runs/{run}/artifacts/{name}?workflowType=machine_learning"


def headline(board: Board) -> str:
    """A benchmark in a sentence: who leads, by how much, and under what."""
    better = "higher" if board.metric.higher_is_better else "lower"
    what = f"{_unit(board.metric)}, {better} is better, on data {board.data_digest[:8]}"
    if not board.rows:
        return f"Retired: {what}: no champion and no latest version stands here any more."
    first = board.rows[0]
    floors = " or ".join(f"{value:.4g} ({name})" for name, value in board.floors)
    ahead = f"{first.gain:+.4g} against the floor {floors}"
    return f"{Entry(first.entry).model} leads with {measured(first.value, first.error)}, {ahead}. {what}."


def note(boards: Sequence[Board], board_page: str) -> str:
    """What stands above a benchmark's table: its first line, of which MLflow shows no more until it is opened, says who
    leads; then what the columns mean.

    Args:
        boards: of one protocol.
        board_page: the address of the HTML board; empty: there is none.
    """
    lines = [*map(headline, boards), ""]
    for board in boards:
        lines += [f"- Published under this protocol: {line.metric} {line.published:.4g} ({line.source})"
                  for line in board.comparable]  # fmt: skip
    lines += [
        f"- Protocol `{boards[0].protocol}`. Two numbers compare only under one protocol and one data digest.",
        "- interval: 95 % by bootstrap over the units scored; what another sample of them would change, not another "
        "seed. over floor: the gain over the best trivial method, positive when better.",
        "- alias: the champion is the version that reigns; others are their entry's latest. verdict: the gate's.",
        "- training: seconds of the processor on a CPU, else elapsed.",
        "- Model training, at the top left, must be chosen once; the browser remembers. docs/leaderboard.md has more.",
    ]
    if board_page:
        lines.append(f"- With pictures, curves, history and comparison: [the HTML board]({board_page}).")
    return "\n".join(lines)


def start_note(boards: Iterable[tuple[Board, str]], board_page: str) -> str:
    """What stands above the benchmarks of the experiment to start with: a table with a link to each.

    Args:
        boards: those on which somebody stands, each with the address of its page.
        board_page: the address of the HTML board; empty: there is none.
    """
    lines = ["One row below per benchmark: who leads, with what, over which floor. Links to the leaderboards are here."]
    if board_page:
        lines += ["", f"[The HTML board]({board_page}) has pictures, curves, history and comparison."]
    lines += ["", "| benchmark | leader | score | floor |", "| --- | --- | --- | --- |"]
    for board, page in boards:
        tags = overview_tags(board)
        lines.append(f"| [{board.protocol}]({page}) | {tags['leader']} | {tags['score']} | {tags['floor']} |")
    return "\n".join(lines)


def overview_tags(board: Board) -> dict[str, str]:
    """What the columns of a benchmark show where it is a row."""
    first = board.rows[0]
    return {
        "leader": run_label(first),
        "score": f"{_unit(board.metric)} {measured(first.value, first.error)}",
        "floor": " or ".join(f"{value:.4g} ({name})" for name, value in board.floors),
        "better": "higher" if board.metric.higher_is_better else "lower",
        "models": str(len(board.rows)),
    }


def leader(board: Board) -> str:
    """Who leads a board, in few characters."""
    if not board.rows:
        return "retired"
    return f"{Entry(board.rows[0].entry).model} {measured(board.rows[0].value, board.rows[0].error)}"


def others(board: Board) -> list[dict[str, Any]]:
    """What stands between the models of a board: its floors, and what was published under the same protocol on the same
    data; each the arguments of a run that is no training."""
    name, digest = metric_name(board.metric.name), board.data_digest[:8]
    lines = [(f"floor: {floor}", value, "floor") for floor, value in board.floors]
    lines += [
        (f"published: {line.source}", line.published, "published")
        for line in board.comparable
        if line.metric == board.metric.name
    ]
    return [
        {
            "key": f"{digest} {said} {value:.4g}",
            "name": said,
            "tags": {"board": digest, "data": digest, "score": f"{value:.4g}", "alias": kind},
            "metrics": {name: rounded(value)},
        }
        for said, value, kind in lines
    ]


def run_label(row: Row) -> str:
    """A row's model and recipe in a few characters."""
    return f"{Entry(row.entry).model} {row.recipe}"


def champion(places: Iterable[tuple[Board, Row]]) -> str:
    """A registered model's champion in a list: metric and score."""
    found = [f"{board.metric.name} {row.value:.4g}" for board, row in places if CHAMPION in row.aliases]
    return found[0] if found else "none"


def model_note(rows: Iterable[tuple[Board, Row]]) -> str:
    """A registered model's description: where it stands."""
    places = [
        f"{board.protocol}: version {row.version} is {row.rank} of {len(board.rows)} with {board.metric.name} "
        f"{measured(row.value, row.error)}, floor {row.floor:.4g}{''.join(f', {alias}' for alias in row.aliases)}."
        for board, row in rows
    ]
    return "\n\n".join(places)


def version_note(record: Record, metric: Metric, recipe_label: str, card: str) -> str:
    """A version's description: a plain first line, because a table shows it raw, then its card."""
    value, floor = (score.metrics[metric.name] for score in (record.score, record.floor))
    first = f"{metric.name} {measured(value, record.score.error)}, floor {floor:.4g}, recipe {recipe_label}"
    whole = f"{first}\n\n{text(card)}"
    if len(whole) <= DESCRIPTION_MOST:
        return whole
    rest = "\n\n(the rest is in card.md among its files)"
    return whole[: DESCRIPTION_MOST - len(rest)] + rest


def _ends(interval: tuple[float, float] | None) -> str:
    return f"{interval[0]:.4g} to {interval[1]:.4g}" if interval else "-"


def _unit(metric: Metric) -> str:
    return f"{metric.name} ({metric.unit})" if metric.unit else metric.name

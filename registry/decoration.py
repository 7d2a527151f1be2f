"""Bringing MLflow's pages to what `registry.pages` says: what is written already is not written again.

Nothing here is asked for when a model is looked for, judged or pulled: it may fail, be done again or be left out, and
no recorded number changes. Registries of older nightzoos come to look like new ones.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from registry import pages
from registry.board import page
from registry.client import connect, plain_errors
from registry.client import pages as all_of
from registry.glance import Snapshot, Version, read
from registry.leaderboard import Board, Row, leaderboard
from registry.settings import Settings
from registry.shown import card
from zoo.published import Target

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

BOARD_FILE = "leaderboard.html"
HASH = "sha256"  # tag of the run that holds the HTML board


def refresh(
    settings: Settings, *, targets: Mapping[str, Iterable[Target]] | None = None, everything: bool = False
) -> int:
    """Bring MLflow's pages up to date; returns how many things were written.

    Args:
        targets: published numbers by family.
        everything: every version's pages too, not those alone that stand on a board: once, for an old registry.

    Raises:
        ConnectionError: the tracking server does not answer, or refused.
    """
    client, held = connect(settings), read(settings)
    boards = leaderboard(held, targets=targets)
    if not boards:
        return 0
    with plain_errors():
        pen = _Pen(client)
        experiments = _experiments(pen, boards)
        board_page = _start(pen, boards, experiments, page(held, boards, settings), settings)
        for protocol, experiment in experiments.items():
            alike = [board for board in boards if board.protocol == protocol]
            _benchmark(pen, experiment, alike, held, board_page, settings)
        _models(pen, boards)
        if everything:
            _the_rest(pen, boards, held, settings)
    return pen.written


def addresses(settings: Settings, boards: Iterable[Board]) -> dict[str, str]:
    """Where each protocol's leaderboard is on an MLflow server, behind the server's own address.

    Raises:
        ConnectionError: the tracking server does not answer.
    """
    client = connect(settings)
    with plain_errors():
        found = {experiment.name: experiment.experiment_id for experiment in all_of(client.search_experiments)}
    named = {board.protocol: pages.experiment_name(board.protocol) for board in boards}
    return {protocol: pages.address(found[name]) for protocol, name in named.items() if name in found}


@dataclass(frozen=True, kw_only=True)
class _Line:
    """A run that is no training: a floor, a published number, a benchmark, the HTML board."""

    key: str  # what it is found again by
    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


class _Pen:
    """Writes what differs, and counts."""

    def __init__(self, client: "MlflowClient") -> None:
        self.client = client
        self.written = 0

    def do(self, write: Callable[..., Any], *what: Any, **named: Any) -> Any:
        self.written += 1
        return write(*what, **named)

    def experiment(self, experiment: "Experiment", wanted: Mapping[str, str]) -> None:
        """Tags of an experiment; views of ours that nobody wants any more go."""
        for key, value in wanted.items():
            if experiment.tags.get(key) != value:
                self.do(self.client.set_experiment_tag, experiment.experiment_id, key, value)
        ours = (f"{pages.VIEW}{pages.LEADERBOARD}", f"{pages.VIEW}{pages.EVERYTHING}")
        for key in experiment.tags:
            if key.startswith(ours) and key not in wanted:
                self.do(self.client.delete_experiment_tag, experiment.experiment_id, key)

    def run(
        self, run: "Run", *, name: str, tags: Mapping[str, str], metrics: Mapping[str, float] | None = None
    ) -> None:
        """A run's name, tags and metrics; a metric is added only where its last value is another."""
        if run.info.run_name != name:
            self.do(self.client.update_run, run.info.run_id, name=name)
        for key, value in tags.items():
            if run.data.tags.get(key) != value:
                self.do(self.client.set_tag, run.info.run_id, key, value)
        for metric, number in (metrics or {}).items():
            if run.data.metrics.get(metric) != number:
                self.do(self.client.log_metric, run.info.run_id, metric, number)

    def lines(self, experiment: str, wanted: Sequence[_Line]) -> dict[str, "Run"]:
        """The runs of an experiment that are no trainings, by key; what is not wanted any more is deleted."""
        keys = {line.key for line in wanted}
        there: dict[str, Run] = {}
        for run in all_of(self.client.search_runs, [experiment], "tags.line != ''"):
            key = run.data.tags["line"]
            if key in there or key not in keys:
                self.do(self.client.delete_run, run.info.run_id)
            else:
                there[key] = run
        for line in wanted:
            if line.key not in there:
                there[line.key] = self.do(self.client.create_run, experiment, tags={"line": line.key})
                self.client.set_terminated(there[line.key].info.run_id)
            self.run(there[line.key], name=line.name, tags=line.tags, metrics=line.metrics)
        return there


def _experiments(pen: _Pen, boards: Iterable[Board]) -> dict[str, "Experiment"]:
    """The experiment of each protocol that has one, under the name that its pages can show."""
    named = {experiment.name: experiment for experiment in all_of(pen.client.search_experiments)}
    found = {}
    for protocol in dict.fromkeys(board.protocol for board in boards):
        name = pages.experiment_name(protocol)
        if name not in named and protocol in named:
            pen.do(pen.client.rename_experiment, named[protocol].experiment_id, name)
            named[name] = named[protocol]
        if name in named:
            found[protocol] = named[name]
    return found


def _start(
    pen: _Pen, boards: Sequence[Board], experiments: Mapping[str, "Experiment"], html: str, settings: Settings
) -> str:
    """The experiment to start with: a run for each benchmark, and one with the HTML board; its address."""
    there = pen.client.get_experiment_by_name(pages.START)
    if there is None:
        location = (settings.home / "artifacts").as_uri() if settings.embedded else None
        made = pen.do(pen.client.create_experiment, pages.START, artifact_location=location)
        there = pen.client.get_experiment(made)
    standing = [board for board in boards if board.rows and board.protocol in experiments]
    rows = [
        _Line(key=f"{b.protocol} {b.data_digest}", name=pages.experiment_name(b.protocol), tags=pages.overview_tags(b))
        for b in standing
    ]
    file = _Line(key=BOARD_FILE, name="the HTML board, with pictures")
    run = pen.lines(there.experiment_id, [*rows, file])[BOARD_FILE]
    _upload(pen, run, html)
    board_page = pages.artifact_address(there.experiment_id, run.info.run_id, BOARD_FILE)
    linked = [(board, pages.address(experiments[board.protocol].experiment_id)) for board in standing]
    view = {f"{pages.VIEW}{pages.LEADERBOARD}": pages.overview()}
    pen.experiment(there, {pages.NOTE: pages.start_note(linked, board_page), **view})
    return board_page


def _upload(pen: _Pen, run: "Run", html: str) -> None:
    digest = sha256(html.encode()).hexdigest()
    if run.data.tags.get(HASH) == digest:
        return
    with TemporaryDirectory() as scratch:
        file = Path(scratch) / BOARD_FILE
        file.write_text(html, encoding="utf-8")
        pen.do(pen.client.log_artifact, run.info.run_id, str(file))
    pen.client.set_tag(run.info.run_id, HASH, digest)


def _benchmark(
    pen: _Pen, experiment: "Experiment", boards: Sequence[Board], held: Snapshot, board_page: str, settings: Settings
) -> None:
    """An experiment: its note, views, the runs that stand on its boards, and the floors and papers between them."""
    leader = {"leader": pages.leader(boards[0])}  # which the list of experiments shows
    pen.experiment(experiment, {pages.NOTE: pages.note(boards, board_page), **pages.views(boards), **leader})
    decorated = {
        run.info.run_id: run
        for run in all_of(pen.client.search_runs, [experiment.experiment_id], "tags.board != ''")
        if "line" not in run.data.tags
    }
    for board in boards:
        for row in board.rows:
            version = held.numbered(row.entry, row.version)
            run = decorated.pop(version.run_id, None)
            if run is None:
                run = _first_time(pen, version, settings)
            _run(pen, run, version, pages.standing_tags(row, board))
    stands = {version.run_id: version.standing for version in held.versions()}
    for run_id in decorated:  # those that stood here before
        pen.do(pen.client.delete_tag, run_id, "board")
        pen.client.set_tag(run_id, "alias", "-")
        if run_id in stands:
            pen.client.set_tag(run_id, "verdict", stands[run_id])
    pen.lines(experiment.experiment_id, [_Line(**line) for board in boards for line in pages.others(board)])


def _run(pen: _Pen, run: "Run", version: Version, standing: Mapping[str, str]) -> None:
    name = pages.run_name(version.entry, version.recipe_name, version.recipe.get("seed", 0))
    always = pages.model_tags(version.record, version.ranked_by, version.recipe_label)
    pen.run(run, name=name, tags={**always, **standing})


def _first_time(pen: _Pen, version: Version, settings: Settings) -> "Run":
    """A run that no page of these spoke of yet; an old version also gets its card."""
    there = pen.client.get_model_version(version.entry, str(version.number))
    if not there.description:
        try:
            text = card(version, settings)
        except (OSError, ValueError) as error:
            text = f"Its card cannot be shown: {error}"
        note = pages.version_note(version.record, version.ranked_by, version.recipe_label, text)
        pen.do(pen.client.update_model_version, version.entry, str(version.number), note)
    return pen.client.get_run(version.run_id)


def _models(pen: _Pen, boards: Sequence[Board]) -> None:
    """Each registered model's description, and its champion's score as the one tag that their list has room for."""
    places: dict[str, list[tuple[Board, Row]]] = {}
    for board in boards:
        for row in board.rows:
            places.setdefault(row.entry, []).append((board, row))
    for model in all_of(pen.client.search_registered_models):
        if model.name not in places:
            continue
        note, champion = pages.model_note(places[model.name]), pages.champion(places[model.name])
        if model.description != note:
            pen.do(pen.client.update_registered_model, model.name, note)
        if model.tags.get("champion") != champion:
            pen.do(pen.client.set_registered_model_tag, model.name, "champion", champion)


def _the_rest(pen: _Pen, boards: Sequence[Board], held: Snapshot, settings: Settings) -> None:
    """The runs and versions that stand on no board."""
    standing = {(row.entry, row.version) for board in boards for row in board.rows}
    for version in held.versions():
        if (version.entry, version.number) not in standing:
            tags = {"version": str(version.number), "alias": "-", "verdict": version.standing}
            _run(pen, _first_time(pen, version, settings), version, tags)

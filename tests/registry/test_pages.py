"""MLflow's own pages read as leaderboards, and a registry of an older nightzoo comes to look like a new one."""

import json
import sqlite3
from collections.abc import Mapping

import pytest
from mlflow.entities import Run

from registry import decoration, pages, promotion, store
from registry.client import connect
from registry.glance import Version, read
from registry.leaderboard import leaderboard
from registry.settings import Settings
from zoo.published import Target

from .conftest import ENTRY, PROTOCOL, Making

NAME = "digits-test · accuracy@1"
OTHER = "digit-classifier-wide.digits"


@pytest.fixture
def registered(settings: Settings, make_model: Making) -> tuple[Version, Version]:
    """Two entries on one board, the second better."""
    made = [
        store.register(make_model("a", right=0.6, recipe={"steps": 20, "seed": 1}, seconds=90.0), settings),
        store.register(make_model("b", right=0.9, entry=OTHER), settings),
    ]
    for version in made:
        promotion.challenge(version, settings)
    return made[0], made[1]


def test_a_run_is_named_by_recipe_and_seed_and_lasts_as_long_as_its_training(
    settings: Settings, registered: tuple[Version, Version]
) -> None:
    first = connect(settings).get_run(registered[0].run_id)
    assert first.info.run_name == "digit-classifier smoke s1"
    assert first.info.end_time == 1_700_000_000_020  # of its last step
    assert first.info.end_time - first.info.start_time == 90_000
    value = registered[0].record.score.metrics["accuracy"]
    assert first.data.metrics["accuracy"] == float(f"{value:.4g}")
    assert first.data.tags["training"] == "90 s"
    assert first.data.tags["score"] == pages.measured(value, registered[0].error)


def test_an_experiment_says_who_leads_and_has_a_ranked_view(
    settings: Settings, registered: tuple[Version, Version]
) -> None:
    compares = Target(
        metric="accuracy",
        value=0.75,
        dataset="digits",
        source="A. Nother, 2020",
        protocol=PROTOCOL,
        data_digest="d" * 32,
    )
    elsewhere = Target(metric="accuracy", value=0.99, dataset="imagenet", source="elsewhere")
    assert decoration.refresh(settings, targets={"digit-classifier": (compares, elsewhere)}) > 0
    client = connect(settings)
    experiment = client.get_experiment_by_name(NAME)
    first, *_ = experiment.tags[pages.NOTE].splitlines()
    better = registered[1].record.score.metrics["accuracy"]
    assert first.startswith(f"digit-classifier-wide leads with {better:.4g} ± ")
    assert "floor 0 (majority class). accuracy, higher is better" in first
    assert "A. Nother, 2020" in experiment.tags[pages.NOTE]
    assert "elsewhere" not in experiment.tags[pages.NOTE]

    shown = json.loads(experiment.tags["mlflow.sharedViewState.leaderboard"])
    state = json.loads(shown["state"])
    assert state["columnOrder"][:3] == ["attributes.`Run Name`", "metrics.`accuracy`", "tags.`interval`"]
    ranked = _found(settings, state)
    assert [run.info.run_name for run in ranked] == [
        "digit-classifier-wide smoke s0",
        "published: A. Nother, 2020",
        "digit-classifier smoke s1",
        "floor: majority class",
    ]
    assert [run.data.tags["alias"] for run in ranked] == ["champion", "published", "champion", "floor"]
    columns = [column[6:-1] for column in state["selectedColumns"] if column.startswith("tags.")]
    assert all(set(columns) <= set(run.data.tags) for run in ranked if "entry" in run.data.tags)
    everything = json.loads(json.loads(experiment.tags["mlflow.sharedViewState.versions"])["state"])
    assert len(_found(settings, everything)) == 4


def test_doing_it_again_writes_nothing_and_a_new_champion_is_told(
    settings: Settings, registered: tuple[Version, Version], make_model: Making
) -> None:
    decoration.refresh(settings)
    assert decoration.refresh(settings) == 0
    before = _numbers(settings)
    third = store.register(make_model("c", right=0.97), settings)
    promotion.challenge(third, settings)
    assert read(settings).champion(ENTRY) == read(settings).numbered(ENTRY, 2)
    assert decoration.refresh(settings) > 0
    assert decoration.refresh(settings) == 0
    after = _numbers(settings)
    assert {run: numbers for run, numbers in after.items() if run in before} == before
    client = connect(settings)
    assert client.get_run(third.run_id).data.tags["alias"] == "champion"
    beaten = client.get_run(registered[0].run_id).data.tags
    assert ("board" in beaten, beaten["alias"]) == (False, "-")
    value = third.record.score.metrics["accuracy"]
    assert client.get_experiment_by_name(NAME).tags["leader"] == (
        f"digit-classifier {pages.measured(value, third.error)}"
    )
    assert client.get_registered_model(ENTRY).tags["champion"] == f"accuracy {value:.4g}"


def test_who_a_person_made_champion_is_by_hand_until_somebody_beats_it(
    settings: Settings, registered: tuple[Version, Version], make_model: Making
) -> None:
    worse = store.register(make_model("worse", right=0.3), settings)
    promotion.challenge(worse, settings)
    promotion.promote(read(settings).numbered(ENTRY, 2), settings, why="it is fast")
    decoration.refresh(settings)
    client = connect(settings)
    tags = client.get_run(worse.run_id).data.tags
    assert (tags["verdict"], tags["alias"]) == ("by hand", "champion")
    promotion.promote(read(settings).numbered(ENTRY, 1), settings, why="it is right", rollback=True)
    store.register(make_model("newest", right=0.5), settings)
    decoration.refresh(settings)
    assert client.get_run(registered[0].run_id).data.tags["verdict"] == "by hand"
    assert client.get_run(worse.run_id).data.tags["verdict"] == "REJECT"  # which stands on no board any more


def test_the_experiment_to_start_with_names_each_leader_and_holds_the_board(
    settings: Settings, registered: tuple[Version, Version]
) -> None:
    decoration.refresh(settings)
    client = connect(settings)
    start = client.get_experiment_by_name(pages.START)
    rows = {run.data.tags["line"]: run for run in client.search_runs([start.experiment_id])}
    benchmark = rows.pop(f"{PROTOCOL} {'d' * 32}")
    assert benchmark.data.tags["leader"] == "digit-classifier-wide smoke"
    assert benchmark.data.tags["floor"] == "0 (majority class)"
    (board,) = rows.values()
    assert [file.path for file in client.list_artifacts(board.info.run_id)] == ["leaderboard.html"]
    there = client.get_experiment_by_name(NAME).experiment_id
    assert decoration.addresses(settings, leaderboard(read(settings))) == {
        PROTOCOL: f"#/experiments/{there}/runs?workflowType=machine_learning&viewStateShareKey=leaderboard"
    }
    assert f"#/experiments/{there}/runs" in start.tags[pages.NOTE]
    assert registered[1].run_id not in start.tags[pages.NOTE]


@pytest.mark.usefixtures("registered")
def test_a_registry_of_an_older_nightzoo_comes_to_look_like_a_new_one(settings: Settings, make_model: Making) -> None:
    """As older nightzoos left it: the protocol as name, runs all named alike, no tag for a column, no description."""
    latest = store.register(make_model("c", right=0.5), settings)
    latest_but_one = store.register(make_model("d", right=0.5, seed=2), settings)
    client = connect(settings)
    client.rename_experiment(client.get_experiment_by_name(NAME).experiment_id, PROTOCOL)
    with sqlite3.connect(settings.home / "mlflow.db") as database:
        database.execute("DELETE FROM tags WHERE key NOT IN ('trains', 'scores', 'entry')")
        database.execute("UPDATE runs SET name = 'digit-classifier.digits'")
        database.execute("UPDATE model_versions SET description = NULL")
    held, numbers = read(settings), _numbers(settings)
    assert decoration.refresh(settings, everything=True) > 0
    assert decoration.refresh(settings, everything=True) == 0
    assert read(settings).versions() == held.versions()
    after = _numbers(settings)
    assert {run: after[run] for run in numbers} == numbers
    assert client.get_experiment_by_name(PROTOCOL) is None
    assert client.get_experiment_by_name(NAME) is not None
    run = client.get_run(latest.run_id)  # which stands on no board
    assert (run.info.run_name, run.data.tags["version"], run.data.tags["alias"]) == (
        "digit-classifier smoke s0",
        "2",
        "-",
    )
    assert "board" in client.get_run(latest_but_one.run_id).data.tags
    described = client.get_model_version(ENTRY, "2").description
    assert described.startswith(
        f"accuracy {pages.measured(latest.record.score.metrics['accuracy'], latest.error)}, floor 0"
    )
    again = store.register(make_model("e", right=0.7), settings)
    assert client.get_run(again.run_id).info.experiment_id == run.info.experiment_id


def test_a_registration_goes_on_under_the_old_name(settings: Settings, make_model: Making) -> None:
    client = connect(settings)
    old = client.create_experiment(PROTOCOL, artifact_location=(settings.home / "artifacts").as_uri())
    assert client.get_run(store.register(make_model(), settings).run_id).info.experiment_id == old


def test_the_card_is_the_versions_description_as_far_as_it_fits(make_model: Making, settings: Settings) -> None:
    version = store.register(make_model(), settings)
    long = pages.version_note(version.record, version.ranked_by, "mini", "# card\n" + "x" * 9000)
    assert len(long) == pages.DESCRIPTION_MOST
    assert long.splitlines()[0].endswith("floor 0, recipe mini")
    assert long.endswith("(the rest is in card.md among its files)")


def test_numbers_of_people() -> None:
    assert [pages.count(n) for n in (12, 1200, 5_216_064, 25_000_000_000)] == ["12", "1.2 k", "5.22 M", "25 G"]
    assert [pages.cost(s) for s in (0.3, 41.2, 5400.0)] == ["none", "41 s", "1.5 h"]
    assert pages.rounded(0.46099283272680225) == 0.461


def _found(settings: Settings, state: Mapping[str, str]) -> list[Run]:
    """The runs that MLflow finds for a view, in its order."""
    client = connect(settings)
    ids = [client.get_experiment_by_name(NAME).experiment_id]
    order = f"{state['orderByKey']} {'ASC' if state['orderByAsc'] else 'DESC'}"
    return list(client.search_runs(ids, state["searchFilter"], order_by=[order]))


def _numbers(settings: Settings) -> dict[str, dict[str, float]]:
    """Every run's metrics."""
    client = connect(settings)
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    return {run.info.run_id: run.data.metrics for run in runs if "entry" in run.data.tags}

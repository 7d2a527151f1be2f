"""Registered once, whole and checked, or not at all: also when killed anywhere."""

import json
import math
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from registry import glance, store
from registry.client import connect
from registry.pages import experiment_name
from registry.settings import Settings
from zoo.artifact import seal, sha256_of, verify

from .conftest import ENTRY, PROTOCOL, Making, identity_of

KILLER = """
import os, signal, sys, time
from pathlib import Path
import mlflow, mlflow.store.tracking.sqlalchemy_store, mlflow.store.model_registry.sqlalchemy_store
from registry.settings import Settings
from registry.store import register
home = Path(sys.argv[1])
settings = Settings(home, home, f"sqlite:///{home / 'mlflow.db'}")
for line in sys.stdin:  # "SECONDS FOLDER": register the folder in a fork, and kill it after so long
    seconds, folder = line.rstrip().split(" ", 1)
    began = time.monotonic()
    child = os.fork()
    if not child:
        register(Path(folder), settings)
        os._exit(0)
    while time.monotonic() < began + float(seconds) and os.waitpid(child, os.WNOHANG) == (0, 0):
        time.sleep(0.001)
    took = time.monotonic() - began
    try:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    except (ProcessLookupError, ChildProcessError):
        pass
    print(took, flush=True)
"""


def test_a_model_is_registered_with_all_that_is_asked_of_it(settings: Settings, make_model: Making) -> None:
    folder = make_model()
    version = store.register(folder, settings)
    assert (version.entry, version.number, version.ready) == (ENTRY, 1, True)
    assert version.manifest == verify(folder)
    assert (version.trains, version.scores) == (identity_of("model"), identity_of("model"))
    assert version.weights == sha256_of(folder / "weights.safetensors")
    assert (version.recipe_name, version.recipe["steps"]) == ("smoke", 20)
    assert version.ranked_by.name == "accuracy"
    assert version.record.floor.name == "majority class"
    client = connect(settings)
    run = client.get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["learning_rate"] == "0.1"
    assert [(m.step, m.value) for m in client.get_metric_history(version.run_id, "loss")] == [(10, 0.1), (20, 0.05)]
    assert [f.path for f in client.list_artifacts(version.run_id, "pictures")] == ["pictures/samples.png"]
    assert verify(store.fetch(version, settings, folder.parent / "unused"), version.manifest) == version.manifest


def test_the_models_table_ranks_by_metrics_tied_to_the_data(settings: Settings, make_model: Making) -> None:
    for name, right in (("a", 0.5), ("b", 0.9), ("c", 0.7)):
        store.register(make_model(name, right=right), settings)
    client = connect(settings)
    experiment = client.get_experiment_by_name(experiment_name(PROTOCOL))
    assert experiment.artifact_location == (settings.home / "artifacts").as_uri()
    best_first = client.search_logged_models(
        [experiment.experiment_id],
        datasets=[{"dataset_name": "digits", "dataset_digest": "d" * 32}],
        order_by=[{"field_name": "metrics.accuracy", "ascending": False}],
    )
    values = [next(m.value for m in model.metrics if m.key == "accuracy") for model in best_first]
    assert values == sorted(values, reverse=True)
    assert len(values) == 3
    assert {(m.dataset_name, m.dataset_digest) for model in best_first for m in model.metrics} == {("digits", "d" * 32)}
    assert {str(model.status) for model in best_first} == {"READY"}
    linked = {model.tags["mlflow.modelVersions"] for model in best_first}  # the table's column Registered models
    assert linked == {f'[{{"name": "{v.entry}", "version": {v.number}}}]' for v in glance.read(settings).versions()}


def test_registering_again_changes_nothing(settings: Settings, make_model: Making) -> None:
    folder = make_model()
    first = store.register(folder, settings)
    assert store.register(folder, settings) == first
    client = connect(settings)
    experiment = client.get_experiment_by_name(experiment_name(PROTOCOL)).experiment_id
    assert len(client.search_runs([experiment])) == len(client.search_logged_models([experiment])) == 1


def test_weights_that_are_scored_in_another_way_are_another_version(settings: Settings, make_model: Making) -> None:
    for name, scores in (("first", "s1"), ("anew", "s2"), ("again", "s1")):
        store.register(make_model(name, trains="t", scores=scores, weights="first"), settings)
    first, anew = glance.read(settings).versions()
    assert [(v.trains, v.scores) for v in (first, anew)] == [("t", "s1"), ("t", "s2")]
    assert first.weights == anew.weights


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.1, 1.1])
def test_an_impossible_metric_is_never_registered(settings: Settings, make_model: Making, value: float) -> None:
    folder = make_model(metrics={"accuracy": value, "mean_class_accuracy": 0.5})
    with pytest.raises(ValueError, match=r"accuracy|finite"):
        store.register(folder, settings)
    assert everything(settings) == ()
    assert connect(settings).search_registered_models() == []


def test_missing_and_unknown_metrics_are_refused(settings: Settings, make_model: Making) -> None:
    with pytest.raises(ValueError, match="expected the metrics of digits-test/accuracy@1"):
        store.register(make_model(metrics={"accuracy": 0.5}), settings)


def test_a_changed_file_is_named_and_not_registered(settings: Settings, make_model: Making) -> None:
    folder = make_model()
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    with pytest.raises(ValueError, match=r"changed: weights.safetensors"):
        store.register(folder, settings)
    assert everything(settings) == ()


def test_a_half_registered_version_is_invisible_then_finished(settings: Settings, make_model: Making) -> None:
    folder = make_model()
    version = store.register(folder, settings)
    client = connect(settings)
    client.delete_model_version_tag(ENTRY, "1", glance.READY)
    assert glance.read(settings).versions() == ()
    assert glance.read(settings).proof(ENTRY, version.scores) is None
    again = store.register(folder, settings)
    assert (again.number, again.ready, again.source) == (1, True, version.source)


def test_another_making_of_an_unfinished_training_replaces_it(settings: Settings, make_model: Making) -> None:
    folder = make_model()
    first = store.register(folder, settings)
    connect(settings).delete_model_version_tag(ENTRY, "1", glance.READY)
    record = json.loads((folder / "record.json").read_text())
    (folder / "record.json").write_text(json.dumps(record | {"seconds": 2.5}))
    manifest = seal(folder)
    again = store.register(folder, settings)
    assert again.manifest == manifest != first.manifest
    assert [v.source for v in everything(settings)] == [again.source]
    client = connect(settings)
    experiment = client.get_experiment_by_name(experiment_name(PROTOCOL)).experiment_id
    assert [model.model_id for model in client.search_logged_models([experiment])] == [again.model_id]


def test_what_arrived_is_read_back(settings: Settings, make_model: Making) -> None:
    """A half-registered model with damage in the store: bytes are sent again, a stray file is named."""
    folder = make_model()
    there = store.fetch(store.register(folder, settings), settings, Path())
    connect(settings).delete_model_version_tag(ENTRY, "1", glance.READY)
    (there / "weights.safetensors").write_bytes(b"half")
    (there / "stray").touch()
    with pytest.raises(ValueError, match="not in the manifest: stray"):
        store.register(folder, settings)
    assert glance.read(settings).versions() == ()
    (there / "stray").unlink()
    assert store.register(folder, settings).number == 1
    assert verify(there) == verify(folder)


def test_sweep_removes_what_nobody_finishes(settings: Settings, make_model: Making) -> None:
    kept = store.register(make_model("kept"), settings)
    lost = store.register(make_model("lost"), settings)
    client = connect(settings)
    for version in (kept, lost):
        client.update_run(version.run_id, status="RUNNING")
    client.delete_model_version_tag(ENTRY, str(lost.number), glance.READY)
    assert store.sweep(settings) == ()
    assert client.get_run(kept.run_id).info.status == "RUNNING"
    assert len(store.sweep(settings, older_than=timedelta(0))) == 1
    assert [v.number for v in everything(settings)] == [kept.number]
    assert client.get_run(kept.run_id).info.status == "FINISHED"
    assert client.get_run(lost.run_id).info.lifecycle_stage == "deleted"


@pytest.mark.slow
def test_killed_anywhere_it_ends_as_if_left_alone(settings: Settings, make_model: Making) -> None:
    """48 kills at times spread over a whole registration, a look after each, an end after twelve."""
    command = [sys.executable, "-c", KILLER, str(settings.home)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as killer:
        whole = _killed_after(killer, 60.0, make_model("measured"))
        interrupted = 0
        for model in range(4):
            folder = make_model(f"killed-{model}", seed=model + 1)
            for kill in range(12):
                _killed_after(killer, (kill + model / 4) / 12 * whole, folder)
                interrupted += _is_unfinished(settings, folder)
                _nothing_half_is_visible(settings)
            version = store.register(folder, settings)
            assert verify(store.fetch(version, settings, folder), version.manifest) == verify(folder)
    assert interrupted > 24
    versions = everything(settings)
    assert [(v.number, v.ready) for v in versions] == [(number, True) for number in range(1, 6)]
    assert len({v.scores for v in versions}) == 5
    client = connect(settings)
    experiment = client.get_experiment_by_name(experiment_name(PROTOCOL)).experiment_id
    runs = client.search_runs([experiment])
    assert sorted(run.info.run_id for run in runs) == sorted(v.run_id for v in versions)
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert sorted(m.model_id for m in client.search_logged_models([experiment])) == sorted(v.model_id for v in versions)
    assert all(len(client.get_metric_history(v.run_id, "accuracy")) == 1 for v in versions)


def everything(settings: Settings) -> tuple[glance.Version, ...]:
    """READY or not, by entry and number."""
    held = glance.read(settings)
    return tuple(sorted((*held.versions(), *held.unready), key=lambda version: (version.entry, version.number)))


def _killed_after(killer: subprocess.Popen[str], seconds: float, folder: Path) -> float:
    assert killer.stdin is not None
    assert killer.stdout is not None
    print(seconds, folder, file=killer.stdin, flush=True)
    return float(killer.stdout.readline())


def _is_unfinished(settings: Settings, folder: Path) -> bool:
    return glance.read(settings).proof(ENTRY, identity_of(folder.name)) is None


def _nothing_half_is_visible(settings: Settings) -> None:
    for version in glance.read(settings).versions():
        verify(store.fetch(version, settings, Path()), version.manifest)

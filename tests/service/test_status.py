"""What `zoo status` reads from files and locks."""

import json
import os
from pathlib import Path

import pytest

from flows.fingerprint import Identity, Ingredients
from flows.job import Job
from flows.locks import held
from flows.server import lasting
from flows.service.status import look
from registry.service import lock_of
from registry.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    return Settings(tmp_path, tmp_path / "home", f"sqlite:///{tmp_path}/home/mlflow.db")


def run(settings: Settings, entry: str, *, steps: int) -> Path:
    """A run folder as a night leaves it for a worker."""
    folder = settings.runs / entry / "0123456789abcdef"
    training = Identity(source={}, numbers={"steps": steps}, data={}, upstream={}, versions={})
    scoring = Identity(source={}, numbers={}, data={}, upstream={}, versions={})
    Job(
        entry=entry,
        recipe_name="mini",
        ingredients=Ingredients(family=entry.split(".")[0], training=training, scoring=scoring),
        datasets=settings.datasets,
        upstream={},
        cache=settings.cache,
    ).write(folder)
    return folder


def test_nothing_is_up_where_nothing_was_started(settings: Settings) -> None:
    seen = look(settings)
    assert [(up.program, up.state) for up in seen.programs] == [(n, "down") for n in ("mlflow", "prefect", "worker")]
    assert (seen.night, seen.working, seen.scheduled, seen.good) == (None, (), (), False)
    (remark,) = seen.remarks
    assert remark.startswith("What is scheduled is not known: no Prefect server: `zoo up` starts one here")


def test_servers_that_the_environment_names_are_not_missed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    elsewhere = Settings(settings.project, settings.home, "http://mlflow:5000")
    seen = look(elsewhere)
    assert [up.program for up in seen.programs] == ["worker"]
    assert "http://127.0.0.1:1/api/flow_runs/filter: Prefect does not answer" in seen.remarks[0]


def test_the_night_and_what_its_workers_do_are_told_as_long_as_they_live(settings: Settings) -> None:
    trained, begun, done = (run(settings, f"{name}.digits", steps=900) for name in ("cnn", "vit", "svm"))
    (trained / "curves.jsonl").write_text("".join(json.dumps({"step": step}) + "\n" for step in (10, 300)))
    with (
        held(settings.home / "night.lock", what="a night"),
        held(trained / "lock", what="a worker"),
        held(begun / "lock", what="a worker"),
    ):
        (done / "lock").touch()
        (begun / "curves.jsonl").write_text('{"step": 1')  # just being written
        seen = look(settings)
    assert seen.night is not None
    assert seen.night.pid == os.getpid()
    assert [(work.entry, work.step, work.steps) for work in seen.working] == [
        ("cnn.digits", 300, 900),
        ("vit.digits", None, 900),
    ]
    assert all(0 <= (work.since - seen.night.since).total_seconds() < 60 for work in seen.working)
    after = look(settings)
    assert (after.night, after.working) == (None, ())


def test_a_job_of_another_version_is_told_without_its_steps(settings: Settings) -> None:
    folder = run(settings, "cnn.digits", steps=900)
    (folder / "job.json").write_text('{"another": "shape"}')
    with held(folder / "lock", what="a worker"):
        (work,) = look(settings).working
    assert (work.entry, work.step, work.steps) == ("cnn.digits", None, None)


def test_a_night_finds_the_server_that_is_up_unless_another_one_is_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, lock = settings.home, lock_of(settings.home, "prefect")
    told = {"prefect": {"pid": 1, "url": "http://127.0.0.1:4201/api", "since": "2026-01-01T00:00:00+00:00"}}
    lock.parent.mkdir(parents=True)
    (home / "service.json").write_text(json.dumps(told))
    with held(lock, what="a server"):
        assert lasting(home) == "http://127.0.0.1:4201/api"
        monkeypatch.setenv("PREFECT_API_URL", "http://prefect:4200/api")
        assert lasting(home) == "http://prefect:4200/api"
        monkeypatch.delenv("PREFECT_API_URL")
    assert lasting(home) == "", "it died, and its record is still there"

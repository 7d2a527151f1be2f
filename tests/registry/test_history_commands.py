"""`zoo replay`, `promote`, `rollback`, `history`, `compare`: for people, for programs, and as pictures."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from cli import history
from flows.steps import changes
from registry import promotion, store
from registry.client import connect
from registry.glance import read
from registry.settings import Settings

from .conftest import ENTRY, Making


@pytest.fixture
def zoo(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    monkeypatch.setenv("ZOO_HOME", str(settings.home))
    monkeypatch.setenv("ZOO_PROJECT", str(settings.project))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    app = typer.Typer()
    for command in (history.replay, history.promote, history.rollback, history.history, history.compare):
        app.command()(command)
    return app


def run(zoo: typer.Typer, *words: str) -> str:
    answer = CliRunner().invoke(zoo, words, env={"COLUMNS": "80"})
    assert answer.exit_code == 0, (answer.output, answer.exception)
    assert max(map(len, answer.stdout.splitlines())) <= 80 or "--json" in words or words[0] in ("promote", "replay")
    return answer.stdout


def refused(zoo: typer.Typer, *words: str) -> str:
    answer = CliRunner().invoke(zoo, words)
    assert answer.exit_code == 1
    return str(answer.exception)


def two(settings: Settings, make_model: Making) -> None:
    for seed, (name, right) in enumerate((("first", 0.6), ("second", 0.9))):
        promotion.challenge(store.register(make_model(name, right=right, seed=seed), settings), settings)


def test_a_person_is_told_and_kept(zoo: typer.Typer, settings: Settings, make_model: Making, tmp_path: Path) -> None:
    two(settings, make_model)
    back = json.loads(run(zoo, "rollback", ENTRY, "--because", "the second is too slow", "--json"))
    assert (back["champion"], back["before"], back["rollback"]) == (f"{ENTRY}/1", 2, True)
    assert read(settings).champion(ENTRY).number == 1
    assert "the second is too slow" in " ".join(run(zoo, "history", ENTRY).split())
    told = json.loads(run(zoo, "history", ENTRY, "--json"))
    assert [(reign["version"], reign["how"]) for reign in told["reigns"]] == [
        (None, ""),
        (1, "gate"),
        (2, "gate"),
        (1, "rollback"),
    ]
    assert [step["verdict"] for step in told["versions"]] == ["by hand", "PROMOTE"]
    assert "took over from the floor" in refused(zoo, "rollback", ENTRY)
    assert f"is champion, by hand of {back['who']}, after version 1: it is fast now" in run(
        zoo, "promote", f"{ENTRY}/2", "--because", "it is fast now"
    )
    assert CliRunner().invoke(zoo, ["promote", f"{ENTRY}/1"]).exit_code == 2  # without a reason
    assert f"it has: {ENTRY}" in refused(zoo, "history", "x.y")
    assert f"it has: {ENTRY}" in refused(zoo, "rollback", "x.y")
    picture = tmp_path / "history.png"
    run(zoo, "history", ENTRY, "--picture", str(picture))
    assert len(np.unique(np.asarray(Image.open(picture)).reshape(-1, 3), axis=0)) > 20
    assert "ends in .png" in refused(zoo, "history", ENTRY, "--picture", str(tmp_path / "history.jpg"))


def test_mlflows_pages_are_told_too_and_that_may_fail(zoo: typer.Typer, settings: Settings, make_model: Making) -> None:
    two(settings, make_model)
    run(zoo, "rollback", ENTRY, "--json")
    client = connect(settings)
    verdict = client.get_run(read(settings).numbered(ENTRY, 1).run_id).data.tags["verdict"]
    assert verdict == "by hand"
    shutil.rmtree(settings.home / "memo")
    (settings.home / "memo").write_text("no folder")  # where what is known of families is kept
    answer = CliRunner().invoke(zoo, ["promote", f"{ENTRY}/2", "--because", "it is fast now"])
    assert answer.exit_code == 0
    assert answer.stderr.startswith("warning: MLflow's pages stay as they were: ")
    assert read(settings).champion(ENTRY).number == 2


def test_two_are_compared(zoo: typer.Typer, settings: Settings, make_model: Making, tmp_path: Path) -> None:
    two(settings, make_model)
    (settings.datasets / "digits").mkdir(parents=True)
    table = run(zoo, "compare", f"{ENTRY}/1", f"{ENTRY}/2", "--units", "3", "--picture", str(tmp_path / "c.png"))
    assert "accuracy by class, what changed most first" in table
    assert "B is better on" in table
    assert np.asarray(Image.open(tmp_path / "c.png")).shape[1] >= 1000
    told = json.loads(run(zoo, "compare", f"{ENTRY}/1", f"{ENTRY}/2", "--units", "3", "--json"))
    assert (len(told["changed"]), told["differences"][0]["metric"], told["unit_count"]) == (3, "accuracy", 200)
    assert told["differences"][0]["gain"] > 0


def test_a_verdict_is_made_again(zoo: typer.Typer, settings: Settings, make_model: Making) -> None:
    promotion.challenge(store.register(make_model("first", right=0.7), settings), settings)
    assert run(zoo, "replay", f"{ENTRY}/1").startswith(f"{ENTRY}/1: PROMOTE: better than the floor")
    told = json.loads(run(zoo, "replay", f"{ENTRY}/1", "--json"))
    assert (told["same"], told["differs"], told["stored"]) == (True, [], told["again"])

    stored = json.loads(read(settings).numbered(ENTRY, 1).tags["verdict"])
    connect(settings).set_model_version_tag(ENTRY, "1", "verdict", json.dumps(stored | {"gain": 0.5}))
    other = CliRunner().invoke(zoo, ["replay", f"{ENTRY}/1"])
    assert other.exit_code == 1
    assert "gain: stored 0.5, now 0." in other.stdout
    assert "another verdict now (gain differ)" in str(other.exception)
    told = json.loads(CliRunner().invoke(zoo, ["replay", f"{ENTRY}/1", "--json"]).stdout)
    assert (told["same"], told["differs"]) == (False, ["gain"])


def test_without_run_folders_the_registry_says_what_changed(settings: Settings, make_model: Making) -> None:
    two(settings, make_model)
    first, second = read(settings).versions(ENTRY)
    assert list(changes(first, second, settings)) == ["code"]

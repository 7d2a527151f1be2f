"""`zoo leaderboard`, `zoo versions`, `zoo pull`: the same answer for people and for programs."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli import registered
from registry import promotion, store
from registry.settings import Settings
from zoo.artifact import verify

from .conftest import ENTRY, PROTOCOL, Making


@pytest.fixture
def zoo(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    monkeypatch.setenv("ZOO_HOME", str(settings.home))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    app = typer.Typer()
    for command in (registered.leaderboard, registered.versions, registered.pull):
        app.command()(command)
    return app


def test_an_empty_registry_says_what_to_do(zoo: typer.Typer) -> None:
    answer = CliRunner().invoke(zoo, ["leaderboard"])
    assert (answer.exit_code, answer.stdout) == (0, "")
    assert "zoo night --lineup quick" in answer.stderr
    assert json.loads(CliRunner().invoke(zoo, ["leaderboard", "--json"]).stdout) == []


def test_tables_and_json(zoo: typer.Typer, settings: Settings, make_model: Making, tmp_path: Path) -> None:
    for name, right in (("a", 0.6), ("b", 0.9)):
        promotion.challenge(store.register(make_model(name, right=right), settings), settings)
    table = CliRunner().invoke(zoo, ["leaderboard"]).stdout
    assert PROTOCOL in table
    assert table.index(f"{ENTRY}/2") < table.index(f"{ENTRY}/1")
    (board,) = json.loads(CliRunner().invoke(zoo, ["leaderboard", "digits", "--json"]).stdout)
    assert [(row["version"], row["aliases"]) for row in board["rows"]] == [(2, ["champion"]), (1, [])]
    listed = json.loads(CliRunner().invoke(zoo, ["versions", ENTRY, "--json"]).stdout)
    assert [row["verdict"] for row in listed] == ["PROMOTE", "PROMOTE"]
    pulled = CliRunner().invoke(zoo, ["pull", f"{ENTRY}@champion", str(tmp_path / "model"), "--json"])
    assert json.loads(pulled.stdout)["manifest"] == verify(tmp_path / "model")
    refused = CliRunner().invoke(zoo, ["pull", f"{ENTRY}@nobody", str(tmp_path / "other")])
    assert isinstance(refused.exception, ValueError)
    assert refused.exit_code == 1

"""`zoo leaderboard` in every format, in a browser, and on MLflow's pages."""

import csv
import io
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli.leaderboard import leaderboard
from registry import promotion, store
from registry.client import connect
from registry.glance import read
from registry.pages import START
from registry.settings import Settings

from .conftest import ENTRY, PROTOCOL, Making


@pytest.fixture
def zoo(settings: Settings, make_model: Making, monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    monkeypatch.setenv("ZOO_HOME", str(settings.home))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for name, right, entry in (("a", 0.6, ENTRY), ("b", 0.9, "other.digits")):
        promotion.challenge(store.register(make_model(name, right=right, entry=entry), settings), settings)
    app = typer.Typer()
    app.command()(leaderboard)
    return app


def told(zoo: typer.Typer, *arguments: str) -> str:
    answer = CliRunner().invoke(zoo, list(arguments), env={"COLUMNS": "120"})
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def test_every_format_tells_the_same(zoo: typer.Typer, tmp_path: Path) -> None:
    (board,) = json.loads(told(zoo, "--format", "json"))
    assert told(zoo, "--json") == told(zoo, "--format", "json")
    lines = list(csv.DictReader(io.StringIO(told(zoo, "--format", "csv"))))
    assert [(line["entry"], float(line["value"])) for line in lines] == [
        (row["entry"], row["value"]) for row in board["rows"]
    ]
    assert [(float(line["low"]), float(line["high"])) for line in lines] == [
        tuple(row["interval"]) for row in board["rows"]
    ]
    assert {line["protocol"] for line in lines} == {PROTOCOL}
    markdown = told(zoo, "--format", "md")
    rows = [line.strip("| ").split(" | ") for line in markdown.splitlines() if line.startswith("| ")]
    assert [row[1] for row in rows[2:4]] == ["other.digits/1", f"{ENTRY}/1"]
    assert float(rows[2][2].split(" ± ")[0]) == pytest.approx(board["rows"][0]["value"], abs=1e-4)
    assert len({len(row) for row in rows[:4]}) == 1
    file = tmp_path / "board.html"
    assert told(zoo, "--format", "html", "-o", str(file)) == ""
    assert file.read_text(encoding="utf-8") == told(zoo, "--format", "html")
    assert f'id="{ENTRY}/1"' in file.read_text(encoding="utf-8")
    assert "training" in told(zoo)


def test_open_starts_the_browser_on_the_page(
    zoo: typer.Typer, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, asked = tmp_path / "browser", tmp_path / "asked"
    browser.write_text(f'#!/bin/sh\necho "$1" > {asked}\n')
    browser.chmod(0o755)
    monkeypatch.setattr("webbrowser._tryorder", None)
    monkeypatch.setattr("webbrowser._browsers", {})
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    link = told(zoo, "digits", "--open").strip()
    assert link == (settings.home / "leaderboard.html").as_uri()
    assert asked.read_text().strip() == link
    assert "</html>" in (settings.home / "leaderboard.html").read_text(encoding="utf-8")


def test_refresh_brings_mlflows_pages_up_to_date(zoo: typer.Typer, settings: Settings) -> None:
    first = CliRunner().invoke(zoo, ["--refresh"])
    assert first.exit_code == 0
    assert "things written" in first.stderr
    assert connect(settings).get_experiment_by_name(START) is not None
    assert "MLflow's pages: 0 things written" in CliRunner().invoke(zoo, ["--refresh"]).stderr
    assert len(read(settings).versions()) == 2

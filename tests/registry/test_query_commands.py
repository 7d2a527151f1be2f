"""`zoo ls`, `zoo show`, `zoo where` and what the shell offers, on a real registry."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.app import app
from registry import promotion, store
from registry.glance import read
from registry.settings import Settings
from zoo.catalogue import CATALOGUE

from .conftest import ENTRY, Making

LONG = "two-stream.collage-action"


@pytest.fixture
def project(settings: Settings, make_model: Making, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Two entries, the first with a champion and a later version, and nothing said by the environment but where."""
    for variable in ("MLFLOW_TRACKING_URI", "PREFECT_API_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("ZOO_PROJECT", str(settings.project))
    monkeypatch.setenv("ZOO_HOME", str(settings.home))
    for name, right, entry in (("a", 0.9, ENTRY), ("b", 0.85, ENTRY), ("c", 0.6, LONG)):
        promotion.challenge(store.register(make_model(name, right=right, entry=entry), settings), settings)
    return settings


def told(*words: str, code: int = 0) -> str:
    answer = CliRunner().invoke(app, list(words), env={"COLUMNS": "80"})
    assert answer.exit_code == code, answer.output
    return answer.stdout


def test_ls_fits_80_columns_and_says_what_is_newer(project: Settings) -> None:
    table = told("ls")
    assert max(map(len, table.splitlines())) <= 80
    first = next(line for line in table.splitlines() if line.startswith(f"{ENTRY}/1"))
    versions = read(project).versions(ENTRY)
    gained = versions[1].record.score.metrics["accuracy"] - versions[0].record.score.metrics["accuracy"]
    assert f"/2 {gained:+.3g}" in first
    assert f"{versions[0].record.score.metrics['accuracy']:.4g}" in first
    assert "…" not in table


def test_ls_as_json_is_complete_and_obeys_what_is_asked(project: Settings) -> None:
    both = json.loads(told("ls", "--json"))
    assert [one["entry"] for one in both] == [ENTRY, LONG]
    champion = read(project).champion(ENTRY)
    assert champion is not None
    assert both[0]["metrics"] == champion.record.score.metrics
    for key in ("trains", "scores", "weights", "manifest", "scored_digest"):
        assert both[0][key] == (champion.data_digest if key == "scored_digest" else getattr(champion, key))
    assert both[0]["latest"]["version"] == 2
    assert [one["entry"] for one in json.loads(told("ls", "--json", "--sort", "-value", "--limit", "1"))] == [ENTRY]
    assert [one["entry"] for one in json.loads(told("ls", "--json", "--where", "accuracy < 0.7"))] == [LONG]
    assert json.loads(told("ls", "--json", "--area", "tracking")) == []


@pytest.mark.usefixtures("project")
def test_show_an_entry_and_a_version() -> None:
    entry = told("show", ENTRY)
    assert entry.startswith(f"{ENTRY}/1 (champion)")
    assert f"{ENTRY}/2" in entry
    version = told("show", f"{ENTRY}/2")
    assert version.startswith(f"{ENTRY}/2 (not champion)")
    assert "Versions" not in version
    answer = json.loads(told("show", f"{ENTRY}@champion", "--json"))
    assert (answer["version"], answer["versions"], answer["built_on"]) == (1, [], {})
    assert [one["version"] for one in json.loads(told("show", ENTRY, "--json"))["versions"]] == [
        f"{ENTRY}/1",
        f"{ENTRY}/2",
    ]


@pytest.mark.usefixtures("project")
def test_show_names_the_nearest() -> None:
    for typed, meant in (("fcn9s", "fcn8s"), ("digit-clasifier.digits", ENTRY), (f"{LONG[:-1]}@champion", LONG)):
        answer = CliRunner().invoke(app, ["show", typed])
        assert isinstance(answer.exception, ValueError)
        assert f"no family, entry or version '{typed}'; did you mean: " in str(answer.exception)
        assert meant in str(answer.exception).partition("did you mean: ")[2]


def test_where_says_what_is_there(project: Settings) -> None:
    answer = json.loads(told("where", "--json"))
    assert answer["home"] == {"value": str(project.home), "because": "$ZOO_HOME"}
    assert answer["registry"]["value"] == project.tracking_uri
    assert answer["holds"] == {"entries": 2, "versions": 3, "fault": ""}
    assert f"home      {project.home}\n          ($ZOO_HOME)" in told("where")


@pytest.mark.usefixtures("project")
def test_an_empty_registry_names_where_it_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "elsewhere"))
    for words in (["ls"], ["leaderboard"], ["where"]):
        assert str(tmp_path / "elsewhere") in CliRunner().invoke(app, words).stderr
    answer = CliRunner().invoke(app, ["versions", ENTRY])
    assert str(tmp_path / "elsewhere") in str(answer.exception)


def test_zoo_toml_tells_prefect_where_to_go(project: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    (project.project / "zoo.toml").write_text('[servers]\nprefect = "http://prefect:4200/api"\n')
    monkeypatch.setenv("PREFECT_API_URL", "")
    told("list")
    assert os.environ["PREFECT_API_URL"] == "http://prefect:4200/api"
    monkeypatch.setenv("PREFECT_API_URL", "http://mine/api")
    told("list")
    assert os.environ["PREFECT_API_URL"] == "http://mine/api"


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("zoo show digit-classifier.digits/", {f"{ENTRY}/1", f"{ENTRY}/2"}),
        ("zoo show digit-classifier.digits@", {f"{ENTRY}@champion", f"{ENTRY}@latest"}),
        ("zoo show fcn", {"fcn32s", "fcn16s", "fcn8s"}),
        ("zoo versions ", {ENTRY, LONG}),
        ("zoo ls --area ", {line.area for line in CATALOGUE.values()}),
        ("zoo ls --dataset dig", {"digits"}),
        ("zoo train wgan-gp --recipe ", set()),  # nobody has asked the family yet, and completion does not
    ],
)
@pytest.mark.usefixtures("project")
def test_the_shell_is_offered_what_there_is(line: str, offered: set[str]) -> None:
    words = line.split(" ")
    asked = {"_ZOO_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    answer = CliRunner().invoke(app, [], env=asked, prog_name="zoo")
    assert {word for word in answer.stdout.split("\n") if word} == offered


def test_a_completion_that_fails_offers_nothing(project: Settings) -> None:
    (project.project / "zoo.toml").write_text("home = ")
    asked = {"_ZOO_COMPLETE": "complete_bash", "COMP_WORDS": "zoo versions ", "COMP_CWORD": "2"}
    answer = CliRunner().invoke(app, [], env=asked, prog_name="zoo")
    assert (answer.stdout.strip(), answer.stderr) == ("", "")

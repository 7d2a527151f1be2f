"""`zoo leaderboard`, `versions`, `figures`, `pull`: the same answer for people and for programs."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli import leaderboard, pulling, registered
from flows.lineups import lineup
from flows.published import wanted
from registry import promotion, store
from registry.glance import read
from registry.settings import Settings
from zoo.artifact import verify

from .conftest import ENTRY, PROTOCOL, Making, identity_of


@pytest.fixture
def zoo(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    monkeypatch.setenv("ZOO_HOME", str(settings.home))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    app = typer.Typer()
    for command in (
        leaderboard.leaderboard,
        registered.versions,
        registered.figures,
        pulling.pull,
    ):
        app.command()(command)
    return app


def test_an_empty_registry_says_what_to_do(zoo: typer.Typer) -> None:
    answer = CliRunner().invoke(zoo, ["leaderboard"])
    assert (answer.exit_code, answer.stdout) == (0, "")
    assert "zoo night --lineup quick" in answer.stderr
    assert json.loads(CliRunner().invoke(zoo, ["leaderboard", "--json"]).stdout) == []


def test_tables_and_json(zoo: typer.Typer, settings: Settings, make_model: Making, tmp_path: Path) -> None:
    for seed, (name, right) in enumerate((("a", 0.6), ("b", 0.95), ("c", 0.5), ("d", 0.5))):
        made = make_model(name, right=right, recipe={"steps": 20, "seed": seed})
        promotion.challenge(store.register(made, settings), settings)
    table = CliRunner().invoke(zoo, ["leaderboard"]).stdout
    assert f"{PROTOCOL} on data dddddddd: higher is better; floor 0 (majority class)" in " ".join(table.split())
    assert table.index(f"{ENTRY}/2") < table.index(f"{ENTRY}/4")
    assert "smoke seed 3" in table
    assert f"{ENTRY}/1" not in table
    assert f"{ENTRY}/1" in CliRunner().invoke(zoo, ["leaderboard", "--all"]).stdout
    assert max(map(len, table.splitlines())) <= 80
    (board,) = json.loads(CliRunner().invoke(zoo, ["leaderboard", "digits", "--json"]).stdout)
    assert [(row["version"], row["aliases"]) for row in board["rows"]] == [(2, ["champion"]), (4, [])]
    low, high = board["rows"][0]["interval"]
    assert low < board["rows"][0]["value"] < high
    assert (board["versions"], board["retired"]) == (4, False)
    pulled = CliRunner().invoke(zoo, ["pull", f"{ENTRY}@champion", str(tmp_path / "model"), "--json"])
    assert json.loads(pulled.stdout)["manifest"] == verify(tmp_path / "model")
    refused = CliRunner().invoke(zoo, ["pull", f"{ENTRY}@nobody", str(tmp_path / "other")])
    assert isinstance(refused.exception, ValueError)
    assert refused.exit_code == 1


def test_speed_stands_beside_the_score_and_ranks_nobody(
    zoo: typer.Typer, settings: Settings, make_model: Making
) -> None:
    store.register(make_model("slow", right=0.9, speed=2.26), settings)
    assert "frames/s" in CliRunner().invoke(zoo, ["leaderboard"], env={"COLUMNS": "80"}).stdout
    store.register(make_model("fast", right=0.6, speed=153.0), settings)
    store.register(make_model("untimed", right=0.7), settings)  # as all were once
    table = CliRunner().invoke(zoo, ["leaderboard", "--all"], env={"COLUMNS": "200"}).stdout
    assert max(map(len, CliRunner().invoke(zoo, ["leaderboard", "--all"]).stdout.splitlines())) <= 80
    head, rows = (table.split("\n")[at] for at in (1, slice(3, 6)))
    shown = [row[head.index("frames/s") :].split()[0] for row in rows]
    assert shown == ["2.3", "-", "153.0"]


def test_exact_and_bounded_numbers_stand_on_one_board_and_are_marked(
    zoo: typer.Typer, settings: Settings, make_model: Making
) -> None:
    store.register(make_model("bounded", right=0.6, kind="bound"), settings)
    store.register(make_model("exact", right=0.9, kind="exact"), settings)
    command = ["leaderboard", "--all"]
    table = CliRunner().invoke(zoo, command, env={"COLUMNS": "80"}).stdout.splitlines()
    head = next(line for line in table if "kind" in line)
    rows = table[table.index(head) + 2 :][:2]
    assert [row[head.index("kind") :].split()[0] for row in rows] == ["exact", "bound"]
    (board,) = json.loads(CliRunner().invoke(zoo, [*command, "--json"]).stdout)
    assert [row["kind"] for row in board["rows"]] == ["exact", "bound"]


def test_who_was_made_champion_by_hand_is_marked(zoo: typer.Typer, settings: Settings, make_model: Making) -> None:
    for seed, (name, right) in enumerate((("a", 0.9), ("b", 0.5))):
        promotion.challenge(store.register(make_model(name, right=right, seed=seed), settings), settings)
    promotion.promote(read(settings).numbered(ENTRY, 2), settings, why="smaller")
    for command in (["leaderboard"], ["versions", ENTRY]):
        table = CliRunner().invoke(zoo, command, env={"COLUMNS": "200"}).stdout
        assert [line for line in table.splitlines() if "@champion" in line and "by hand" in line]
    (board,) = json.loads(CliRunner().invoke(zoo, ["leaderboard", "--json"]).stdout)
    assert [(row["version"], row["verdict"]) for row in board["rows"]] == [(2, "by hand")]
    _, second = json.loads(CliRunner().invoke(zoo, ["versions", ENTRY, "--json"]).stdout)
    assert (second["by_hand"][0]["why"], second["by_hand"][0]["before"]) == ("smaller", 1)


def test_versions_of_two_scorings_stand_in_two_tables(zoo: typer.Typer, settings: Settings, make_model: Making) -> None:
    """Other columns in other rows broke the table; the interval and an abdication's reason are told."""
    first = store.register(make_model("first", right=0.7), settings)
    promotion.challenge(first, settings)
    store.register(
        make_model("bits", protocol="digits-test/bpd@1", metrics={"bits_per_dim": 4.5}, floor={"bits_per_dim": 6.5}),
        settings,
    )
    promotion.abdicate(first, "its recipe is no longer understood", settings)
    table = CliRunner().invoke(zoo, ["versions", ENTRY])
    assert table.exit_code == 0
    assert max(map(len, table.stdout.splitlines())) <= 80
    above, below = table.stdout.split("digits-test/bpd@1 on data")
    assert f"{PROTOCOL} on data dddddddd" in above
    assert "accuracy" in above
    assert "bits_per_dim" not in above
    assert "bits_per_dim" in below
    assert "not judged yet" in below
    assert f"{ENTRY}/1 abdicated: its recipe is no longer understood" in table.stdout
    one, two = json.loads(CliRunner().invoke(zoo, ["versions", ENTRY, "--json"]).stdout)
    assert (one["verdict"], one["abdicated"]) == ("PROMOTE", "its recipe is no longer understood")
    assert one["interval"][0] < one["metrics"]["accuracy"] < one["interval"][1]
    assert two["metrics"] == {"bits_per_dim": 4.5}
    assert (one["scores"], one["trains"]) == (identity_of("first"), identity_of("first"))
    retired = CliRunner().invoke(zoo, ["leaderboard"]).stdout
    assert retired.splitlines()[-1] == f"retired: {PROTOCOL} on data dddddddd (versions: 1; --all)"


def test_figures_are_printed_written_and_checked(
    zoo: typer.Typer, settings: Settings, make_model: Making, tmp_path: Path
) -> None:
    nothing = CliRunner().invoke(zoo, ["figures"])
    assert nothing.exit_code == 1
    assert "zoo night --lineup mini" in str(nothing.exception)
    of = next(of for of in wanted(lineup("mini"), settings) if of.entry == ENTRY)
    for seed in (0, 1):
        recipe = {**of.recipe, "seed": seed}
        store.register(make_model(f"{seed}", right=0.7 + 0.1 * seed, recipe=recipe, recipe_name="mini"), settings)
    printed = CliRunner().invoke(zoo, ["figures"]).stdout
    assert f"| `{ENTRY}` | accuracy | 0." in printed
    assert "| `fcn8s.collage-seg` |  | not registered |" in printed
    readme = tmp_path / "README.md"
    readme.write_text("<!-- figures -->\n<!-- /figures -->\n")
    stale = CliRunner().invoke(zoo, ["figures", str(readme), "--check"])
    assert stale.exit_code == 1
    assert "README.md" in str(stale.exception)
    assert CliRunner().invoke(zoo, ["figures", str(readme), "--write"]).exit_code == 0
    assert readme.read_text() == f"<!-- figures -->\n{printed}<!-- /figures -->\n"
    assert CliRunner().invoke(zoo, ["figures", str(readme), "--check"]).exit_code == 0
    assert [row["entry"] for row in json.loads(CliRunner().invoke(zoo, ["figures", "--json"]).stdout)] == [ENTRY]

"""Published numbers beside ours: which of our versions, what difference, and when they may be compared."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli import catalogue
from flows.fingerprint import describe
from registry import promotion, store
from registry.glance import ready_versions
from registry.leaderboard import leaderboard
from registry.published import compare
from registry.settings import Settings
from zoo.catalogue import CATALOGUE
from zoo.published import Target

from .conftest import ENTRY, PROTOCOL, Making

FAMILY = ENTRY.partition(".")[0]


def target(**changes: str) -> Target:
    return Target(**{"metric": "accuracy", "dataset": "digits", "source": "table 1", **changes}, value=0.75)  # type: ignore[arg-type]


def test_the_champion_stands_beside_the_paper(settings: Settings, make_model: Making) -> None:
    for name, right in (("a", 0.9), ("b", 0.5)):  # the second is worse: not promoted
        promotion.challenge(store.register(make_model(name, right=right), settings), settings)
    versions = ready_versions(settings)
    champion = versions[0].record.score.metrics["accuracy"]
    (same,) = compare({FAMILY: [target(protocol=PROTOCOL)]}, versions)
    assert (same.version, same.ours, same.protocol) == (f"{ENTRY}/1", champion, "same protocol")
    assert same.difference == pytest.approx(champion - 0.75)
    (unsaid,) = compare({FAMILY: [target()]}, versions)
    assert unsaid.protocol == "protocol differs"
    (elsewhere,) = compare({FAMILY: [target(dataset="mnist")]}, versions)
    assert elsewhere.protocol == "protocol differs (other data: digits)"


def test_what_was_not_measured_has_no_difference(settings: Settings, make_model: Making) -> None:
    store.register(make_model(), settings)
    for published in ({FAMILY: [target(metric="mIoU")]}, {"another-family": [target()]}):
        (line,) = compare(published, ready_versions(settings))
        assert (line.ours, line.difference, line.protocol) == (None, None, "not measured yet")


def test_described_targets_are_the_families_own(tmp_path: Path) -> None:
    described = describe(["siamfc"], memo=tmp_path)["siamfc"].targets
    assert ("success_auc", 0.608, "otb-2013") in [(t.metric, t.value, t.dataset) for t in described]


def test_a_board_holds_those_of_its_families(settings: Settings, make_model: Making) -> None:
    store.register(make_model(right=0.9), settings)
    published = {FAMILY: [target(protocol=PROTOCOL), target(metric="mIoU")], "another-family": [target()]}
    (board,) = leaderboard(settings, targets=published)
    assert [(line.metric, line.protocol) for line in board.published] == [("accuracy", "same protocol")]


def test_show_prints_them(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_HOME", str(settings.home))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    app = typer.Typer()
    app.command()(catalogue.show)
    shown = json.loads(CliRunner().invoke(app, ["siamfc", "--json"]).stdout)["published"]
    assert {(line["ours"], line["protocol"]) for line in shown} == {(None, "not measured yet")}
    assert "0.608" in CliRunner().invoke(app, ["siamfc"]).stdout


def test_every_target_says_where_it_was_published() -> None:
    from zoo.catalogue import family

    for name in CATALOGUE:
        for published in family(name).targets:
            assert published.source, name
            assert not published.protocol or published.protocol.startswith(f"{published.dataset}-"), name

"""Published numbers beside ours: which of our versions, what difference, and when they may be compared."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli import catalogue
from flows.fingerprint import describe
from registry import promotion, store
from registry.glance import read
from registry.leaderboard import leaderboard
from registry.published import compare, standing
from registry.settings import Settings
from zoo.catalogue import CATALOGUE
from zoo.published import Target

from .conftest import ENTRY, PROTOCOL, Making

FAMILY = ENTRY.partition(".")[0]


def target(**changes: str) -> Target:
    return Target(**{"metric": "accuracy", "dataset": "digits", "source": "table 1", **changes}, value=0.75)  # type: ignore[arg-type]


def test_the_champion_stands_beside_the_paper_and_words_say_what_differs(
    settings: Settings, make_model: Making
) -> None:
    for name, right in (("a", 0.9), ("b", 0.5)):  # the second is worse: not promoted
        promotion.challenge(store.register(make_model(name, right=right), settings), settings)
    held = read(settings)
    champion = held.numbered(ENTRY, 1).record.score.metrics["accuracy"]
    assert standing(held) == (held.numbered(ENTRY, 1),)
    ours, other = {"data_digest": "d" * 32}, {"data_digest": "e" * 32}
    cases = [
        ({"protocol": PROTOCOL} | ours, "same protocol"),
        (ours, "protocol differs"),
        ({"protocol": PROTOCOL}, "data not known to be the published"),
        ({}, "protocol differs, data not known to be the published"),
        ({"protocol": PROTOCOL} | other, "other data than the published: dddddddd"),
        ({"dataset": "mnist"}, "protocol differs, other data: digits-test"),
        ({"dataset": "mnist", "protocol": PROTOCOL} | ours, "other data: digits-test"),
    ]
    for changes, remark in cases:
        (line,) = compare({FAMILY: [target(**changes)]}, standing(held))
        assert (line.version, line.ours, line.remark) == (f"{ENTRY}/1", champion, remark)
        if "other data" in remark:
            assert line.difference is None
        else:
            assert line.difference == pytest.approx(champion - 0.75)


def test_a_number_on_one_split_stands_beside_the_version_of_that_split(settings: Settings, make_model: Making) -> None:
    """As Sintel's two passes do, which lie in one folder."""
    store.register(make_model(protocol="digits-clean/accuracy@1"), settings)
    ours = standing(read(settings))
    remarks = {}
    for dataset in ("digits-clean", "digits", "digits-final", "digits-cle"):
        (line,) = compare({FAMILY: [target(dataset=dataset)]}, ours)
        remarks[dataset] = line.remark
        assert (line.difference is None) == ("other data" in line.remark)
    assert remarks == {
        "digits-clean": "protocol differs, data not known to be the published",
        "digits": "protocol differs, data not known to be the published",
        "digits-final": "protocol differs, other data: digits-clean",
        "digits-cle": "protocol differs, other data: digits-clean",
    }


def test_what_was_not_measured_has_no_difference(settings: Settings, make_model: Making) -> None:
    store.register(make_model(), settings)
    for published in ({FAMILY: [target(metric="mIoU")]}, {"another-family": [target()]}):
        (line,) = compare(published, standing(read(settings)))
        assert (line.ours, line.difference, line.remark) == (None, None, "not measured yet")


def test_described_targets_are_the_families_own(tmp_path: Path) -> None:
    described = describe(["siamfc"], memo=tmp_path)["siamfc"].targets
    assert ("success_auc", 0.608, "otb-2013") in [(t.metric, t.value, t.dataset) for t in described]


def test_a_board_holds_those_of_its_families(settings: Settings, make_model: Making) -> None:
    store.register(make_model(right=0.9), settings)
    same = target(protocol=PROTOCOL, data_digest="d" * 32)
    published = {FAMILY: [same, target(metric="mIoU")], "another-family": [target()]}
    (board,) = leaderboard(read(settings), targets=published)
    assert [(line.metric, line.remark) for line in board.published] == [("accuracy", "same protocol")]


def test_show_prints_them(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_HOME", str(settings.home))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    app = typer.Typer()
    app.command()(catalogue.show)
    shown = json.loads(CliRunner().invoke(app, ["siamfc", "--json"]).stdout)["published"]
    assert {(line["ours"], line["remark"]) for line in shown} == {(None, "not measured yet")}
    assert "0.608" in CliRunner().invoke(app, ["siamfc"]).stdout


def test_every_target_says_where_it_was_published() -> None:
    from zoo.catalogue import family

    for name in CATALOGUE:
        for published in family(name).targets:
            assert published.source, name
            split = published.protocol.rpartition("/")[0]
            assert not split or split == published.dataset or split.startswith(f"{published.dataset}-"), name

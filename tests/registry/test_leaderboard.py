"""Boards rank what compares, best first, with the floor beside."""

import json
from datetime import date

import pytest
import yaml

from registry import promotion, store
from registry.cards import USES, card
from registry.cards import text as shown
from registry.client import connect
from registry.glance import read
from registry.leaderboard import leaderboard
from registry.settings import Settings
from zoo.artifact import read_identity, read_record
from zoo.scoring.classification import Accuracy
from zoo.scoring.protocols import SCORINGS

from .conftest import ENTRY, PROTOCOL, Making


def test_best_first_and_never_across_data(settings: Settings, make_model: Making) -> None:
    assert leaderboard(read(settings)) == ()
    for name, right, digest in (("a", 0.5, "d"), ("b", 0.9, "d"), ("c", 0.99, "e")):
        gate_of = store.register(
            make_model(name, right=right, data_digest=digest * 32, entry=f"{name}.digits"), settings
        )
        promotion.challenge(gate_of, settings)
    boards = leaderboard(read(settings), "digits")
    assert [(b.protocol, b.data_digest[0], b.metric.name) for b in boards] == [
        (PROTOCOL, "d", "accuracy"),
        (PROTOCOL, "e", "accuracy"),
    ]
    assert [(row.rank, row.entry, row.verdict, row.aliases) for row in boards[0].rows] == [
        (1, "b.digits", "PROMOTE", ("champion",)),
        (2, "a.digits", "PROMOTE", ("champion",)),
    ]
    best = boards[0].rows[0]
    assert best.value - best.floor == pytest.approx(best.gain)
    assert best.error == pytest.approx((best.value * (1 - best.value) / 200) ** 0.5, rel=0.3)  # binomial
    with pytest.raises(ValueError, match=f"no benchmark 'imagenet'.*{PROTOCOL}"):
        leaderboard(read(settings), "imagenet")


def test_an_entry_stands_with_champion_and_latest_and_what_nobody_stands_on_is_retired(
    settings: Settings, make_model: Making
) -> None:
    """Five versions: one under an older protocol, the champion, a middle one, and the latest on other data."""
    anew, other = {"protocol": f"{PROTOCOL}:anew"}, {"protocol": f"{PROTOCOL}:anew", "data_digest": "e" * 32}
    made = (("old", 0.9, {}), ("champion", 0.8, anew), ("middle", 0.7, anew), ("last", 0.6, anew), ("else", 0.5, other))
    for seed, (name, right, where) in enumerate(made):
        store.register(make_model(name, right=right, recipe={"steps": 20, "seed": seed % 2}, **where), settings)
    connect(settings).set_registered_model_alias(ENTRY, "champion", "2")
    boards = leaderboard(read(settings))
    assert [(board.protocol, board.data_digest[0], board.retired, board.versions) for board in boards] == [
        (f"{PROTOCOL}:anew", "d", False, 3),
        (f"{PROTOCOL}:anew", "e", False, 1),
        (PROTOCOL, "d", True, 1),
    ]
    assert [[(row.rank, row.version) for row in board.rows] for board in boards] == [[(1, 2)], [(1, 5)], []]
    whole = leaderboard(read(settings), everything=True)
    assert [[(row.rank, row.version) for row in board.rows] for board in whole] == [
        [(1, 2), (2, 3), (3, 4)],
        [(1, 5)],
        [(1, 1)],
    ]
    assert [row.recipe for row in whole[0].rows] == ["smoke seed 1", "smoke", "smoke seed 1"]


def test_a_lower_better_metric_ranks_the_lowest_first(settings: Settings, make_model: Making) -> None:
    for name, right in (("a", 0.5), ("b", 0.9)):
        store.register(make_model(name, right=right, entry=f"{name}.digits"), settings)
        lower = {"name": "accuracy", "unit": "", "higher_is_better": False, "lowest": 0.0, "highest": 1.0}
        connect(settings).set_model_version_tag(f"{name}.digits", "1", "ranked_by", json.dumps(lower))
    (board,) = leaderboard(read(settings))
    assert [row.entry for row in board.rows] == ["a.digits", "b.digits"]
    assert all(row.gain == pytest.approx(row.floor - row.value) for row in board.rows)


def test_a_card_knows_what_every_scoring_is_for() -> None:
    assert {name.partition("@")[0] for name in SCORINGS} == set(USES)


def test_a_card_says_what_the_record_says(make_model: Making) -> None:
    folder = make_model(right=0.8)
    record = read_record(folder)
    assert record.score.error is not None
    identity = read_identity(folder).model_copy(update={"facts": {"classes": ["one", "two"]}})
    about = {"title": "A small CNN", "paper": "LeCun et al., 1998", "made": date(2026, 5, 4)}
    whole = card(identity, record, Accuracy().metrics, **about)
    text = shown(whole)
    assert text.startswith("# digit-classifier.digits\n")
    assert "---\n" not in text
    assert "2 classes: one, two." in text
    assert "Sealed on 2026-05-04" in text
    front = next(yaml.safe_load_all(whole.removesuffix(text)))
    assert front["pipeline_tag"] == "image-classification"
    assert front["datasets"] == ["digits"]
    assert front["licences"]["code"] == "apache-2.0"
    (result,) = front["model-index"][0]["results"]
    assert result["metrics"][0] == {"type": "accuracy", "value": record.score.metrics["accuracy"]}
    low, high = record.score.interval
    mine = f"{record.score.metrics['accuracy']:.4g} ± {record.score.error:.2g}, 95 % in [{low:.4g}, {high:.4g}]"
    assert f"| accuracy | {mine} | {record.floor.metrics['accuracy']:.4g} |" in text
    assert PROTOCOL in text
    assert record.trains in text
    assert record.scores in text
    assert '"learning_rate": 0.1' in text
    assert "majority class" in text

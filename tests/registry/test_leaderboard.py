"""Boards rank what compares, best first, with the floor beside."""

import pytest

from registry import promotion, store
from registry.cards import card
from registry.leaderboard import leaderboard
from registry.settings import Settings
from zoo.artifact import read_identity, read_record
from zoo.scoring.classification import Accuracy

from .conftest import PROTOCOL, Making


def test_best_first_and_never_across_data(settings: Settings, make_model: Making) -> None:
    assert leaderboard(settings) == ()
    for name, right, digest in (("a", 0.5, "d"), ("b", 0.9, "d"), ("c", 0.99, "e")):
        gate_of = store.register(
            make_model(name, right=right, data_digest=digest * 32, entry=f"{name}.digits"), settings
        )
        promotion.challenge(gate_of, settings)
    boards = leaderboard(settings, "digits")
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
    assert best.error == pytest.approx((best.value * (1 - best.value) / 200) ** 0.5, rel=0.2)  # binomial
    with pytest.raises(ValueError, match=f"no benchmark 'imagenet'.*{PROTOCOL}"):
        leaderboard(settings, "imagenet")


def test_a_card_says_what_the_record_says(make_model: Making) -> None:
    folder = make_model(right=0.8)
    record = read_record(folder)
    text = card(read_identity(folder), record, Accuracy().metrics, title="A small CNN", paper="LeCun et al., 1998")
    assert f"| accuracy | {record.score.metrics['accuracy']:.4g} | {record.floor.metrics['accuracy']:.4g} |" in text
    assert PROTOCOL in text
    assert record.trains in text
    assert record.scores in text
    assert '"learning_rate": 0.1' in text
    assert "majority class" in text

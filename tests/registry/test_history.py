"""Who reigned when and why, and what every version changed, read off real registrations."""

from datetime import UTC, datetime, timedelta

import pytest

from registry import promotion, store
from registry.client import connect
from registry.glance import ABDICATED_ON, Version, read
from registry.history import History, history, registered_changes, to_roll_back_to
from registry.settings import Settings

from .conftest import ENTRY, Making


def told(settings: Settings) -> History:
    return history(read(settings), ENTRY)


def reigned(settings: Settings) -> list[tuple[int | None, str]]:
    return [(reign.version, reign.how) for reign in told(settings).reigns]


def judged(settings: Settings, make_model: Making, name: str, right: float, **changes: object) -> Version:
    version = store.register(make_model(name, right=right, **changes), settings)
    promotion.challenge(version, settings)
    return version


def test_reigns_of_every_kind(settings: Settings, make_model: Making) -> None:
    """Beat the floor, beaten, overruled, rolled back, abdicated, and succeeded after that."""
    judged(settings, make_model, "first", 0.5)
    judged(settings, make_model, "second", 0.9, seed=1)
    third = judged(settings, make_model, "third", 0.85, seed=2)
    assert reigned(settings) == [(None, ""), (1, "gate"), (2, "gate")]
    promotion.promote(third, settings, why="smaller")
    assert to_roll_back_to(read(settings).versions(ENTRY)) == 2
    promotion.promote(read(settings).numbered(ENTRY, 2), settings, why="too small", rollback=True)
    assert to_roll_back_to(read(settings).versions(ENTRY)) == 1  # not to the third again
    promotion.abdicate(read(settings).numbered(ENTRY, 2), "its code is gone", settings)
    judged(settings, make_model, "fourth", 0.7, seed=3)
    *_, by_hand, rollback, abdication, last = told(settings).reigns
    assert (by_hand.version, by_hand.how, by_hand.why) == (3, "by hand", "smaller")
    assert (rollback.version, rollback.how, rollback.why) == (2, "rollback", "too small")
    assert by_hand.who == rollback.who != ""
    assert (abdication.version, abdication.why) == (None, "version 2 abdicated: its code is gone")
    assert (last.version, last.how, last.until, last.now) == (4, "gate", None, True)
    assert last.why.startswith("better than the floor")
    for before, after in zip(told(settings).reigns, told(settings).reigns[1:], strict=False):
        assert before.until == after.since is not None
        assert not before.now


def test_the_same_weights_go_on(settings: Settings, make_model: Making) -> None:
    judged(settings, make_model, "first", 0.5)
    judged(settings, make_model, "anew", 0.5, weights="first", protocol="digits-test/accuracy@1:anew")
    assert reigned(settings) == [(None, ""), (1, "gate"), (2, "same weights")]
    step = told(settings).steps[1]
    assert (step.compares, step.changes[-1]) == (False, "the same weights")


def test_what_nobody_wrote_down_is_told_as_such(settings: Settings, make_model: Making) -> None:
    judged(settings, make_model, "first", 0.5)
    judged(settings, make_model, "second", 0.9, seed=1)
    connect(settings).set_registered_model_alias(ENTRY, "champion", "1")
    *_, second, moved = told(settings).reigns
    assert (second.version, second.until) == (2, None)
    assert (moved.version, moved.how, moved.since, moved.now) == (1, "unknown", None, True)
    connect(settings).delete_registered_model_alias(ENTRY, "champion")
    assert told(settings).reigns[-1].version is None
    with pytest.raises(ValueError, match="the floor reigns: there is no champion to roll back from"):
        to_roll_back_to(read(settings).versions(ENTRY))


def test_an_abdication_of_before_has_no_date(settings: Settings, make_model: Making) -> None:
    first = judged(settings, make_model, "first", 0.9)
    promotion.abdicate(first, "gone", settings)
    connect(settings).delete_model_version_tag(ENTRY, "1", ABDICATED_ON)
    judged(settings, make_model, "second", 0.7, seed=1)
    assert [(r.version, r.until is None) for r in told(settings).reigns] == [(None, False), (1, True), (2, True)]


def test_there_is_nobody_to_roll_back_to(settings: Settings, make_model: Making) -> None:
    judged(settings, make_model, "first", 0.9)
    with pytest.raises(ValueError, match="version 1 took over from the floor"):
        to_roll_back_to(read(settings).versions(ENTRY))
    second = judged(settings, make_model, "second", 0.7, seed=1)
    promotion.promote(second, settings, why="smaller")
    promotion.abdicate(read(settings).numbered(ENTRY, 1), "gone", settings)
    with pytest.raises(ValueError, match="version 2 took over from the floor"):  # the first cannot be scored any more
        to_roll_back_to(read(settings).versions(ENTRY))
    with pytest.raises(ValueError, match=f"no entry 'x.y' in the registry; it has: {ENTRY}"):
        history(read(settings), "x.y")


def test_changes_by_kind(settings: Settings, make_model: Making) -> None:
    recipe = {"steps": 20, "learning_rate": 0.1}
    first = store.register(make_model("first", recipe=recipe), settings)
    longer = store.register(make_model("longer", recipe={**recipe, "steps": 40, "depth": 2}), settings)
    assert registered_changes(first, longer) == ("recipe steps 20 -> 40", "recipe depth None -> 2")
    assert registered_changes(longer, first) == ("recipe steps 40 -> 20", "recipe depth 2 -> None")
    data = store.register(make_model("data", recipe=recipe, data_digest="e" * 32), settings)
    assert registered_changes(first, data) == ("data digits changed", "scored on dddddddd -> eeeeeeee")
    upstream = store.register(make_model("upstream", recipe=recipe, upstream={"raft.x": "1"}), settings)
    assert registered_changes(first, upstream) == ("upstream raft.x changed",)
    code = store.register(make_model("code", recipe=recipe), settings)
    assert registered_changes(first, code) == ("code",)
    assert registered_changes(first, first) == ("the same weights",)


def test_steps(settings: Settings, make_model: Making) -> None:
    judged(settings, make_model, "first", 0.5)
    judged(settings, make_model, "second", 0.9, seed=1, recipe={"steps": 40, "learning_rate": 0.1})
    first, second = told(settings).steps
    assert (first.version, first.changes, first.compares, first.verdict) == (1, (), False, "PROMOTE")
    assert (second.changes, second.compares) == (("recipe steps 20 -> 40",), True)
    assert second.value > first.value
    assert datetime.now(UTC) - second.created < timedelta(hours=1)
    assert told(settings).metric.name == "accuracy"
    assert [s.changes for s in history(read(settings), ENTRY, changes=lambda a, b: [f"{a} {b}"]).steps] == [
        (),
        (f"{ENTRY}/1 {ENTRY}/2",),
    ]

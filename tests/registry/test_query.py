"""Expressions are understood or refused, never executed; standings tell what the registry holds."""

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import promotion, store
from registry.glance import read
from registry.query import Expression, Facts, lineage, select, standings
from registry.settings import Settings

from .conftest import ENTRY, Making, identity_of

NET: Facts = {"miou": 0.6, "parameters": 25_000_000, "dataset": "collage-seg", "delta": None, "champion": True}
GAN: Facts = {"fid": 2.5, "parameters": 40_000_000, "dataset": "digits", "floor": 0}
KNOWN = {*NET, *GAN}


@pytest.mark.parametrize(
    ("condition", "net", "gan"),
    [
        ("miou > 0.5", True, False),
        ("mIoU>0.5 and parameters<30e6", True, False),
        ("not miou > 0.5", False, False),
        ("not fid > 3", False, True),
        ("miou > 0.5 or fid < 3", True, True),
        ("miou > 0.9 or parameters > 30e6", False, True),
        ("0.5 < miou <= 0.6", True, False),
        ("'SEG' in dataset", True, False),
        ("'seg' not in dataset", False, True),
        ("dataset == 'digits'", False, True),
        ("dataset != 'digits'", True, False),
        ("parameters / 1e6 - 5 >= 2 * 10", True, True),
        ("miou * -1 < -0.5", True, False),
        ("delta > 0", False, False),
        ("champion", True, False),
        ("fid / floor > 1", False, False),
    ],
)
def test_a_condition_holds_where_it_should(condition: str, net: bool, gan: bool) -> None:
    asked = Expression(condition, KNOWN)
    assert (asked.holds(NET), asked.holds(GAN)) == (net, gan)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("miuo > 0.5", "nothing registered has 'miuo'; did you mean: miou"),
        ("miou = 0.5", "two = for equals"),
        ("miou >", "As in: miou > 0.5"),
        ("", "As in: miou > 0.5"),
        ("print(miou)", "'print(miou)' is not understood"),
        ("().__class__", "is not understood"),
        ("miou.real > 0", "'miou.real' is not understood"),
        ("[x for x in miou]", "is not understood"),
        ("lambda: 1", "is not understood"),
        ("miou ** 9 ** 9 > 0", "is not understood"),
        ("miou if miou else fid", "is not understood"),
        ("(miou := 1) > 0", "is not understood"),
        ("f'{miou}' == 'x'", "is not understood"),
        ("miou is 1", "is not understood"),
        ("miou > b'x'", "is not understood"),
        ("(" * 240 + "miou > 0" + ")" * 240, "too many nested parentheses"),
        ("miou > " + "1" * 600, "at most 500 characters"),
    ],
)
def test_what_is_no_condition_is_refused_before_anything_is_asked(condition: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        Expression(condition, KNOWN)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("dataset > 0.5", "one is a text, the other a number"),
        ("dataset + 1 > 2", "expected numbers to compute with"),
        ("miou", "expected a condition"),
        ("miou and champion", "expected a condition, got 'miou'"),
    ],
)
def test_what_cannot_be_compared_is_named(condition: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        Expression(condition, KNOWN).holds(NET)


@given(st.text(max_size=60))
def test_any_text_is_a_condition_or_a_clear_error(text: str) -> None:
    with suppress(ValueError):
        assert isinstance(Expression(text, KNOWN).holds(NET), bool)


NUMBERS = st.sampled_from(["miou", "parameters", "fid", "1", "0.5", "-2"])


@given(NUMBERS, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), NUMBERS, st.booleans())
def test_numbers_compare_as_in_python(left: str, op: str, right: str, negated: bool) -> None:
    known = {name: value for name, value in NET.items() if name in ("miou", "parameters")}
    condition = f"{'not ' if negated else ''}{left} {op} {right}"
    expected = "fid" not in condition and eval(condition, {}, known)
    assert Expression(condition, KNOWN).holds(NET) is expected


@pytest.fixture
def held(settings: Settings, make_model: Making) -> Settings:
    """A champion with a later version that is no better, an entry without a champion, and one built on the first."""
    for name, entry, right, upstream in (
        ("a", ENTRY, 0.9, {}),
        ("b", ENTRY, 0.85, {}),
        ("c", "fcn8s.digits", 0.0, {}),
        ("d", "siamfc.digits", 0.6, {ENTRY: identity_of("a"), "gone.digits": "0" * 64}),
    ):
        made = make_model(name, entry=entry, right=right, upstream=upstream, recipe={"steps": len(name), "rate": right})
        promotion.challenge(store.register(made, settings), settings)
    return settings


def test_standings_are_champions_and_what_is_newer(held: Settings) -> None:
    snapshot = read(held)
    first, floored, built = standings(snapshot)
    assert [str(one.version) for one in (first, floored, built)] == [f"{ENTRY}/1", "fcn8s.digits/1", "siamfc.digits/1"]
    assert first.latest.number == 2
    assert first.delta == pytest.approx(first.latest.record.score.metrics["accuracy"] - first.value)
    assert first.delta < 0
    assert (floored.version.champion, floored.delta, floored.gain) == (False, None, pytest.approx(0))
    assert first.facts["accuracy"] == first.value == first.facts["value"]
    assert (first.facts["rate"], first.facts["area"], first.facts["licence"]) == (0.9, "recognition", "not recorded")
    assert lineage(built.version, snapshot) == ({ENTRY: f"{ENTRY}/1", "gone.digits": None}, ())
    assert lineage(first.version, snapshot) == ({}, ("siamfc.digits/1",))


def test_select_filters_sorts_and_limits(held: Settings) -> None:
    among = standings(read(held))

    def chosen(**asked: object) -> list[str]:
        return [one.entry.family for one in select(among, **asked)]  # type: ignore[arg-type]

    assert chosen(area="tracking") == ["siamfc"]
    assert chosen(dataset="dig*") == [one.entry.family for one in among]
    assert chosen(dataset="camvid") == []
    assert chosen(licence="NOT rec", limit=2) == ["digit-classifier", "fcn8s"]
    assert chosen(where="accuracy > 0.5", sort="value") == ["siamfc", "digit-classifier"]
    assert chosen(sort="-accuracy") == ["digit-classifier", "siamfc", "fcn8s"]
    assert chosen(sort="-family") == ["siamfc", "fcn8s", "digit-classifier"]
    assert chosen(sort="delta")[0] == "digit-classifier"
    with pytest.raises(ValueError, match="no area 'trakcing'; the areas are: "):
        chosen(area="trakcing")
    with pytest.raises(ValueError, match="nothing registered has 'acuracy'; did you mean: accuracy"):
        chosen(sort="acuracy")
    assert select((), where="miou > 0.5", sort="miou") == ()

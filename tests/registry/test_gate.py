"""The gate's statistics: comparable or refused, right by hand, fair over a year, and the same again when replayed."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import t

from registry import gate, weighing
from registry.gate import (
    AGREEMENT,
    RULING,
    Echo,
    Side,
    Succession,
    Terms,
    Verdict,
    Weighed,
    differences,
    judge,
    replay,
    weigh,
)
from registry.weighing import ROUNDING
from zoo.scoring.metrics import Metric
from zoo.scoring.protocols import SCORINGS, scoring
from zoo.scoring.units import Units

UNITS = 40
ASKED = datetime(2026, 11, 25, 3, tzinfo=UTC)
DRAWS = {"resamples": 200, "seed": 7}


def terms(**changes: object) -> Terms:
    return Terms(**{"asked": ASKED, "purse": 0.06, "stake": 0.03, "rebuild": False} | changes)  # type: ignore[arg-type]


NUMBERS = {"terms": terms(), **DRAWS}


@dataclass(frozen=True)
class Mean:
    """The mean of `value`, whose standard error is known; its negative comes second and must not rank."""

    id: str = "mean@1"
    paired: bool = True
    higher_is_better: bool = True

    @property
    def metrics(self) -> tuple[Metric, ...]:
        ranges = {"unit": "px", "lowest": -100, "highest": 100}
        return (
            Metric(name="mean", higher_is_better=self.higher_is_better, **ranges),  # type: ignore[arg-type]
            Metric(name="negative", higher_is_better=self.higher_is_better, **ranges),  # type: ignore[arg-type]
        )

    def aggregate(self, units: Units, counts: npt.NDArray[np.int64] | None = None) -> dict[str, float]:
        values = units.rows["value"]
        mean = float(values.mean() if counts is None else counts @ values / counts.sum())
        return {"negative": -mean, "mean": mean}


def units(values: npt.ArrayLike) -> Units:
    return Units({"value": np.asarray(values, dtype=np.float64)})


def side(folder: Path, number: int | None, values: npt.ArrayLike, **changes: str) -> Side:
    path = folder / f"{number}.parquet"
    units(values).write(path)
    return Side(number=number, units=path, **({"protocol": "x-val/mean@1", "data_digest": "d"} | changes))


def compare(folder: Path, new: npt.ArrayLike, old: npt.ArrayLike, *, resamples: int = 500, **how: object) -> Verdict:
    sides = side(folder, 2, new), side(folder, 1, old)
    return judge(*sides, Mean(), entry="a.b", terms=terms(**how), resamples=resamples)


@pytest.fixture
def pair() -> tuple[Units, Units]:
    """A challenger that is better by 0.3, and its champion."""
    random = np.random.default_rng(3)
    old = random.normal(size=UNITS)
    return units(old + random.normal(0.3, 0.2, size=UNITS)), units(old)


# The arithmetic


def test_every_number_of_a_weighing_by_hand(pair: tuple[Units, Units]) -> None:
    """The bootstrap done again with explicit draws of a plain loop, Student's t by another function."""
    new, old = (side.rows["value"] for side in pair)
    asked = terms(stake=0.004, margin=0.1, pool={3: 0.05, 4: 0.07})
    weighed = weigh(*pair, Mean(), terms=asked, resamples=300, seed=5)
    random = np.random.default_rng(5)
    drawn = [np.repeat(np.arange(UNITS), random.multinomial(UNITS, [1 / UNITS] * UNITS)) for _ in range(300)]
    today = np.std([new[rows].mean() - old[rows].mean() for rows in drawn], ddof=1) * np.sqrt(40 / 39)
    pooled = np.sqrt((today**2 + 0.05**2 + 0.07**2) / 3)
    assert today < pooled
    reach = t.ppf(1 - 0.004, 12) * pooled  # 4 degrees for each of three challenges
    gain = new.mean() - old.mean()
    assert weighed.model_dump() == {
        "rule": "purse@1",
        "terms": asked.model_dump(),
        "decision": "PROMOTE",
        "metric": "mean",
        "challenger_value": pytest.approx(new.mean()),
        "challenger_error": pytest.approx(np.std([new[rows].mean() for rows in drawn], ddof=1)),
        "champion_value": pytest.approx(old.mean()),
        "gain": pytest.approx(gain),
        "standard_error": pytest.approx(today),
        "interval": pytest.approx((gain - reach, gain + reach)),
        "alpha": 0.004,
        "unit_count": UNITS,
        "resamples": 300,
        "seed": 5,
        "degrees": 12,
        "error": pytest.approx(pooled),
        "guarded": (),
    }
    assert weighed.corrected_error == weighed.standard_error


def test_the_standard_error_is_that_of_a_paired_mean(pair: tuple[Units, Units]) -> None:
    new, old = (side.rows["value"] for side in pair)
    by_hand = np.std(new - old, ddof=1) / np.sqrt(UNITS)
    weighed = weigh(*pair, Mean(), terms=terms(), resamples=2000, seed=0)
    assert weighed.standard_error == pytest.approx(by_hand, rel=0.06)
    assert weighed.error == weighed.standard_error  # nothing is pooled yet


def test_the_bootstrap_divides_by_n_and_that_is_made_good(pair: tuple[Units, Units]) -> None:
    """At five units it is 12 percent: the values of a resampled mean have the plug-in variance."""
    few = [units(side.rows["value"][:5]) for side in pair]
    weighed = weigh(*few, Mean(), terms=terms(), resamples=20_000, seed=0)
    difference = few[0].rows["value"] - few[1].rows["value"]
    assert weighed.standard_error == pytest.approx(np.std(difference, ddof=1) / np.sqrt(5), rel=0.02)


@pytest.mark.parametrize(
    ("unit_count", "earlier", "degrees", "against_the_floor"),
    [
        (5, 0, 4, 4),  # n - 1
        (9, 0, 4, 4),  # of 8, what one challenge is good for
        (1000, 0, 4, 100),
        (5, 1, 6.4, 6.4),  # 4 m (n - 1) / (m + 3) = 4 * 2 * 4 / 5
        (5, 97, 4 * 98 * 4 / 101, 4 * 98 * 4 / 101),
        (40, 1, 8, 8),
        (60, 1, 8, 12),
        (40, 49, 4 * 50 * 39 / 53, 4 * 50 * 39 / 53),
        (40, 35, 144, 144),  # both give 144
    ],
)
def test_degrees_of_freedom_by_hand(unit_count: int, earlier: int, degrees: float, against_the_floor: float) -> None:
    pool = dict.fromkeys(range(3, 3 + earlier), 0.1)
    assert ruled(unit_count=unit_count, pool=pool).degrees == pytest.approx(degrees)
    assert ruled(unit_count=unit_count, pool=pool, floor=True).degrees == pytest.approx(against_the_floor)


@pytest.mark.parametrize(("pool", "error"), [({}, 0.2), ({3: 0.1}, 0.2), ({3: 0.4}, np.sqrt(0.1)), ({3: 0.2}, 0.2)])
def test_the_larger_of_todays_error_and_the_pooled_one_decides(pool: dict[int, float], error: float) -> None:
    weighed = ruled(pool=pool)
    assert (weighed.standard_error, weighed.error) == (pytest.approx(0.2), pytest.approx(error))
    assert weighed.interval is not None
    reach = t.ppf(1 - 0.03, 4 * (1 + len(pool))) * error
    assert weighed.interval == pytest.approx((0.5 - reach, 0.5 + reach))


def ruled(*, unit_count: int = 40, gain: float = 0.5, value: float = 1.5, **changes: object) -> Weighed:
    """The rule on numbers that are known: a gain and its standard error, 0.2 after the correction."""
    found = weighing.Measured(
        challenger_value=value,
        challenger_error=0.3,
        champion_value=value - gain,
        gain=gain,
        standard_error=0.2 * np.sqrt(max(1, unit_count - 1) / unit_count),
    )
    asked = terms(**changes)
    return gate.rule(found, (), metric="mean", unit_count=unit_count, terms=asked, resamples=200, seed=7)


def test_under_five_units_nothing_is_asked() -> None:
    for unit_count in (1, 2, 4):
        weighed = ruled(unit_count=unit_count, gain=50.0, value=60.0)
        assert (weighed.decision, weighed.interval, weighed.alpha) == ("HOLD", None, 0.0)
        assert weighed.standard_error == pytest.approx(0.2)
    assert ruled(unit_count=5, gain=50.0, value=60.0).decision == "PROMOTE"
    assert ruled(unit_count=4, gain=-50.0).decision == "HOLD"
    assert ruled(unit_count=5, gain=-50.0).decision == "REJECT"


def test_an_empty_purse_asks_nothing() -> None:
    assert ruled(gain=40.0, value=60.0, stake=1e-9).decision == "HOLD"  # 4 degrees: t is 234, the bar 47
    assert ruled(gain=500.0, value=600.0, stake=1e-9).decision == "PROMOTE"
    empty = ruled(gain=500.0, value=600.0, stake=0.99e-9)
    assert (empty.decision, empty.interval, empty.alpha) == ("HOLD", None, 0.0)


def test_a_tiny_stake_is_no_infinite_bar() -> None:
    """1 - 1e-9 still is a number, 1 - 1e-17 would be 1: the quantile is that of the lower tail."""
    weighed = ruled(stake=1e-9, pool=dict.fromkeys(range(3, 1000), 0.2))
    assert weighed.interval is not None
    reach = weighed.interval[1] - weighed.gain
    assert reach == pytest.approx(-t.ppf(1e-9, weighed.degrees) * 0.2, rel=1e-9)


def test_unpaired_units_are_drawn_independently_and_the_smaller_set_counts() -> None:
    values = np.random.default_rng(0).normal(size=UNITS)
    unpaired = weigh(units(values + 1), units(values[:30]), Mean(paired=False), terms=terms(), resamples=2000, seed=1)
    by_hand = np.sqrt(30 / 29) * np.sqrt(np.var(values) / UNITS + np.var(values[:30]) / 30)
    assert unpaired.standard_error == pytest.approx(by_hand, rel=0.06)
    assert unpaired.unit_count == 30
    assert weigh(units(values[:30]), units(values), Mean(paired=False), **NUMBERS).unit_count == 30


# The decision


@pytest.mark.parametrize(("higher", "decisions"), [(True, ("PROMOTE", "REJECT")), (False, ("REJECT", "PROMOTE"))])
def test_direction(pair: tuple[Units, Units], higher: bool, decisions: tuple[str, str]) -> None:
    better, worse = pair
    scoring = Mean(higher_is_better=higher)
    up, down = weigh(better, worse, scoring, **NUMBERS), weigh(worse, better, scoring, **NUMBERS)
    assert (up.decision, down.decision) == decisions
    assert up.gain == pytest.approx(0.3 if higher else -0.3, abs=0.1)
    assert down.gain == -up.gain


@pytest.mark.parametrize(
    ("counting", "metric", "higher"),
    [
        ("accuracy", "accuracy", True),
        ("coco", "mask_AP", True),
        ("epe", "EPE", False),
        ("actions", "accuracy", True),
        ("bpd", "bits_per_dim", False),
        ("fid", "classifier_FID", False),
        ("inception", "FID", False),
        ("miou", "mIoU", True),
        ("ope", "success_auc", True),
    ],
)
def test_which_metric_ranks_and_which_way(counting: str, metric: str, higher: bool) -> None:
    """A metric turned round, or another one in front, would promote the worse model."""
    ids = [name for name in SCORINGS if name.partition("@")[0] == counting]
    assert ids
    for name in ids:
        of = scoring(f"x-val/{'classifier-' if counting == 'fid' else ''}{name}")
        assert (of.metrics[0].name, of.metrics[0].higher_is_better) == (metric, higher)


def test_all_of_the_interval_has_to_lie_above_the_margin(pair: tuple[Units, Units]) -> None:
    interval = weigh(*pair, Mean(), **NUMBERS).interval
    assert interval is not None
    assert interval[0] > 0
    for margin, decision in ((interval[0], "HOLD"), (float(np.nextafter(interval[0], 0)), "PROMOTE")):
        assert weigh(*pair, Mean(), terms=terms(margin=margin), **DRAWS).decision == decision


def test_all_of_it_has_to_lie_below_zero_for_a_rejection(pair: tuple[Units, Units]) -> None:
    better, worse = pair
    assert weigh(worse, better, Mean(), terms=terms(margin=5.0), **DRAWS).decision == "REJECT"
    slightly = units(better.rows["value"] - 0.01 * np.arange(UNITS))
    assert weigh(slightly, better, Mean(), terms=terms(stake=1e-3), **DRAWS).decision == "REJECT"
    noisy = units(better.rows["value"] + np.tile([1.0, -1.1], UNITS // 2))
    weighed = weigh(noisy, better, Mean(), **NUMBERS)
    assert weighed.interval is not None
    assert weighed.interval[0] < weighed.gain < 0 < weighed.interval[1]
    assert weighed.decision == "HOLD"
    assert weighing.decided(-1.0, 0.0, margin=0.0) == weighing.decided(0.0, 1.0, margin=0.0) == "HOLD"


@pytest.mark.parametrize("shift", [0.0, 1.0, 0.1, -0.1])
def test_without_a_spread_nothing_is_proven(pair: tuple[Units, Units], shift: float) -> None:
    """All units differ alike, exactly or but for rounding: the units say nothing about chance."""
    _, old = pair
    weighed = weigh(units(old.rows["value"] + shift), old, Mean(), **NUMBERS)
    assert weighed.decision == "HOLD"
    assert weighed.gain == pytest.approx(shift)
    assert weighed.standard_error < 1e-15
    spread = units(old.rows["value"] + 1.0 + 1e-6 * np.arange(UNITS))
    assert weigh(spread, old, Mean(), **NUMBERS).decision == "PROMOTE"


def test_no_spread_is_measured_by_the_larger_of_the_values() -> None:
    """90 against 0.001: what the gain wanders by is rounding, as large as values of 90 have it."""
    near_zero = np.full(UNITS, 0.001)
    weighed = weigh(units(near_zero + 90 + 1e-12 * np.arange(UNITS)), units(near_zero), Mean(), **NUMBERS)
    assert 0 < weighed.standard_error < 90 * ROUNDING
    assert weighed.decision == "HOLD"
    assert (ROUNDING, AGREEMENT) == (1e-12, 1e-9)


def test_a_spread_as_large_as_rounding_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    sides = units(np.tile([1.0, 3.0], UNITS // 2)), units(np.tile([0.0, 0.5, 0.25, 0.5], UNITS // 4))
    weighed = weigh(*sides, Mean(), **NUMBERS)
    assert weighed.decision == "PROMOTE"
    for rounding, decision in ((1.0, "HOLD"), (1 - 2**-50, "PROMOTE")):  # of the values' 2, a power of two: exactly
        monkeypatch.setattr(weighing, "ROUNDING", weighed.standard_error / 2 * rounding)
        assert weigh(*sides, Mean(), **NUMBERS).decision == decision


# What must not suffer


def test_another_metric_must_not_suffer(pair: tuple[Units, Units]) -> None:
    """`negative` falls by as much as the mean rises; at worst by what its one-sided 95 % interval says."""
    free = weigh(*pair, Mean(), **NUMBERS)
    assert free.decision == "PROMOTE"
    at_worst = -free.gain - t.ppf(0.95, UNITS - 1) * free.standard_error
    for may_lose, decision, kept in ((-at_worst + 1e-9, "PROMOTE", True), (-at_worst - 1e-9, "HOLD", False)):
        weighed = weigh(*pair, Mean(), terms=terms(may_lose={"negative": may_lose}), **DRAWS)
        (guarded,) = weighed.guarded
        assert (weighed.decision, guarded.kept, guarded.metric, guarded.may_lose) == (
            decision,
            kept,
            "negative",
            may_lose,
        )
        assert guarded.gain == pytest.approx(-free.gain)
        assert guarded.standard_error == pytest.approx(free.standard_error)
        assert guarded.at_worst == pytest.approx(at_worst)
    # Whether it suffers saves nobody from a rejection, and a gain of it promotes nobody.
    worse = weigh(*pair[::-1], Mean(), terms=terms(may_lose={"negative": 0.0}), **DRAWS)
    assert (worse.decision, worse.guarded[0].kept) == ("REJECT", True)


def test_all_of_several_must_not_suffer(pair: tuple[Units, Units]) -> None:
    weighed = weigh(*pair, Mean(), terms=terms(may_lose={"mean": 0.0, "negative": 0.0}), **DRAWS)
    assert ([guard.kept for guard in weighed.guarded], weighed.decision) == ([True, False], "HOLD")


def test_exactly_what_may_be_lost_may_be_lost() -> None:
    """Without a spread the loss is what it is; one unit alone has none either."""
    for count in (1, 8):  # halves of halves, which are exact
        old = units(np.arange(float(count)))
        new = units(old.rows["value"] + 0.25)
        for may_lose, kept in ((0.25, True), (0.125, False)):
            weighed = weigh(new, old, Mean(), terms=terms(may_lose={"negative": may_lose}), **DRAWS)
            assert (weighed.guarded[0].kept, weighed.guarded[0].at_worst) == (kept, -0.25)


def test_of_units_that_are_not_the_same_the_fewer_count_for_what_must_not_suffer() -> None:
    random = np.random.default_rng(2)
    sides = units(random.normal(size=UNITS)), units(random.normal(size=4))
    guarded = weigh(*sides, Mean(paired=False), terms=terms(may_lose={"mean": 0.0}), **DRAWS).guarded[0]
    assert guarded.at_worst == pytest.approx(guarded.gain - t.ppf(0.95, 3) * guarded.standard_error)


def test_two_units_say_how_far_a_loss_may_go() -> None:
    new, old = units([1.0, 3.0]), units([0.0, 0.0])
    guarded = weigh(new, old, Mean(), terms=terms(may_lose={"mean": 0.0}), **DRAWS).guarded[0]
    assert guarded.at_worst == pytest.approx(2.0 - t.ppf(0.95, 1) * guarded.standard_error)


def test_what_cannot_be_guarded_is_named(pair: tuple[Units, Units]) -> None:
    with pytest.raises(ValueError, match=r"mean@1 has no metric 'meen'; it has: mean, negative"):
        weigh(*pair, Mean(), terms=terms(may_lose={"meen": 0.1}), **DRAWS)
    random = np.random.default_rng(0)
    rows = {"features": random.random((30, 4)), "probabilities": np.full((30, 2), 0.5)}
    drawn = Units(rows, {"reference": random.random((40, 4))})
    asked = terms(may_lose={"classifier_IS": 0.1})
    with pytest.raises(ValueError, match=r"classifier_IS: expected a metric that can be had of resampled units"):
        weigh(drawn, drawn, scoring("x-train/classifier-fid@1"), terms=asked, **DRAWS)


# A year of it


def test_equals_reigns_are_short_in_few_years_and_better_ones_are_seen() -> None:
    """150 years of 12 asks by equals: 7.5 wrong promotions at most are promised, and 16 would be three sigmas away."""
    random = np.random.default_rng(11)
    assert sum(_is_deposed(random, gain=0.0) for _ in range(150)) <= 16
    assert sum(_is_deposed(random, gain=2.0) for _ in range(20)) == 20


def _is_deposed(random: np.random.Generator, *, gain: float, asks: int = 12) -> bool:
    """Whether one of many challengers gets past the gate's arithmetic; the champion's own luck is shared by all."""
    hardness, luck = random.normal(size=UNITS), random.normal(size=UNITS)
    old, pool, left = units(hardness + luck), dict[int, float](), 0.01
    for ask in range(asks):
        purse = min(0.01, left + 0.04 / asks)
        new = units(hardness + gain + random.normal(size=UNITS))
        asked = terms(purse=purse, stake=purse / 2, pool=pool)
        weighed = weigh(new, old, Mean(), terms=asked, resamples=50, seed=ask)
        if weighed.decision == "PROMOTE":
            return True
        pool, left = pool | {ask: weighed.standard_error}, purse / 2
    return False


# What is compared at all


def test_only_what_compares_is_compared(tmp_path: Path) -> None:
    new, ones = side(tmp_path, 2, np.arange(4.0)), np.ones(4)

    def against(champion: Side, challenger: Side = new) -> Verdict:
        return judge(challenger, champion, Mean(), entry="a.b", terms=terms())

    with pytest.raises(ValueError, match=r"^protocol: challenger has x-val/mean@1, champion x-val/mean@2: their num"):
        against(side(tmp_path, 1, ones, protocol="x-val/mean@2"))
    with pytest.raises(ValueError, match=r"^data_digest: challenger has d, champion other"):
        against(side(tmp_path, 1, ones, data_digest="other"))
    with pytest.raises(ValueError, match="same units on both sides, got 4 and 5"):
        against(side(tmp_path, 1, np.ones(5)))
    with pytest.raises(ValueError, match="finite"):
        against(new, side(tmp_path, 3, [1, np.nan, 2, 3]))
    with pytest.raises(ValueError, match=r"mean = 101.0: expected a finite value in \[-100, 100\]"):
        against(new, side(tmp_path, 3, [101.0] * 4))
    one = against(side(tmp_path, 1, [0.0]), side(tmp_path, 2, [1.0]))
    assert (one.decision, one.unit_count, one.standard_error) == ("HOLD", 1, 0.0)


@pytest.mark.parametrize("names", [["cat", "dog"], [139, 724]])
def test_paired_units_are_the_same_things_in_the_same_order(tmp_path: Path, names: list[object]) -> None:
    sides = []
    for number, order in ((1, names), (2, names[::-1])):
        path = tmp_path / f"{number}.parquet"
        Units({"image": np.array(order), "value": np.arange(2.0)}).write(path)
        sides.append(Side(number=number, protocol="p", data_digest="d", units=path))
    with pytest.raises(ValueError, match="column 'image' differs"):
        judge(*sides, Mean(), entry="a.b", terms=terms())
    assert judge(*sides, Mean(paired=False), entry="a.b", terms=terms()).gain == 0


# The verdict, and making it again


def test_a_verdict_says_whom_and_what_it_compared(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    new, old = random.normal(1, 1, UNITS), random.normal(0, 1, UNITS)
    verdict = compare(tmp_path, new, old)
    assert (verdict.entry, verdict.challenger, verdict.champion) == ("a.b", 2, 1)
    assert (verdict.protocol, verdict.data_digest) == ("x-val/mean@1", "d")
    assert (verdict.terms, verdict.resamples) == (terms(), 500)
    assert set(verdict.units) == {"challenger/2.parquet", "champion/1.parquet"}
    assert {len(digest) for digest in verdict.units.values()} == {64}
    low, high = verdict.interval or (0.0, 0.0)
    chance = f"mean gain {verdict.gain:+.4g}, interval [{low:+.4g}, {high:+.4g}] over 40 units"
    assert verdict.reason == (
        f"better than champion a.b/1 by more than chance and the margin of 0: {chance}, 0.03 staked of a purse of 0.06"
    )
    assert compare(tmp_path, old, new).reason.startswith("worse than champion a.b/1 by more than chance: mean gain -")
    assert compare(tmp_path, new, new).reason.startswith("not proven better than champion a.b/1: mean gain +0")
    floor = judge(side(tmp_path, 2, new), side(tmp_path, None, old), Mean(), entry="a.b", terms=terms())
    assert (floor.champion, floor.reason.partition(" by")[0]) == (None, "better than the floor")
    unnumbered = judge(side(tmp_path, None, new), side(tmp_path, 1, old), Mean(), entry="a.b", terms=terms())
    assert unnumbered.challenger == 0


def test_why_nothing_was_asked_or_promoted_is_told(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    new, old = random.normal(1, 1, UNITS), random.normal(0, 1, UNITS)
    few = compare(tmp_path, new[:4], old[:4]).reason
    assert few.startswith("not asked: 4 units prove nothing, it takes 5; a person may decide (zoo promote): mean gain ")
    assert few.endswith(" over champion a.b/1")
    assert compare(tmp_path, new[:5], old[:5]).reason.startswith("not proven")
    assert compare(tmp_path, new, old, stake=1e-12).reason.startswith("not asked: the purse of error is empty until")
    suffers = compare(tmp_path, new, old, may_lose={"negative": 0.1, "mean": 0.0})
    assert suffers.reason.startswith(
        "better than champion a.b/1, but not shown to keep: negative may lose 0.1, at worst -"
    )
    assert "mean may lose" not in suffers.reason
    assert compare(tmp_path, new, old, may_lose={"negative": 0.1}, margin=5.0).reason.startswith("not proven better")


def test_the_draws_depend_on_everything_that_was_asked(tmp_path: Path) -> None:
    """So that no seed is ever chosen, and the same question always has the same answer."""
    random = np.random.default_rng(5)
    new, old = random.normal(size=UNITS), random.normal(size=UNITS)
    first = compare(tmp_path, new, old)
    assert compare(tmp_path, new, old) == first
    same = compare(tmp_path, new, old, asked=ASKED + timedelta(days=1), purse=0.1, rebuild=True, floor=True)
    assert same.seed == first.seed  # asked on another day, nothing is drawn anew
    others = [
        compare(tmp_path, new, old, stake=0.02),
        compare(tmp_path, new, old, margin=0.1),
        compare(tmp_path, new, old, pool={1: 0.1}),
        compare(tmp_path, new, old, may_lose={"mean": 0.1}),
        compare(tmp_path, new, old, resamples=400),
        compare(tmp_path, old, new),
        *(
            judge(*(side(tmp_path, n, v, **other) for n, v in ((2, new), (1, old))), Mean(), entry="a.b", terms=terms())
            for other in ({"protocol": "q"}, {"data_digest": "e"})
        ),
    ]
    assert len({first.seed, *(verdict.seed for verdict in others)}) == 9
    assert all(verdict.seed < 2**64 for verdict in (first, *others))


def test_replay_gives_the_same_answer_and_refuses_other_units(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    asked = {"stake": 0.002, "margin": 0.1, "pool": {1: 0.2, 2: 0.3}, "may_lose": {"negative": 0.5}}
    new, old = random.normal(0.2, 1, UNITS), random.normal(0, 1, UNITS)
    verdict = compare(tmp_path, new, old, resamples=99, **asked)
    files = tmp_path / "2.parquet", tmp_path / "1.parquet"
    stored = RULING.validate_json(verdict.model_dump_json())
    assert isinstance(stored, Verdict)
    assert replay(stored, *files, Mean()) == verdict
    with pytest.raises(ValueError, match=r"verdict on a.b/2: not made from these files: .*champion/2.parquet"):
        replay(stored, *files[::-1], Mean())
    units(np.zeros(UNITS)).write(files[1])
    with pytest.raises(ValueError, match=r"not made from these files: \['champion/1.parquet'\]"):
        replay(stored, *files, Mean())


def test_constants_are_evidence_too(tmp_path: Path) -> None:
    sides = []
    for number in (2, 1):
        path = tmp_path / f"{number}.parquet"
        Units({"value": np.arange(4.0) * number}, {"reference": np.ones(3)}).write(path)
        sides.append(Side(number=number, protocol="p", data_digest="d", units=path))
    verdict = judge(*sides, Mean(), entry="a.b", terms=terms())
    assert "champion/1.safetensors" in verdict.units
    Units({"value": np.arange(4.0)}, {"reference": np.zeros(3)}).write(sides[1].units)
    for damage in (lambda: None, (tmp_path / "1.safetensors").unlink):
        damage()
        with pytest.raises(ValueError, match=r"\['champion/1.safetensors'\]"):
            replay(verdict, sides[0].units, sides[1].units, Mean())


def test_what_differs_is_named_but_not_the_last_bits(tmp_path: Path) -> None:
    verdict = compare(tmp_path, np.arange(9.0) + 0.1 * np.arange(9.0) ** 2, np.arange(9.0))
    assert verdict.interval is not None
    (low, high), gain = verdict.interval, verdict.gain
    changes: dict[tuple[str, ...], list[dict[str, object]]] = {
        (): [{}, {"gain": gain * (1 + 1e-12)}, {"interval": (low, high + 1e-12)}, {"terms": terms(purse=0.06 + 1e-13)}],
        ("gain",): [{"gain": gain * (1 + 1e-6)}],
        ("interval",): [{"interval": (low, high + 1e-6)}],
        ("decision", "unit_count"): [{"decision": "REJECT", "unit_count": 41}],
        ("terms",): [
            {"terms": terms(pool={3: 0.1})},
            {"terms": terms(purse=0.0601)},
            {"terms": terms(asked=ASKED + timedelta(seconds=1))},
        ],
        ("guarded",): [
            {"guarded": (weigh(*[units([0, 1])] * 2, Mean(), terms=terms(may_lose={"mean": 0}), **DRAWS).guarded)}
        ],
    }
    for differing, examples in changes.items():
        for changed in examples:
            assert differences(verdict, verdict.model_copy(update=changed)) == differing


def test_what_is_stored_is_a_verdict_or_a_succession(tmp_path: Path) -> None:
    verdict = compare(tmp_path, np.arange(9.0), np.ones(9))
    succession = Succession(reason="r", entry="a.b", challenger=2, champion=1, protocol="p", data_digest="d")
    echo = Echo(decision="HOLD", of=1, asked=ASKED, **succession.model_dump(exclude={"decision", "challenge", "asked"}))
    for ruling in (verdict, succession, echo):
        assert RULING.validate_json(ruling.model_dump_json()) == ruling
    assert (succession.decision, succession.challenge) == ("PROMOTE", 0)

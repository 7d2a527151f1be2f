"""The gate's statistics: comparable or refused, right by hand, fair over a reign, and the same again when replayed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import t

from registry import gate
from registry.gate import (
    AGREEMENT,
    ROUNDING,
    RULING,
    Side,
    Succession,
    Verdict,
    alpha_of,
    differences,
    judge,
    replay,
    weigh,
)
from zoo.scoring.metrics import Metric
from zoo.scoring.protocols import SCORINGS, scoring
from zoo.scoring.units import Units

UNITS = 40
NUMBERS = {"challenge": 1, "resamples": 200, "seed": 7}


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


def compare(folder: Path, new: npt.ArrayLike, old: npt.ArrayLike, **how: object) -> Verdict:
    how = {"entry": "a.b", "challenge": 1} | how
    return judge(side(folder, 2, new), side(folder, 1, old), Mean(), **how)  # type: ignore[arg-type]


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
    weighing = weigh(*pair, Mean(), challenge=4, margin=0.1, resamples=300, seed=5)
    random = np.random.default_rng(5)
    drawn = [np.repeat(np.arange(UNITS), random.multinomial(UNITS, [1 / UNITS] * UNITS)) for _ in range(300)]
    error = np.std([new[rows].mean() - old[rows].mean() for rows in drawn], ddof=1)
    alpha = 0.05 * 6 / (np.pi**2 * 4**2)
    reach = t.ppf(1 - alpha, UNITS - 1) * error
    gain = new.mean() - old.mean()
    assert weighing.model_dump() == {
        "decision": "PROMOTE",
        "metric": "mean",
        "challenger_value": pytest.approx(new.mean()),
        "challenger_error": pytest.approx(np.std([new[rows].mean() for rows in drawn], ddof=1)),
        "champion_value": pytest.approx(old.mean()),
        "gain": pytest.approx(gain),
        "standard_error": pytest.approx(error),
        "interval": pytest.approx((gain - reach, gain + reach)),
        "margin": 0.1,
        "challenge": 4,
        "alpha": pytest.approx(alpha),
        "unit_count": UNITS,
        "resamples": 300,
        "seed": 5,
    }


def test_the_standard_error_is_that_of_a_paired_mean(pair: tuple[Units, Units]) -> None:
    new, old = (side.rows["value"] for side in pair)
    by_hand = np.std(new - old) / np.sqrt(UNITS)  # the bootstrap's limit for a mean: plug-in variance
    assert weigh(*pair, Mean(), challenge=1, resamples=2000, seed=0).standard_error == pytest.approx(by_hand, rel=0.06)


def test_few_units_need_much_more(pair: tuple[Units, Units]) -> None:
    """Student's t with n - 1 degrees of freedom: at five units the reach is 2.6 standard errors of the first level."""
    few = [units(side.rows["value"][:5]) for side in pair]
    weighing = weigh(*few, Mean(), **NUMBERS)
    low, high = weighing.interval
    assert (high - low) / 2 / weighing.standard_error == pytest.approx(t.ppf(1 - 0.05 * 6 / np.pi**2, 4))
    assert (high + low) / 2 == pytest.approx(weighing.gain)


def test_unpaired_units_are_drawn_independently_and_the_smaller_set_counts() -> None:
    values = np.random.default_rng(0).normal(size=UNITS)
    unpaired = weigh(units(values + 1), units(values[:30]), Mean(paired=False), challenge=1, resamples=2000, seed=1)
    by_hand = np.sqrt(np.var(values) / UNITS + np.var(values[:30]) / 30)
    assert unpaired.standard_error == pytest.approx(by_hand, rel=0.06)
    assert unpaired.unit_count == 30
    assert weigh(units(values[:30]), units(values), Mean(paired=False), **NUMBERS).unit_count == 30


def test_levels_of_a_reign_sum_to_alpha() -> None:
    assert alpha_of(1) == pytest.approx(0.05 * 6 / np.pi**2)
    assert alpha_of(3) == pytest.approx(alpha_of(1) / 9)
    assert sum(alpha_of(k) for k in range(1, 200_000)) == pytest.approx(0.05, abs=1e-6)


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
    low, _ = weigh(*pair, Mean(), **NUMBERS).interval
    assert low > 0
    assert weigh(*pair, Mean(), margin=low, **NUMBERS).decision == "HOLD"
    assert weigh(*pair, Mean(), margin=float(np.nextafter(low, 0)), **NUMBERS).decision == "PROMOTE"


def test_all_of_it_has_to_lie_below_zero_for_a_rejection(pair: tuple[Units, Units]) -> None:
    better, worse = pair
    assert weigh(worse, better, Mean(), margin=5.0, **NUMBERS).decision == "REJECT"
    slightly = units(better.rows["value"] - 0.01 * np.arange(UNITS))
    held = weigh(slightly, better, Mean(), challenge=200, resamples=200, seed=7)
    assert held.decision == "REJECT"
    noisy = units(better.rows["value"] + np.tile([1.0, -1.1], UNITS // 2))
    weighing = weigh(noisy, better, Mean(), **NUMBERS)
    assert weighing.interval[0] < weighing.gain < 0 < weighing.interval[1]
    assert weighing.decision == "HOLD"
    assert gate._decide(-1.0, 0.0, margin=0.0) == gate._decide(0.0, 1.0, margin=0.0) == "HOLD"


@pytest.mark.parametrize("shift", [0.0, 1.0, 0.1, -0.1])
def test_without_a_spread_nothing_is_proven(pair: tuple[Units, Units], shift: float) -> None:
    """All units differ alike, exactly or but for rounding: the units say nothing about chance."""
    _, old = pair
    weighing = weigh(units(old.rows["value"] + shift), old, Mean(), **NUMBERS)
    assert weighing.decision == "HOLD"
    assert weighing.gain == pytest.approx(shift)
    assert weighing.standard_error < 1e-15
    spread = units(old.rows["value"] + 1.0 + 1e-6 * np.arange(UNITS))
    assert weigh(spread, old, Mean(), **NUMBERS).decision == "PROMOTE"


def test_no_spread_is_measured_by_the_larger_of_the_values() -> None:
    """90 against 0.001: what the gain wanders by is rounding, as large as values of 90 have it."""
    near_zero = np.full(UNITS, 0.001)
    weighing = weigh(units(near_zero + 90 + 1e-12 * np.arange(UNITS)), units(near_zero), Mean(), **NUMBERS)
    assert 0 < weighing.standard_error < 90 * ROUNDING
    assert weighing.decision == "HOLD"
    assert (ROUNDING, AGREEMENT) == (1e-12, 1e-9)


def test_a_spread_as_large_as_rounding_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    sides = units(np.tile([1.0, 3.0], UNITS // 2)), units(np.tile([0.0, 0.5, 0.25, 0.5], UNITS // 4))
    weighing = weigh(*sides, Mean(), **NUMBERS)
    assert weighing.decision == "PROMOTE"
    for rounding, decision in ((1.0, "HOLD"), (1 - 2**-50, "PROMOTE")):  # of the values' 2, a power of two: exactly
        monkeypatch.setattr(gate, "ROUNDING", weighing.standard_error / 2 * rounding)
        assert weigh(*sides, Mean(), **NUMBERS).decision == decision


def test_equal_models_are_promoted_in_at_most_alpha_of_reigns_and_better_ones_are() -> None:
    """150 reigns of 10 challenges by equals: at alpha 0.05 at most 7.5 are expected, and 16 is three sigmas away."""
    random = np.random.default_rng(11)
    assert sum(_is_deposed(random, gain=0.0) for _ in range(150)) <= 16
    assert sum(_is_deposed(random, gain=1.0) for _ in range(20)) == 20


def _is_deposed(random: np.random.Generator, *, gain: float, challenges: int = 10, resamples: int = 50) -> bool:
    """Whether one of many challengers gets past the gate's arithmetic; the champion's own luck is shared by all."""
    hardness, luck = random.normal(size=UNITS), random.normal(size=UNITS)
    old = units(hardness + luck)
    for challenge in range(1, challenges + 1):
        new = units(hardness + gain + random.normal(size=UNITS))
        if weigh(new, old, Mean(), challenge=challenge, resamples=resamples, seed=challenge).decision == "PROMOTE":
            return True
    return False


# What is compared at all


def test_only_what_compares_is_compared(tmp_path: Path) -> None:
    new, ones = side(tmp_path, 2, np.arange(4.0)), np.ones(4)

    def against(champion: Side, challenger: Side = new) -> Verdict:
        return judge(challenger, champion, Mean(), entry="a.b", challenge=1)

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
    with pytest.raises(ValueError, match="at least 2 units to compare two models on, got 1"):
        against(side(tmp_path, 1, [0.0]), side(tmp_path, 2, [1.0]))
    assert against(side(tmp_path, 1, [0.0, 1.0]), side(tmp_path, 2, [1.0, 1.5])).unit_count == 2


@pytest.mark.parametrize("names", [["cat", "dog"], [139, 724]])
def test_paired_units_are_the_same_things_in_the_same_order(tmp_path: Path, names: list[object]) -> None:
    sides = []
    for number, order in ((1, names), (2, names[::-1])):
        path = tmp_path / f"{number}.parquet"
        Units({"image": np.array(order), "value": np.arange(2.0)}).write(path)
        sides.append(Side(number=number, protocol="p", data_digest="d", units=path))
    with pytest.raises(ValueError, match="column 'image' differs"):
        judge(*sides, Mean(), entry="a.b", challenge=1)
    assert judge(*sides, Mean(paired=False), entry="a.b", challenge=1).gain == 0


# The verdict, and making it again


def test_a_verdict_says_whom_and_what_it_compared(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    new, old = random.normal(1, 1, UNITS), random.normal(0, 1, UNITS)
    verdict = compare(tmp_path, new, old)
    assert (verdict.entry, verdict.challenger, verdict.champion) == ("a.b", 2, 1)
    assert (verdict.protocol, verdict.data_digest) == ("x-val/mean@1", "d")
    assert (verdict.margin, verdict.resamples) == (0.0, 500)
    assert set(verdict.units) == {"challenger/2.parquet", "champion/1.parquet"}
    assert {len(digest) for digest in verdict.units.values()} == {64}
    low, high = verdict.interval
    chance = (
        f"mean gain {verdict.gain:+.4g}, interval [{low:+.4g}, {high:+.4g}] over 40 units, challenge 1 of this reign"
    )
    assert verdict.reason == f"better than champion a.b/1 by more than chance and the margin of 0: {chance}"
    assert compare(tmp_path, old, new).reason.startswith("worse than champion a.b/1 by more than chance: mean gain -")
    assert compare(tmp_path, new, new).reason.startswith("not proven better than champion a.b/1: mean gain +0")
    floor = judge(side(tmp_path, 2, new), side(tmp_path, None, old), Mean(), entry="a.b", challenge=1)
    assert (floor.champion, floor.reason.partition(" by")[0]) == (None, "better than the floor")
    unnumbered = judge(side(tmp_path, None, new), side(tmp_path, 1, old), Mean(), entry="a.b", challenge=1)
    assert unnumbered.challenger == 0


def test_the_draws_depend_on_everything_that_was_asked(tmp_path: Path) -> None:
    """So that no seed is ever chosen, and the same question always has the same answer."""
    random = np.random.default_rng(5)
    new, old = random.normal(size=UNITS), random.normal(size=UNITS)
    first = compare(tmp_path, new, old)
    assert compare(tmp_path, new, old) == first
    others = [
        compare(tmp_path, new, old, challenge=2),
        compare(tmp_path, new, old, margin=0.1),
        compare(tmp_path, new, old, resamples=400),
        compare(tmp_path, old, new),
        judge(*(side(tmp_path, n, v, protocol="q") for n, v in ((2, new), (1, old))), Mean(), entry="a.b", challenge=1),
        judge(
            *(side(tmp_path, n, v, data_digest="e") for n, v in ((2, new), (1, old))), Mean(), entry="a.b", challenge=1
        ),
    ]
    assert len({first.seed, *(verdict.seed for verdict in others)}) == 7
    assert all(verdict.seed < 2**64 for verdict in (first, *others))


def test_replay_gives_the_same_answer_and_refuses_other_units(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    verdict = compare(
        tmp_path, random.normal(0.2, 1, UNITS), random.normal(0, 1, UNITS), challenge=3, margin=0.1, resamples=99
    )
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
    verdict = judge(*sides, Mean(), entry="a.b", challenge=1)
    assert "champion/1.safetensors" in verdict.units
    Units({"value": np.arange(4.0)}, {"reference": np.zeros(3)}).write(sides[1].units)
    for damage in (lambda: None, (tmp_path / "1.safetensors").unlink):
        damage()
        with pytest.raises(ValueError, match=r"\['champion/1.safetensors'\]"):
            replay(verdict, sides[0].units, sides[1].units, Mean())


def test_what_differs_is_named_but_not_the_last_bits(tmp_path: Path) -> None:
    verdict = compare(tmp_path, np.arange(9.0) + 0.1 * np.arange(9.0) ** 2, np.arange(9.0))
    (low, high), gain = verdict.interval, verdict.gain
    changes: dict[tuple[str, ...], list[dict[str, object]]] = {
        (): [{}, {"gain": gain * (1 + 1e-12)}, {"interval": (low, high + 1e-12)}],
        ("gain",): [{"gain": gain * (1 + 1e-6)}],
        ("interval",): [{"interval": (low, high + 1e-6)}],
        ("decision", "unit_count"): [{"decision": "REJECT", "unit_count": 41}],
    }
    for differing, examples in changes.items():
        for changed in examples:
            assert differences(verdict, verdict.model_copy(update=changed)) == differing


def test_what_is_stored_is_a_verdict_or_a_succession(tmp_path: Path) -> None:
    verdict = compare(tmp_path, np.arange(9.0), np.ones(9))
    succession = Succession(reason="r", entry="a.b", challenger=2, champion=1, protocol="p", data_digest="d")
    for ruling in (verdict, succession):
        assert RULING.validate_json(ruling.model_dump_json()) == ruling
    assert (succession.decision, succession.challenge) == ("PROMOTE", 0)

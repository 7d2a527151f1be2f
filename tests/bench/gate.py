"""What the gate promises and what breaks it, by simulation: the tables of docs/gate.md.

    python tests/bench/gate.py [--years 4000]                  a few minutes of one core
    python tests/bench/gate.py --real --years 2                `gate.weigh` on the registered units of this project

A unit's score is one number here, and a metric its mean, so that the truth is known: a year of asks by challengers no
better than their champion, many years at once. The rule on arrays below is first compared with `registry.gate` itself.
1 SE is the true standard error of a paired gain. Seeds are fixed; the same numbers come out again.
"""

import argparse
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from registry import gate, patience, purse
from registry.evidence import alike, evaluation
from registry.gate import FEW, Terms
from registry.glance import Version, read
from registry.settings import settings
from registry.weighing import Measured
from zoo.scoring.bootstrap import RESAMPLES
from zoo.scoring.metrics import Metric
from zoo.scoring.protocols import scoring
from zoo.scoring.units import Units

Values = npt.NDArray[np.float64]
Drawing = Callable[[np.random.Generator, tuple[int, int]], Values]
NOISE = 1 / np.sqrt(2 * RESAMPLES)  # relative, of a bootstrap's standard error
FEWER = 100  # resamples of real units, so that it takes minutes
ASKED = datetime(2026, 11, 25, tzinfo=UTC)


def normal(random: np.random.Generator, shape: tuple[int, int]) -> Values:
    return random.standard_normal(shape)


def heavy(random: np.random.Generator, shape: tuple[int, int]) -> Values:
    return random.standard_t(3, shape)


def lognormal(random: np.random.Generator, shape: tuple[int, int]) -> Values:
    return random.lognormal(size=shape) - np.exp(0.5)


def failing(rate: float, size: float) -> Drawing:
    """Mean 0: fails on a share of the units by so many spreads of the others, and is the better for it on those."""

    def draw(random: np.random.Generator, shape: tuple[int, int]) -> Values:
        return random.standard_normal(shape) - size * ((random.random(shape) < rate) - rate)

    return draw


def right(rate: float) -> Drawing:
    """Right or wrong."""

    def draw(random: np.random.Generator, shape: tuple[int, int]) -> Values:
        return (random.random(shape) < rate).astype(np.float64)

    return draw


@dataclass
class Rule(ABC):
    """A rule on many years at once: which challengers are promoted."""

    unit_count: int
    asks: int
    years: int

    @abstractmethod
    def promoted(self, gain: Values, error: Values, *, rebuild: bool) -> npt.NDArray[np.bool_]: ...


@dataclass
class Purse(Rule):
    """`registry.gate`, on arrays."""

    left: float = purse.FULL + purse.A_YEAR  # it is filled before the first one too, and never more than full
    squares: Values | float = 0.0
    count: Values | float = 0.0

    def trusted(self) -> Values | float:
        return gate.TRUSTED

    def staked(self, *, rebuild: bool) -> float:
        self.left = min(purse.FULL, self.left + purse.A_YEAR / self.asks)
        stake = purse.stake_of(self.left, rebuild=rebuild)
        self.left -= stake
        return stake

    def promoted(self, gain: Values, error: Values, *, rebuild: bool) -> npt.NDArray[np.bool_]:
        self.count, self.squares = self.count + 1, self.squares + error**2
        degrees = np.minimum(4 * self.count * (self.unit_count - 1) / (self.count + 3), self.trusted() * self.count)
        reach = -stdtrit(degrees, self.staked(rebuild=rebuild))
        return gain > reach * np.maximum(error, np.sqrt(self.squares / self.count))


@dataclass
class Newcomer(Purse):
    """The same where the floor reigns until it is beaten: its challenges are remembered apart from a champion's."""

    reigns: npt.NDArray[np.bool_] | bool = True

    def trusted(self) -> Values | float:
        more = max(gate.TRUSTED, gate.TRUSTED_OF_UNITS * self.unit_count)
        return np.where(self.reigns, more, gate.TRUSTED)

    def promoted(self, gain: Values, error: Values, *, rebuild: bool) -> npt.NDArray[np.bool_]:
        found = super().promoted(gain, error, rebuild=rebuild)
        beaten = found & self.reigns
        self.count, self.squares = np.where(beaten, 0.0, self.count), np.where(beaten, 0.0, self.squares)
        self.reigns = self.reigns & ~found
        return found


@dataclass
class Forgetful(Newcomer):
    """And if those of the floor were not remembered at all, nor the many units trusted."""

    def trusted(self) -> Values | float:
        return gate.TRUSTED

    def promoted(self, gain: Values, error: Values, *, rebuild: bool) -> npt.NDArray[np.bool_]:
        found = super().promoted(gain, error, rebuild=rebuild)
        self.count, self.squares = np.where(self.reigns, 0.0, self.count), np.where(self.reigns, 0.0, self.squares)
        return found


@dataclass
class Patience(Rule):
    """The gate's first rule, on arrays: the level falls with every challenge of a reign."""

    challenge: Values | float = 0.0

    def promoted(self, gain: Values, error: Values, *, rebuild: bool) -> npt.NDArray[np.bool_]:
        del rebuild  # it knew no difference
        self.challenge = self.challenge + np.ones(self.years)
        level = patience.ALPHA * 6 / (np.pi * self.challenge) ** 2
        plug_in = error * np.sqrt((self.unit_count - 1) / self.unit_count)
        found = gain > -stdtrit(self.unit_count - 1, level) * plug_in
        self.challenge = np.where(found, 0.0, self.challenge)
        return found & (error > 0)


@dataclass
class Bare(Rule):
    """Whatever is greater."""

    def promoted(self, gain: Values, error: Values, *, rebuild: bool) -> npt.NDArray[np.bool_]:
        del rebuild, error
        return gain > 0


RULES: dict[str, type[Rule]] = {"purse": Purse, "first rule": Patience, "bare >": Bare}
NEWCOMERS: dict[str, type[Rule]] = {"purse, newcomers": Newcomer, "the floor forgotten": Forgetful}


def wrong_a_year(
    rule: Rule, draw: Drawing, reigning: Drawing = normal, *, seed: int, rebuilds: bool = False, tuned: float = 0.0
) -> float:
    """Expected promotions in a year of challengers whose population gain is 0.

    Args:
        draw: the units of challengers; `reigning`: of the first champion.
        tuned: the share of its luck on these units that a challenger has from the luckiest so far.
    """
    random, shape = np.random.default_rng(seed), (rule.years, rule.unit_count)
    old, wrong = reigning(random, shape), 0
    luckiest = old
    for _ in range(rule.asks):
        new = tuned * luckiest + np.sqrt(1 - tuned**2) * draw(random, shape)
        promoted = rule.promoted(*_measured(random, new - old), rebuild=rebuilds)
        wrong += int(promoted.sum())
        old = np.where(promoted[:, None], new, old)
        luckiest = np.where((new.mean(1) > luckiest.mean(1))[:, None], new, luckiest)
    return wrong / rule.years


def power(rule: Rule, *, gain: float, challenge: int, seed: int, rebuilds: bool = False) -> float:
    """How often a gain of so many SE is promoted that comes after challenges of no gain, as a changed recipe."""
    random, shape = np.random.default_rng(seed), (rule.years, rule.unit_count)
    old = normal(random, shape)
    for _ in range(challenge - 1):
        new = normal(random, shape)
        promoted = rule.promoted(*_measured(random, new - old), rebuild=rebuilds)
        old = np.where(promoted[:, None], new, old)
    better = normal(random, shape) + gain * np.sqrt(2 / rule.unit_count)
    return float(rule.promoted(*_measured(random, better - old), rebuild=False).mean())


def _measured(random: np.random.Generator, difference: Values) -> tuple[Values, Values]:
    """Gain and standard error, the latter as a bootstrap of so many resamples knows it."""
    error = difference.std(1, ddof=1) / np.sqrt(difference.shape[1])
    return difference.mean(1), error * (1 + NOISE * random.standard_normal(len(error)))


# The rule on arrays is the gate's


@dataclass(frozen=True)
class Mean:
    """The mean of `value`."""

    id: str = "mean@1"
    paired: bool = True
    metrics: tuple[Metric, ...] = (Metric(name="mean", unit="", higher_is_better=True, lowest=-np.inf, highest=np.inf),)

    def aggregate(self, units: Units, counts: npt.NDArray[np.int64] | None = None) -> dict[str, float]:
        values = units.rows["value"]
        return {"mean": float(values.mean() if counts is None else counts @ values / counts.sum())}


def agreement(years: int = 20, *, asks: int = 30, unit_count: int = 40) -> tuple[int, int, float]:
    """How many decisions there were, on how many `gate.rule` agrees, and on which share `gate.weigh` does."""
    random, shape = np.random.default_rng(0), (years, unit_count)
    rule, pools = Purse(unit_count, asks, years), [dict[int, float]() for _ in range(years)]
    old, same, weighed, left = normal(random, shape), 0, 0, purse.FULL
    for ask in range(asks):
        left = min(purse.FULL, left + (purse.A_YEAR / asks if ask else 0.0))
        new = normal(random, shape) + 0.4
        gain, error = _measured(random, new - old)
        promoted = rule.promoted(gain, error, rebuild=False)
        for year in range(years):
            terms = Terms(asked=ASKED, purse=left, stake=left / 2, rebuild=False, pool=pools[year])
            plug_in = error[year] * np.sqrt((unit_count - 1) / unit_count)
            found = Measured(new[year].mean(), 0.0, old[year].mean(), gain[year], plug_in)
            told = gate.rule(found, (), metric="mean", unit_count=unit_count, terms=terms, resamples=1, seed=0)
            same += (told.decision == "PROMOTE") == promoted[year]
            sides = Units({"value": new[year]}), Units({"value": old[year]})
            whole = gate.weigh(*sides, Mean(), terms=terms, resamples=RESAMPLES, seed=ask * years + year)
            weighed += (whole.decision == "PROMOTE") == promoted[year]
            pools[year] = pools[year] | {ask: float(error[year])}
        left /= 2
    return asks * years, same, weighed / (asks * years)


# Tables


def table(head: Sequence[str], rows: Iterator[Sequence[object]]) -> None:
    """Markdown."""
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    for row in rows:
        print("|", " | ".join(f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row), "|", flush=True)
    print(flush=True)


UNITS: dict[str, tuple[Drawing, Drawing]] = {
    "normal": (normal, normal),
    "Student's t, 3 degrees": (heavy, heavy),
    "lognormal": (lognormal, lognormal),
    "right or wrong, 80 %": (right(0.8), right(0.8)),
    "right or wrong, 95 %": (right(0.95), right(0.95)),
    "both fail by 10 on 5 %": (failing(0.05, 10), failing(0.05, 10)),
    "challengers fail by 10 on 2 %": (failing(0.02, 10), normal),
    "challengers fail by 10 on 5 %": (failing(0.05, 10), normal),
    "challengers fail by 10 on 10 %": (failing(0.1, 10), normal),
}
"""What the promise is made for: units of challengers, units of the champion."""
BREAKING: dict[str, tuple[Drawing, Drawing]] = {
    "challengers fail by 10 on 20 %": (failing(0.2, 10), normal),
    "challengers fail by 30 on 2 %": (failing(0.02, 30), normal),
    "challengers fail by 30 on 5 %": (failing(0.05, 30), normal),
}
COUNTS = (FEW, 9, 40, 150)


def wrongs(units: dict[str, tuple[Drawing, Drawing]], years: int, *, asks: int, rules: Sequence[str]) -> None:
    """Wrong promotions a year; of many asks those of fewer units, which are the harder case."""
    counts = COUNTS if asks <= 30 else COUNTS[:-1]
    for name in rules:
        print(f"Wrong promotions expected a year, {asks} asks, {name}:\n")
        rows = (
            [what, *(wrong_a_year((RULES | NEWCOMERS)[name](n, asks, years), *drawn, seed=n + asks) for n in counts)]
            for what, drawn in units.items()
        )
        table(["units", *(f"n = {n}" for n in counts)], rows)


def powers(years: int) -> None:
    """How often a gain is promoted."""
    print("A gain of 2, 3 and 4 SE is promoted with probability:\n")

    def row(name: str, kind: type[Rule], n: int, asks: int, *, rebuilds: bool = False) -> Sequence[object]:
        cells = []
        for challenge in (1, 2, 10, 50):
            found = [
                power(kind(n, asks, years), gain=g, challenge=challenge, seed=challenge, rebuilds=rebuilds)
                for g in (2, 3, 4)
            ]
            cells.append(" ".join(f"{each:.2f}" for each in found))
        return [name, n, asks, *cells]

    def rows() -> Iterator[Sequence[object]]:
        for n in (*COUNTS, 1000):
            yield row("purse", Purse, n, 30)
            yield row("purse, the others mere rebuilds", Purse, n, 30, rebuilds=True)
        yield row("purse", Purse, 40, 365)
        yield row("purse, the others mere rebuilds", Purse, 40, 365, rebuilds=True)
        yield row("first rule", Patience, 40, 30)
        yield row("bare >", Bare, 40, 30)

    table(["rule", "n", "asks a year", "challenge 1", "2", "10", "50"], rows())


def newcomers(years: int) -> None:
    """What a first model has to gain over the floor, and a later one after challenges of no gain."""
    print("Standard errors of gain that are promoted in one of two cases, and in nine of ten, over the floor:\n")

    def rows() -> Iterator[Sequence[object]]:
        for name, kind in NEWCOMERS.items():
            for n, asks in ((40, 30), (297, 30), (40, 365), (297, 365)):
                cells = [_needed(kind(n, asks, years), challenge=k, seed=k) for k in (1, 2, 3, 10, 30)]
                yield [name, n, asks, *cells]

    table(["rule", "n", "asks a year", "challenge 1", "2", "3", "10", "30"], rows())


def _needed(rule: Rule, *, challenge: int, seed: int) -> str:
    """The gain, in tenths of SE, from which on a half is promoted, and nine tenths."""

    def promoted(tenths: int) -> float:
        return power(replace(rule), gain=tenths / 10, challenge=challenge, seed=seed)

    return " ".join(f"{bisect_left(range(300), share, key=promoted) / 10:.1f}" for share in (0.5, 0.9))


def tuning(years: int) -> None:
    """What breaks it: challengers that were chosen by their gain on the test units."""
    print("Wrong promotions expected a year, n = 40, 60 asks, challengers that keep a share of the luckiest's luck:\n")
    rows = (
        [share, *(wrong_a_year(kind(40, 60, years), normal, tuned=share, seed=1) for kind in RULES.values())]
        for share in (0.0, 0.3, 0.5, 0.8)
    )
    table(["share", *RULES], rows)


# Real units


def real(years: int, *, asks: int = 30) -> None:
    """`gate.weigh` on registered units: models that are random mixtures of two, so that none is better."""
    print(f"{asks} asks a year by mixtures of two registered models, {FEWER} resamples:\n")
    table(
        ["protocol", "metric", "units", "years", "wrong a year", "beyond the 5 % point", "1 %"],
        (_real_row(first, second, years, asks) for first, second in _pairs()),
    )


def _real_row(first: Version, second: Version, years: int, asks: int) -> Sequence[object]:
    counting, metric = scoring(first.protocol), first.ranked_by.name
    if metric in ("mask_AP", f"{metric.removesuffix('_FID')}_FID"):
        years = max(1, years // 20)  # many times as costly
    with TemporaryDirectory() as scratch:
        pool = [Units.read(evaluation(v, settings(), Path(scratch)) / "units.parquet") for v in (first, second)]
    random, wrong, beyond = np.random.default_rng(0), 0, np.zeros(2)
    count = min(len(pool[0]), 500)
    for _ in range(years):
        places = random.integers(len(pool[0]), size=count)
        old, past, left = _mixture(random, pool, places), dict[int, float](), purse.FULL
        for ask in range(asks):
            left = min(purse.FULL, left + (purse.A_YEAR / asks if ask else 0.0))
            terms = Terms(asked=ASKED, purse=left, stake=left / 2, rebuild=False, pool=past)
            new = _mixture(random, pool, places)
            told = gate.weigh(new, old, counting, terms=terms, resamples=FEWER, seed=int(random.integers(2**32)))
            reach = told.gain / told.error if told.error else 0.0
            beyond += reach > -stdtrit(told.degrees, np.array([0.05, 0.01]))
            wrong += told.decision == "PROMOTE"
            past, left = past | {ask: told.standard_error} if told.spread else past, left - told.alpha
            old = new if told.decision == "PROMOTE" else old
    shares = (beyond / (years * asks)).tolist()
    return [first.protocol.partition(":")[0], metric, count, years, wrong / years, *shares]


def _pairs() -> Iterator[tuple[Version, Version]]:
    """The two best entries under each protocol that has two."""
    held = read(settings())
    champions = [version for entry in held.entries if (version := held.champion(entry))]
    for protocol in dict.fromkeys(version.protocol for version in champions):
        metric = next(v for v in champions if v.protocol == protocol).ranked_by
        sign = -1 if metric.higher_is_better else 1
        ranked = sorted(
            (v for v in champions if v.protocol == protocol),
            key=lambda v: sign * v.record.score.metrics[v.ranked_by.name],
        )
        if len(ranked) > 1 and alike(*ranked[:2]):
            yield ranked[0], ranked[1]


def _mixture(random: np.random.Generator, pool: Sequence[Units], places: npt.NDArray[np.int64]) -> Units:
    """A model that answers each unit as one of the two does; of unpaired units any of theirs."""
    if "features" in pool[0].rows:
        places = random.integers(len(pool[0]), size=len(places))
    mine = random.random(len(places)) < 0.5
    rows: dict[str, Any] = {}
    for name, column in pool[0].rows.items():
        one, other = column[places], pool[1].rows[name][places]
        rows[name] = np.where(mine.reshape(-1, *[1] * (one.ndim - 1)), one, other) if one.dtype != object else one
        if one.dtype == object:
            rows[name] = np.array([*one, None], dtype=object)[:-1]
            rows[name][~mine] = other[~mine]
    if "image" in rows:  # COCO's count sorts by them
        rows["image"] = np.arange(len(places))
    return Units(rows, pool[0].constants)


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests/bench/gate.py")
    parser.add_argument("--years", type=int, default=4000)
    parser.add_argument("--real", action="store_true", help="registered units, --years of them")
    asked = parser.parse_args()
    if asked.real:
        real(asked.years)
        return
    decisions, same, weighed = agreement()
    print(f"{decisions} decisions: gate.rule agrees on {same}, gate.weigh on {weighed:.3f} (other resamples)\n")
    powers(asked.years)
    newcomers(asked.years // 10)
    wrongs(UNITS, asked.years, asks=30, rules=(*RULES, *NEWCOMERS))
    wrongs(UNITS, asked.years, asks=365, rules=("purse",))
    print("Beyond the promise:\n")
    wrongs(BREAKING, asked.years, asks=30, rules=("purse", "first rule"))
    tuning(asked.years)


if __name__ == "__main__":
    main()

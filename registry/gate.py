"""Whether a challenger takes the champion's place: a paired bootstrap, a margin, and a purse of error.

With n units, s the standard error of the gain and a the stake, gain -+ t s is the interval, t being Student's quantile
at 1 - a. PROMOTE if all of it lies above the margin (and every metric that must not suffer is shown not to), REJECT if
all of it lies below 0, else HOLD.

Asking every night makes luck certain, so every question costs: a challenge stakes a part of what its entry's purse
holds, which the calendar refills (`registry.purse`). At most 0.05 is staked in any 365 days, and that bounds the
expected number of promotions of what is no better.

A challenger that happened not to meet its rare failures shows too small an error; the entry's earlier challenges on
these units remember. So s is the larger of today's and the root mean square of the m there are, today's included. t has
4 m (n - 1) / (m + 3) degrees of freedom, those of m variances on the same units, but at most `TRUSTED` m: many units
that have not met a failure say no more of it than few, so the first challenge has the highest bar. Against the floor
that is m n / 10 where it is more, for a first model is to be had early, and those challenges have a memory of their
own. Under `FEW` units nothing is asked and nothing is promoted: a person may (`zoo promote`).

Statistics alone: files of units in, a verdict out. Who challenges whom, and where a verdict is kept, is
`registry.promotion`'s affair. What is promised, to whom, and what breaks it: docs/gate.md.
"""

import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from registry import patience
from registry.weighing import (
    ROUNDING,
    By,
    Decision,
    Evidence,
    Measured,
    Weighing,
    decided,
    measured,
    name_of,
    seed_of,
    told,
)
from zoo.artifact import sha256_of
from zoo.scoring.bootstrap import RESAMPLES, student_quantile
from zoo.scoring.metrics import Scoring
from zoo.scoring.units import Units

AGREEMENT = 1e-9  # relative: another processor may round the last bits of a replay differently
FEW = 5  # units under which nothing is asked
TRUSTED = 4  # degrees of freedom that one challenge is good for, however many its units
TRUSTED_OF_UNITS = 1 / 10  # or so many for each unit, of a challenge of the floor
LEAST = 1e-9  # stake: what a purse holds that was asked a hundred times in one day is no question any more
SUFFERS = 0.05  # one-sided level at which a metric that must not suffer is shown not to


class Terms(BaseModel):
    """What is settled before anybody looks at a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    asked: datetime  # UTC
    purse: float  # what the entry's held then
    stake: float  # of it
    rebuild: bool  # of the champion's own recipe and data
    floor: bool = False  # nobody is champion
    margin: float = 0.0  # least gain worth a change
    may_lose: dict[str, float] = Field(default_factory=dict)  # other metrics, by name: the most that may be lost
    pool: dict[int, float] = Field(default_factory=dict)  # standard errors of earlier challenges, by version


class Guarded(BaseModel):
    """A metric that must not suffer, and whether it is shown not to."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    metric: str
    gain: float  # positive when better
    standard_error: float
    at_worst: float  # lower end of the gain's one-sided 95 % interval
    may_lose: float
    kept: bool


class Weighed(Weighing):
    """How two evaluations compare under the purse."""

    rule: Literal["purse@1"] = "purse@1"
    terms: Terms
    degrees: float  # of freedom
    error: float  # the standard error that decided: today's, or the pooled one where that is larger
    guarded: tuple[Guarded, ...] = ()

    @property
    def corrected_error(self) -> float:
        """Standard error of the gain, the bootstrap's plug-in variance made good."""
        return self.standard_error


class Verdict(Weighed, Evidence):
    """A decision with all that it was made from; `replay` makes it again."""


class Succession(BaseModel):
    """The champion's own weights under another scoring: the alias goes along, nothing was tested or staked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decision: Literal["PROMOTE"] = "PROMOTE"
    challenge: Literal[0] = 0
    asked: datetime | None = None  # UTC; older ones do not say
    reason: str
    entry: str
    challenger: int  # version number
    champion: int  # version number
    protocol: str
    data_digest: str


class Echo(BaseModel):
    """Weights that this champion has met before on these units: the same answer, nothing was tested or staked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decision: Literal["HOLD", "REJECT"]
    of: int  # version number of whose weights these are
    asked: datetime  # UTC
    reason: str
    entry: str
    challenger: int  # version number
    champion: int | None  # version number; None: the floor reigned
    protocol: str
    data_digest: str


Tested = Verdict | patience.Verdict
Ruling = Verdict | patience.Verdict | Succession | Echo
RULING: TypeAdapter[Ruling] = TypeAdapter(Ruling)  # reads what is stored on a version


class Side(BaseModel):
    """One of the two that are compared: whose it is, how it was scored, and where its units lie."""

    model_config = ConfigDict(frozen=True)

    number: int | None  # version number; None: the floor
    protocol: str
    data_digest: str
    units: Path


def weigh(new: Units, old: Units, scoring: Scoring, *, terms: Terms, resamples: int, seed: int) -> Weighed:
    """Compare two evaluations by the bootstrap.

    Raises:
        ValueError: a value that cannot be one, or a metric that must not suffer and is none, or not of resamples.
    """
    found = measured(new, old, scoring, resamples=resamples, seed=seed)
    guarded = tuple(
        _guarded(new, old, By.of(scoring, name), may_lose=most, resamples=resamples, seed=seed)
        for name, most in terms.may_lose.items()
    )
    name, unit_count = scoring.metrics[0].name, min(len(new), len(old))
    return rule(found, guarded, metric=name, unit_count=unit_count, terms=terms, resamples=resamples, seed=seed)


def rule(
    found: Measured,
    guarded: tuple[Guarded, ...],
    *,
    metric: str,
    unit_count: int,
    terms: Terms,
    resamples: int,
    seed: int,
) -> Weighed:
    """The rule itself: what was measured, and the terms, decide."""
    today = found.standard_error * _plug_in(unit_count)
    asked = unit_count >= FEW and terms.stake >= LEAST
    count = 1 + len(terms.pool)
    trusted = max(TRUSTED, TRUSTED_OF_UNITS * unit_count) if terms.floor else TRUSTED
    degrees = min(4 * count * (unit_count - 1) / (count + 3), trusted * count)
    error = max(today, math.sqrt((today**2 + sum(past**2 for past in terms.pool.values())) / count))
    weighed = Weighed(
        **found._replace(standard_error=today)._asdict(),
        decision="HOLD",
        metric=metric,
        interval=_interval(found.gain, error, degrees, level=terms.stake) if asked else None,
        alpha=terms.stake if asked else 0.0,
        unit_count=unit_count,
        resamples=resamples,
        seed=seed,
        terms=terms,
        degrees=degrees,
        error=error,
        guarded=guarded,
    )
    return weighed.model_copy(update={"decision": _decision(weighed)})


def judge(
    challenger: Side, champion: Side, scoring: Scoring, *, entry: str, terms: Terms, resamples: int = RESAMPLES
) -> Verdict:
    """Compare two stored evaluations; the same files and terms always give the same verdict.

    Raises:
        ValueError: they were not scored alike, or not on the same units: their numbers do not compare.
    """
    _comparable(challenger, champion)
    new, old, files = _read(challenger.units, champion.units, scoring)
    seed = seed_of(files, challenger.protocol, challenger.data_digest, _asked(terms), resamples)
    weighed = weigh(new, old, scoring, terms=terms, resamples=resamples, seed=seed)
    return Verdict(
        **dict(weighed),
        reason=_reason(weighed, name_of(entry, champion.number)),
        entry=entry,
        challenger=challenger.number or 0,
        champion=champion.number,
        protocol=challenger.protocol,
        data_digest=challenger.data_digest,
        units=files,
    )


def replay(verdict: Tested, challenger: Path, champion: Path, scoring: Scoring) -> Tested:
    """Make a verdict again from the stored units, under the rule it was made by.

    Args:
        challenger: its units file.
        champion: the champion's or the floor's.
        scoring: of the verdict's protocol.

    Raises:
        ValueError: a file is not the one that the verdict was made from.
    """
    files = _files(challenger, champion)
    wrong = sorted(name for name in files.keys() | verdict.units.keys() if files.get(name) != verdict.units.get(name))
    if wrong:
        raise ValueError(f"verdict on {verdict.entry}/{verdict.challenger}: not made from these files: {wrong}")
    if isinstance(verdict, patience.Verdict):
        new, old, files = _read(challenger, champion, scoring)
        return patience.judge_again(verdict, new, old, files, scoring)
    alike = {"protocol": verdict.protocol, "data_digest": verdict.data_digest}
    return judge(
        Side(number=verdict.challenger, units=challenger, **alike),
        Side(number=verdict.champion, units=champion, **alike),
        scoring,
        entry=verdict.entry,
        terms=verdict.terms,
        resamples=verdict.resamples,
    )


def differences(verdict: Tested, again: Tested) -> tuple[str, ...]:
    """The fields in which a verdict made again is not the stored one; numbers agree to `AGREEMENT`."""
    old, new = verdict.model_dump(), again.model_dump()
    return tuple(name for name in old if not _agree(old[name], new[name]))


def _plug_in(unit_count: int) -> float:
    """What makes good that a bootstrap divides by n where the variance of a sample needs n - 1."""
    return math.sqrt(unit_count / max(1, unit_count - 1))


def _interval(gain: float, error: float, degrees: float, *, level: float) -> tuple[float, float]:
    reach = -student_quantile(level, degrees) * error  # of the lower tail: 1 - level would round a small one away
    return gain - reach, gain + reach


def _decision(weighed: Weighed) -> Decision:
    """PROMOTE and REJECT have to be proven; where nothing was asked, or there is no spread, nothing is."""
    if weighed.interval is None or not weighed.spread:
        return "HOLD"
    decision = decided(*weighed.interval, margin=weighed.terms.margin)
    if decision == "PROMOTE" and not all(guard.kept for guard in weighed.guarded):
        return "HOLD"
    return decision


def _guarded(new: Units, old: Units, by: By, *, may_lose: float, resamples: int, seed: int) -> Guarded:
    """Non-inferiority of another metric."""
    if not by.resamples(new):
        raise ValueError(
            f"{by.metric.name}: expected a metric that can be had of resampled units, to know how far chance moves it; "
            f"{by.id} gives it of all units alone. Take it out of gate.toml."
        )
    found, unit_count = measured(new, old, by, resamples=resamples, seed=seed), min(len(new), len(old))
    error = found.standard_error * _plug_in(unit_count)
    reach = student_quantile(1 - SUFFERS, unit_count - 1) * error if unit_count > 1 else 0.0
    return Guarded(
        metric=by.metric.name,
        gain=found.gain,
        standard_error=error,
        at_worst=found.gain - reach,
        may_lose=may_lose,
        kept=found.gain - reach >= -may_lose,
    )


def _agree(old: object, new: object) -> bool:
    match old, new:
        case tuple(), tuple():
            return len(old) == len(new) and all(map(_agree, old, new))
        case dict(), dict():
            return old.keys() == new.keys() and all(_agree(old[name], new[name]) for name in old)
        case float(), float():
            return math.isclose(old, new, rel_tol=AGREEMENT, abs_tol=ROUNDING)
    return old == new


def _reason(weighed: Weighed, who: str) -> str:
    gain = f"{weighed.metric} gain {weighed.gain:+.4g}"
    if weighed.interval is None:
        few = f"{weighed.unit_count} units prove nothing, it takes {FEW}; a person may decide (zoo promote)"
        spent = "the purse of error is empty until tomorrow"
        return f"not asked: {few if weighed.unit_count < FEW else spent}: {gain} over {who}"
    low, high = weighed.interval
    suffers = [guard for guard in weighed.guarded if not guard.kept]
    what = told(weighed, who, margin=weighed.terms.margin)
    if suffers and low > weighed.terms.margin:
        lost = ", ".join(f"{g.metric} may lose {g.may_lose:g}, at worst {g.at_worst:+.4g}" for g in suffers)
        what = f"better than {who}, but not shown to keep: {lost}"
    return (
        f"{what}: {gain}, interval [{low:+.4g}, {high:+.4g}] over {weighed.unit_count} units, "
        f"{weighed.alpha:.2g} staked of a purse of {weighed.terms.purse:.2g}"
    )


def _comparable(challenger: Side, champion: Side) -> None:
    for what in ("protocol", "data_digest"):
        new, old = getattr(challenger, what), getattr(champion, what)
        if new != old:
            raise ValueError(
                f"{what}: challenger has {new}, champion {old}: their numbers do not compare. "
                "Score the champion again under the challenger's protocol and data."
            )


def _asked(terms: Terms) -> dict[str, object]:
    """What of the terms is part of the question: not the date, so that asking again draws nothing anew."""
    return terms.model_dump(mode="json", exclude={"asked", "purse", "rebuild", "floor"})


def _read(challenger: Path, champion: Path, scoring: Scoring) -> tuple[Units, Units, dict[str, str]]:
    new, old = Units.read(challenger), Units.read(champion)
    if scoring.paired:
        new.check_paired(old)
    return new, old, _files(challenger, champion)


def _files(challenger: Path, champion: Path) -> dict[str, str]:
    """SHA-256 of both sides' units and, where they have constants, of those."""
    sides: Mapping[str, Path] = {"challenger": challenger, "champion": champion}
    return {
        f"{side}/{path.name}": sha256_of(path)
        for side, units in sides.items()
        for path in (units, units.with_suffix(".safetensors"))
        if path.is_file() or path == units
    }

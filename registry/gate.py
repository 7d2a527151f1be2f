"""Whether a challenger takes the champion's place: a paired bootstrap, a margin, and patience.

Both models were scored on the same units (images, sequences, pairs), so the question is put to the units: resample
them with the same counts for both, and see how far the gain of the ranking metric wanders (`zoo.scoring.bootstrap`).
With standard error s and n units, gain -+ t(n - 1, alpha_k) s is the interval; PROMOTE if all of it lies above the
margin, REJECT if all of it lies below 0, else HOLD.

Asking every night makes luck certain, so the k-th challenge of one reign is tested at alpha_k = alpha 6 / (pi k)^2.
These sum to alpha (Basel problem), so a champion is ever deposed by one no better with probability <= alpha.

Statistics alone: files of units in, a verdict out. Who challenges whom, and where a verdict is kept, is
`registry.promotion`'s affair.
"""

import hashlib
import json
import math
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, TypeAdapter

from zoo.artifact import sha256_of
from zoo.scoring.bootstrap import RESAMPLES, resampled, student_quantile
from zoo.scoring.metrics import Scoring
from zoo.scoring.units import Units

ROUNDING = 1e-12  # relative to the values: a smaller spread of their difference is none
AGREEMENT = 1e-9  # relative: another processor may round the last bits of a replay differently
ALPHA = 0.05  # chance that a champion is ever deposed by one no better, over its whole reign

Decision = Literal["PROMOTE", "HOLD", "REJECT"]


class Weighing(BaseModel):
    """How two evaluations compare in the ranking metric, chance considered."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    decision: Decision
    metric: str
    challenger_value: float
    challenger_error: float  # bootstrap standard error of the challenger's own value
    champion_value: float
    gain: float  # of the challenger over the champion, positive when better
    standard_error: float  # of the gain
    interval: tuple[float, float]  # of the gain
    margin: float  # least gain worth a change
    challenge: int  # k: the how-manieth of this reign
    alpha: float  # alpha_k, one-sided
    unit_count: int
    resamples: int
    seed: int


class Verdict(Weighing):
    """A decision with all that it was made from; `replay` makes it again."""

    reason: str
    entry: str
    challenger: int  # version number
    champion: int | None  # version number; None: the floor reigned
    protocol: str
    data_digest: str
    units: dict[str, str]  # SHA-256 of every file it was made from, by side and name ("champion/units.parquet")


class Succession(BaseModel):
    """The champion's own weights under another scoring: the alias goes along, nothing was tested, no patience spent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decision: Literal["PROMOTE"] = "PROMOTE"
    challenge: Literal[0] = 0
    reason: str
    entry: str
    challenger: int  # version number
    champion: int  # version number
    protocol: str
    data_digest: str


Ruling = Verdict | Succession
RULING: TypeAdapter[Ruling] = TypeAdapter(Ruling)  # reads what is stored on a version


class Side(BaseModel):
    """One of the two that are compared: whose it is, how it was scored, and where its units lie."""

    model_config = ConfigDict(frozen=True)

    number: int | None  # version number; None: the floor
    protocol: str
    data_digest: str
    units: Path


def weigh(
    new: Units, old: Units, scoring: Scoring, *, challenge: int, margin: float = 0.0, resamples: int, seed: int
) -> Weighing:
    """Compare two evaluations by the bootstrap.

    Args:
        challenge: how many challenges this reign has seen, this one included.
        margin: least gain worth a change, in the metric's unit.

    Raises:
        ValueError: a value that cannot be one, or too few units.
    """
    metric, unit_count, level = scoring.metrics[0], min(len(new), len(old)), alpha_of(challenge)
    if unit_count < 2:
        raise ValueError(f"expected at least 2 units to compare two models on, got {unit_count}: nothing is proven.")
    new_value, old_value = (metric.check(scoring.aggregate(units)[metric.name]) for units in (new, old))
    new_values, old_values = resampled([new, old], scoring, resamples=resamples, seed=seed).T
    gain, error = metric.gain(new_value, old_value), float(np.std(new_values - old_values, ddof=1))
    reach = student_quantile(1 - level, unit_count - 1) * error
    # Without a spread the units say nothing about chance, and nothing is proven.
    spread = error > ROUNDING * max(abs(new_value), abs(old_value))
    return Weighing(
        decision=_decide(gain - reach, gain + reach, margin=margin) if spread else "HOLD",
        metric=metric.name,
        challenger_value=new_value,
        challenger_error=float(np.std(new_values, ddof=1)),
        champion_value=old_value,
        gain=gain,
        standard_error=error,
        interval=(gain - reach, gain + reach),
        margin=margin,
        challenge=challenge,
        alpha=level,
        unit_count=unit_count,
        resamples=resamples,
        seed=seed,
    )


def judge(
    challenger: Side,
    champion: Side,
    scoring: Scoring,
    *,
    entry: str,
    challenge: int,
    margin: float = 0.0,
    resamples: int = RESAMPLES,
) -> Verdict:
    """Compare two stored evaluations; the same files and numbers always give the same verdict.

    Raises:
        ValueError: they were not scored alike, or not on the same units: their numbers do not compare.
    """
    _comparable(challenger, champion)
    files = _files("challenger", challenger.units) | _files("champion", champion.units)
    asked = json.dumps([files, challenger.protocol, challenger.data_digest, challenge, margin, resamples])
    seed = int.from_bytes(hashlib.sha256(asked.encode()).digest()[:8], "big")
    new, old = Units.read(challenger.units), Units.read(champion.units)
    if scoring.paired:
        new.check_paired(old)
    weighing = weigh(new, old, scoring, challenge=challenge, margin=margin, resamples=resamples, seed=seed)
    return Verdict(
        **weighing.model_dump(),
        reason=_reason(weighing, "the floor" if champion.number is None else f"champion {entry}/{champion.number}"),
        entry=entry,
        challenger=challenger.number or 0,
        champion=champion.number,
        protocol=challenger.protocol,
        data_digest=challenger.data_digest,
        units=files,
    )


def replay(verdict: Verdict, challenger: Path, champion: Path, scoring: Scoring) -> Verdict:
    """Make a verdict again from the stored units.

    Args:
        challenger: its units file.
        champion: the champion's or the floor's.
        scoring: of the verdict's protocol.

    Raises:
        ValueError: a file is not the one that the verdict was made from.
    """
    files = _files("challenger", challenger) | _files("champion", champion)
    wrong = sorted(name for name in files.keys() | verdict.units.keys() if files.get(name) != verdict.units.get(name))
    if wrong:
        raise ValueError(f"verdict on {verdict.entry}/{verdict.challenger}: not made from these files: {wrong}")
    alike = {"protocol": verdict.protocol, "data_digest": verdict.data_digest}
    return judge(
        Side(number=verdict.challenger, units=challenger, **alike),
        Side(number=verdict.champion, units=champion, **alike),
        scoring,
        entry=verdict.entry,
        challenge=verdict.challenge,
        margin=verdict.margin,
        resamples=verdict.resamples,
    )


def differences(verdict: Verdict, again: Verdict) -> tuple[str, ...]:
    """The fields in which a verdict made again is not the stored one; numbers agree to `AGREEMENT`."""
    old, new = verdict.model_dump(), again.model_dump()
    return tuple(name for name in old if not _agree(old[name], new[name]))


def alpha_of(challenge: int, alpha: float = ALPHA) -> float:
    """The one-sided level of the k-th challenge of a reign; over all k they sum to alpha."""
    return alpha * 6 / (math.pi * challenge) ** 2


def _decide(low: float, high: float, *, margin: float) -> Decision:
    if low > margin:
        return "PROMOTE"
    return "REJECT" if high < 0 else "HOLD"


def _agree(old: object, new: object) -> bool:
    match old, new:
        case tuple(), tuple():
            return all(map(_agree, old, new))
        case float(), float():
            return math.isclose(old, new, rel_tol=AGREEMENT, abs_tol=ROUNDING)
    return old == new


def _reason(weighing: Weighing, who: str) -> str:
    what = {
        "PROMOTE": f"better than {who} by more than chance and the margin of {weighing.margin:g}",
        "HOLD": f"not proven better than {who}",
        "REJECT": f"worse than {who} by more than chance",
    }[weighing.decision]
    low, high = weighing.interval
    return (
        f"{what}: {weighing.metric} gain {weighing.gain:+.4g}, interval [{low:+.4g}, {high:+.4g}] "
        f"over {weighing.unit_count} units, challenge {weighing.challenge} of this reign"
    )


def _comparable(challenger: Side, champion: Side) -> None:
    for what in ("protocol", "data_digest"):
        new, old = getattr(challenger, what), getattr(champion, what)
        if new != old:
            raise ValueError(
                f"{what}: challenger has {new}, champion {old}: their numbers do not compare. "
                "Score the champion again under the challenger's protocol and data."
            )


def _files(side: str, units: Path) -> dict[str, str]:
    """SHA-256 of a units file and, where it has constants, of those."""
    paths = (units, units.with_suffix(".safetensors"))
    return {f"{side}/{path.name}": sha256_of(path) for path in paths if path.is_file() or path == units}

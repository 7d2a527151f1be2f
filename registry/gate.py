"""Whether a challenger takes the champion's place: a paired bootstrap, a margin, and patience.

Both models were scored on the same units (images, sequences, pairs), so the question is put to the units: resample
them with the same counts for both, and see how far the gain of the ranking metric wanders (Efron and Tibshirani, An
Introduction to the Bootstrap, 1993, ch. 6). With standard error s and n units, gain -+ t(n - 1, alpha_k) s is the
interval; PROMOTE if all of it lies above the margin, REJECT if all of it lies below 0, else HOLD.

Asking every night makes luck certain, so the k-th challenge of one reign is tested at alpha_k = alpha 6 / (pi k)^2.
These sum to alpha (Basel problem), so a champion is ever deposed by one no better with probability <= alpha.

The first champion has to beat somebody too: while an entry has none, its floor (the best trivial method) reigns.
"""

import hashlib
import json
import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from threadpoolctl import threadpool_limits

from registry.glance import CHAMPION, PROMOTED, VERDICT, Version, champion, ready_versions
from registry.settings import Settings
from zoo.artifact import MANIFEST, sha256_of
from zoo.scoring.metrics import Scoring
from zoo.scoring.protocols import scoring
from zoo.scoring.units import Units

ALPHA = 0.05  # chance that a champion is ever deposed by one no better, over its whole reign
RESAMPLES = 500  # a standard error is known to about 3 % then, 1 / sqrt(2 B): Efron and Tibshirani, section 6.4

Values = npt.NDArray[np.float64]


class Weighing(BaseModel):
    """How two evaluations compare in the ranking metric, chance considered."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    decision: Literal["PROMOTE", "HOLD", "REJECT"]
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


class Side(BaseModel):
    """One of the two that are compared: whose it is, how it was scored, and where its units lie."""

    model_config = ConfigDict(frozen=True)

    number: int | None  # version number; None: the floor
    protocol: str
    data_digest: str
    units: Path


def weigh(
    new: Units, old: Units, counted_by: Scoring, *, challenge: int, margin: float = 0.0, resamples: int, seed: int
) -> Weighing:
    """Compare two evaluations by the bootstrap.

    Args:
        challenge: how many challenges this reign has seen, this one included.
        margin: least gain worth a change, in the metric's unit.

    Raises:
        ValueError: a value that cannot be one, or too few units.
    """
    metric = counted_by.metrics[0]
    new_value, old_value = (metric.check(counted_by.aggregate(units)[metric.name]) for units in (new, old))
    new_values, old_values = _resampled(new, old, counted_by, resamples=resamples, seed=seed)
    gain, error = metric.gain(new_value, old_value), float(np.std(new_values - old_values, ddof=1))
    unit_count, level = min(len(new), len(old)), alpha_of(challenge)
    reach = _student_quantile(1 - level, unit_count - 1) * error
    return Weighing(
        decision=_decide(gain - reach, gain + reach, margin=margin, error=error),
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
    counted_by: Scoring,
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
    if counted_by.paired:
        _same_units(new, old)
    weighing = weigh(new, old, counted_by, challenge=challenge, margin=margin, resamples=resamples, seed=seed)
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


def replay(verdict: Verdict, challenger: Path, champion: Path, counted_by: Scoring | None = None) -> Verdict:
    """Make a verdict again from the stored units.

    Args:
        challenger: its units file.
        champion: the champion's or the floor's.
        counted_by: the scoring, where the protocol is none of the zoo's.

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
        counted_by or scoring(verdict.protocol),
        entry=verdict.entry,
        challenge=verdict.challenge,
        margin=verdict.margin,
        resamples=verdict.resamples,
    )


def needs_rescoring(version: Version, settings: Settings) -> Version | None:
    """The champion that must be scored again before it can be compared with this version, if any."""
    reigning = champion(settings, version.entry)
    if reigning is None or reigning.number == version.number:
        return None
    alike = (reigning.protocol, reigning.data_digest) == (version.protocol, version.data_digest)
    return None if alike else reigning


def challenge(
    version: Version, settings: Settings, *, rescored: Path | None = None, margin: float = 0.0
) -> Verdict | None:
    """Judge a READY version against its entry's champion, store the verdict, and move the alias on PROMOTE.

    The verdict is stored before the alias moves and the tag `promoted` after it, so a kill anywhere is healed by
    asking again (`registry.glance.unsettled` says whom), and a person who moves the alias back is not overruled. A
    version is judged once; asked again, the stored verdict is the answer.

    Args:
        rescored: the champion's units under this version's protocol and data, where `needs_rescoring` named one.

    Returns:
        The verdict; None for a version that became champion without one (a person moved the alias).

    Raises:
        ValueError: champion and challenger were not scored alike and `rescored` is missing, or a file was changed.
        ConnectionError: the tracking server does not answer.
    """
    from registry.store import connect

    reigning = champion(settings, version.entry)
    if version.verdict is None and reigning is not None and reigning.number == version.number:
        return None
    client = connect(settings)
    if version.verdict is None:
        verdict = _compare(version, reigning, settings, rescored=rescored, margin=margin)
        client.log_text(version.run_id, verdict.model_dump_json(indent=2), "verdict.json")
        client.set_model_version_tag(version.entry, str(version.number), VERDICT, verdict.model_dump_json())
    else:
        verdict = Verdict.model_validate(version.verdict)
    if verdict.decision == "PROMOTE" and PROMOTED not in version.tags:
        if verdict.champion == (reigning.number if reigning else None):
            client.set_registered_model_alias(version.entry, CHAMPION, str(version.number))
        client.set_model_version_tag(version.entry, str(version.number), PROMOTED, "true")
    return verdict


def _compare(
    version: Version, reigning: Version | None, settings: Settings, *, rescored: Path | None, margin: float
) -> Verdict:
    """The verdict on a version, its units fetched and checked beside those of whoever reigns."""
    from registry.store import fetch

    with TemporaryDirectory() as scratch:
        mine = _checked(fetch(version, settings, Path(scratch) / "challenger"), version) / "evaluation"
        side = Side(
            number=version.number,
            protocol=version.protocol,
            data_digest=version.data_digest,
            units=mine / "units.parquet",
        )
        if reigning is None:
            other = side.model_copy(update={"number": None, "units": mine / "floor.parquet"})
        elif rescored is not None:
            other = side.model_copy(update={"number": reigning.number, "units": rescored})
        else:
            theirs = _checked(fetch(reigning, settings, Path(scratch) / "champion"), reigning) / "evaluation"
            other = Side(
                number=reigning.number,
                protocol=reigning.protocol,
                data_digest=reigning.data_digest,
                units=theirs / "units.parquet",
            )
        challenge = 1 + _challenges(version, other.number, settings)
        return judge(side, other, scoring(version.protocol), entry=version.entry, challenge=challenge, margin=margin)


def alpha_of(challenge: int, alpha: float = ALPHA) -> float:
    """The one-sided level of the k-th challenge of a reign; over all k they sum to alpha."""
    return alpha * 6 / (math.pi * challenge) ** 2


def _resampled(new: Units, old: Units, counted_by: Scoring, *, resamples: int, seed: int) -> tuple[Values, Values]:
    """The ranking metric of both under resampled units: the same counts for both if paired, else independent ones."""
    random = np.random.default_rng(seed)
    name = counted_by.metrics[0].name
    values = np.empty((resamples, 2))
    with threadpool_limits(1):  # the last bits depend on the number of threads, and small matrices are faster on one
        for row in values:
            counts = _counts(random, len(new))
            row[0] = counted_by.aggregate(new, counts)[name]
            row[1] = counted_by.aggregate(old, counts if counted_by.paired else _counts(random, len(old)))[name]
    if not np.isfinite(values).all():
        raise ValueError(f"{counted_by.id}: {name} of resampled units is not finite; its aggregate cannot be judged.")
    return values[:, 0], values[:, 1]


def _counts(random: np.random.Generator, n: int) -> npt.NDArray[np.int64]:
    return random.multinomial(n, np.full(n, 1 / n))


def _decide(low: float, high: float, *, margin: float, error: float) -> Literal["PROMOTE", "HOLD", "REJECT"]:
    if error == 0:  # all resamples alike: the units say nothing about chance
        return "HOLD"
    if low > margin:
        return "PROMOTE"
    return "REJECT" if high < 0 else "HOLD"


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


def _student_quantile(probability: float, degrees: int) -> float:
    if degrees < 1:
        raise ValueError(f"expected at least 2 units to compare two models on, got {degrees + 1}: nothing is proven.")
    from scipy.stats import t

    return float(t.ppf(probability, degrees))


def _comparable(challenger: Side, champion: Side) -> None:
    for what in ("protocol", "data_digest"):
        new, old = getattr(challenger, what), getattr(champion, what)
        if new != old:
            raise ValueError(
                f"{what}: challenger has {new}, champion {old}: their numbers do not compare. "
                "Score the champion again under the challenger's protocol and data."
            )


def _same_units(new: Units, old: Units) -> None:
    """Paired means unit i is the same thing on both sides; columns of text say which thing it is."""
    if len(new) != len(old):
        raise ValueError(f"expected the same units on both sides, got {len(new)} and {len(old)}")
    for name, column in new.rows.items():
        text = column.dtype.kind == "O" and all(isinstance(value, str) for value in column)
        if text and list(column) != list(old.rows.get(name, ())):
            raise ValueError(f"expected the same units on both sides, but column {name!r} differs")


def _files(side: str, units: Path) -> dict[str, str]:
    """SHA-256 of a units file and, where it has constants, of those."""
    paths = (units, units.with_suffix(".safetensors"))
    return {f"{side}/{path.name}": sha256_of(path) for path in paths if path.is_file() or path == units}


def _checked(folder: Path, version: Version) -> Path:
    """The folder, if its manifest is the registered one and its evaluation is what the manifest says."""
    manifest = folder / MANIFEST
    if sha256_of(manifest) != version.manifest:
        raise ValueError(f"{manifest}: not the manifest that {version} was registered with; nothing was judged.")
    expected: dict[str, str] = json.loads(manifest.read_text())["files"]
    for name, digest in expected.items():
        if name.startswith("evaluation/") and sha256_of(folder / name) != digest:
            raise ValueError(f"{folder / name}: changed since {version} was registered; nothing was judged.")
    return folder


def _challenges(version: Version, reigning: int | None, settings: Settings) -> int:
    """How many other versions have challenged this champion before."""
    verdicts = (v.verdict for v in ready_versions(settings, version.entry) if v.number != version.number)
    return sum(1 for verdict in verdicts if verdict and verdict["champion"] == reigning)

"""Two versions on the same units: how far apart they are, chance considered, in which classes and on which units.

A description, not a verdict: nothing is staked, and whoever looks at many pairs will find differences by luck.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from registry.evidence import alike, evaluation
from registry.glance import Version
from registry.settings import Settings
from registry.weighing import By, measured, seed_of
from zoo.artifact import read_identity
from zoo.scoring.bootstrap import COVERAGE, RESAMPLES, student_quantile
from zoo.scoring.metrics import Metric, Scoring
from zoo.scoring.parts import by_class, by_unit
from zoo.scoring.protocols import scoring
from zoo.scoring.units import NAMING, Units


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One metric of both, and the second's gain over the first."""

    metric: str
    first: float
    second: float
    gain: float  # positive when the second is better
    error: float | None  # standard error of the gain; none of a metric that resampled units have not
    interval: tuple[float, float] | None  # 95 % of the gain


@dataclass(frozen=True, kw_only=True)
class Part:
    """The ranking metric of a class, or of one unit."""

    name: str
    first: float
    second: float
    gain: float
    picture: tuple[Path, Path] | None = None  # as each model's own pictures show it


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Of two versions under one protocol on the same data."""

    first: Version
    second: Version
    paired: bool
    unit_count: int
    better: int  # units on which the second is better
    worse: int
    differences: tuple[Difference, ...]  # the ranking metric first
    classes: tuple[Part, ...]  # what changed most first
    changed: tuple[Part, ...]  # the units that changed most, most first

    @property
    def metric(self) -> Metric:
        """The ranking one."""
        return self.second.ranked_by


def compare(
    first: Version, second: Version, settings: Settings, scratch: Path, *, shown: int = 10, resamples: int = RESAMPLES
) -> Comparison:
    """What is between two versions.

    Args:
        scratch: where the files of a server are brought.
        shown: how many units, of those that changed most.

    Raises:
        ValueError: they were not scored alike, so that nothing compares, or a registered file was changed.
        ConnectionError: the tracking server does not answer.
    """
    if not alike(first, second):
        raise ValueError(
            f"{first} was scored under {first.protocol} on data {first.data_digest[:8]}, {second} under "
            f"{second.protocol} on {second.data_digest[:8]}: their numbers do not compare."
        )
    folders = [evaluation(version, settings, scratch / side) for version, side in ((first, "a"), (second, "b"))]
    old, new = (Units.read(folder / "units.parquet") for folder in folders)
    counting = scoring(second.protocol)
    if counting.paired:
        new.check_paired(old)
    gains = _by_unit(old, new, counting) if counting.paired else np.empty((0, 3))
    told = gains[np.isfinite(gains[:, 2]), 2]
    facts = [read_identity(folder.parent).facts for folder in folders]
    names = next((list(each["classes"]) for each in facts if each.get("classes")), [])
    return Comparison(
        first=first,
        second=second,
        paired=counting.paired,
        unit_count=min(len(old), len(new)),
        better=int((told > 0).sum()),
        worse=int((told < 0).sum()),
        differences=tuple(_difference(old, new, counting, metric, resamples) for metric in counting.metrics),
        classes=_classes(old, new, counting, names),
        changed=_changed(new, gains, [folder.parent / "pictures" for folder in folders], shown),
    )


def _difference(old: Units, new: Units, counting: Scoring, metric: Metric, resamples: int) -> Difference:
    by = By(counting, metric)
    if not by.resamples(new):
        first, second = (counting.aggregate(units)[metric.name] for units in (old, new))
        gain = metric.gain(second, first)
        return Difference(metric=metric.name, first=first, second=second, gain=gain, error=None, interval=None)
    found = measured(new, old, by, resamples=resamples, seed=seed_of(metric.name))
    count = min(len(new), len(old))
    error = found.standard_error * np.sqrt(count / max(1, count - 1))
    reach = student_quantile((1 + COVERAGE) / 2, max(1, count - 1)) * error
    return Difference(
        metric=metric.name,
        first=found.champion_value,
        second=found.challenger_value,
        gain=found.gain,
        error=float(error),
        interval=(float(found.gain - reach), float(found.gain + reach)),
    )


def _by_unit(old: Units, new: Units, counting: Scoring) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Both values and the gain of each unit, (n, 3)."""
    first, second = by_unit(old, counting), by_unit(new, counting)
    sign = 1 if counting.metrics[0].higher_is_better else -1
    return np.stack([first, second, sign * (second - first)], axis=1)


def _classes(old: Units, new: Units, counting: Scoring, names: list[str]) -> tuple[Part, ...]:
    first, second = by_class(old, counting), by_class(new, counting)
    gain = counting.metrics[0].gain
    parts = [
        Part(
            name=names[k] if k < len(names) else f"class {k}",
            first=first[k],
            second=second[k],
            gain=gain(second[k], first[k]),
        )
        for k in first.keys() & second.keys()
    ]
    return tuple(sorted(parts, key=lambda part: (-abs(part.gain), part.name)))


def _changed(
    units: Units, gains: np.ndarray[tuple[int, int], np.dtype[np.float64]], folders: list[Path], shown: int
) -> tuple[Part, ...]:
    size = np.nan_to_num(np.abs(gains[:, 2]))
    order = [i for i in np.argsort(-size, kind="stable") if size[i] > 0][:shown]
    column = next((units.rows[name] for name in NAMING if name in units.rows), np.arange(len(units)))
    return tuple(
        Part(
            name=str(column[i]),
            first=float(gains[i, 0]),
            second=float(gains[i, 1]),
            gain=float(gains[i, 2]),
            picture=_picture(str(column[i]), folders),
        )
        for i in order
    )


def _picture(unit: str, folders: list[Path]) -> tuple[Path, Path] | None:
    """The picture of a unit in both folders: it bears the unit's name, a number with zeros before it."""
    for path in sorted(folders[0].glob("*.png")):
        mine = path.stem == unit or path.stem.endswith(f"-{unit}")
        if (mine or (unit.isdigit() and path.stem.isdigit() and int(path.stem) == int(unit))) and (
            folders[1] / path.name
        ).is_file():
            return path, folders[1] / path.name
    return None

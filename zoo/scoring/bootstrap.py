"""How far chance alone moves a number: the units that it was counted from, drawn again and again with replacement.

Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 6. The standard deviation over the resamples is the
standard error; with n units, Student's t with n - 1 degrees of freedom makes an interval of it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit
from threadpoolctl import threadpool_limits

from zoo.scoring.metrics import CannotScore, Scoring
from zoo.scoring.units import Units

RESAMPLES = 500  # a standard error is known to about 3 % then, 1 / sqrt(2 B): Efron and Tibshirani, section 6.4
SEED = int.from_bytes(b"nightzoo")  # no small number, from which made data may have been drawn: draws would match them
COVERAGE = 0.95  # of an interval that is stated beside a score

Values = npt.NDArray[np.float64]


class Uncertainty(NamedTuple):
    """How far chance may have moved a score."""

    error: float | None  # standard error; none where one unit says nothing about chance
    interval: tuple[float, float] | None


def error_and_interval(units: Units, scoring: Scoring, *, resamples: int = RESAMPLES, seed: int = SEED) -> Uncertainty:
    """Standard error and 95 % interval of one evaluation's ranking metric.

    The interval keeps within the values that the metric can take.

    Raises:
        CannotScore: the metric is not finite under some resample.
    """
    if len(units) < 2:
        return Uncertainty(None, None)
    metric = scoring.metrics[0]
    value = scoring.aggregate(units)[metric.name]
    error = float(np.std(resampled([units], scoring, resamples=resamples, seed=seed), ddof=1))
    reach = student_quantile((1 + COVERAGE) / 2, len(units) - 1) * error
    return Uncertainty(error, (max(metric.lowest, value - reach), min(metric.highest, value + reach)))


def resampled(evaluations: Sequence[Units], scoring: Scoring, *, resamples: int, seed: int) -> Values:
    """The ranking metric of each evaluation under resampled units, (resamples, evaluations).

    Paired scorings see the same counts in all evaluations, others independent ones.

    Raises:
        CannotScore: a value is not finite.
    """
    random = np.random.default_rng(seed)
    name = scoring.metrics[0].name
    values = np.empty((resamples, len(evaluations)))
    with threadpool_limits(1):  # the last bits depend on the number of threads, and small matrices are faster on one
        for row in values:
            counts: npt.NDArray[np.int64] | None = None
            for column, units in enumerate(evaluations):
                if counts is None or not scoring.paired:
                    counts = random.multinomial(len(units), np.full(len(units), 1 / len(units)))
                row[column] = scoring.aggregate(units, counts)[name]
    if not np.isfinite(values).all():
        raise CannotScore(f"{scoring.id}: {name} of resampled units is not finite; its aggregate cannot be judged.")
    return values


def student_quantile(probability: float, degrees: float) -> float:
    """The point that Student's t with so many degrees of freedom stays below with this probability."""
    return float(stdtrit(degrees, probability))

"""One score's standard error and interval, against the mean's known ones and Student's t of another library."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import t

from zoo.scoring.bootstrap import COVERAGE, RESAMPLES, SEED, error_and_interval, resampled, student_quantile
from zoo.scoring.metrics import CannotScore, Metric
from zoo.scoring.units import Units


@dataclass(frozen=True)
class Mean:
    id: str = "mean@1"
    paired: bool = True
    highest: float = 100.0

    @property
    def metrics(self) -> tuple[Metric, ...]:
        kinds = {"unit": "", "higher_is_better": True, "lowest": -100.0, "highest": self.highest}
        return tuple(Metric(name=name, **kinds) for name in ("mean", "double"))  # type: ignore[arg-type]

    def aggregate(self, units: Units, counts: npt.NDArray[np.int64] | None = None) -> dict[str, float]:
        values = units.rows["value"]
        mean = float(np.average(values, weights=counts))
        return {"double": 2 * mean, "mean": mean}


def units(values: npt.ArrayLike) -> Units:
    return Units({"value": np.asarray(values, dtype=np.float64)})


@pytest.mark.parametrize("count", [5, 40])
def test_the_interval_is_students_around_the_value(count: int) -> None:
    values = np.random.default_rng(2).normal(3, 1, size=count)
    error, interval = error_and_interval(units(values), Mean(), resamples=4000)
    assert error == pytest.approx(values.std() / np.sqrt(count), rel=0.04)  # the bootstrap's limit for a mean
    low, high = t.interval(0.95, count - 1, loc=values.mean(), scale=error)
    assert interval == pytest.approx((low, high))


def test_it_is_the_same_whenever_it_is_asked() -> None:
    values = units(np.random.default_rng(2).normal(size=30))
    first = error_and_interval(values, Mean())
    assert error_and_interval(values, Mean()) == first
    assert error_and_interval(values, Mean(), resamples=RESAMPLES, seed=SEED) == first
    assert error_and_interval(values, Mean(), seed=1) != first
    assert (RESAMPLES, COVERAGE) == (500, 0.95)


def test_an_interval_holds_no_impossible_value() -> None:
    right = units([1.0] * 9 + [0.0])
    _, interval = error_and_interval(right, Mean(highest=1.0))
    assert interval is not None
    assert interval[0] < 0.9
    assert interval[1] == 1.0


def test_one_unit_says_nothing_about_chance_and_equal_ones_that_there_is_none() -> None:
    assert error_and_interval(units([0.5]), Mean()) == (None, None)
    assert error_and_interval(units([0.5, 0.5]), Mean()) == (0.0, (0.5, 0.5))


def test_paired_evaluations_see_the_same_draws_and_others_their_own() -> None:
    values = np.random.default_rng(2).normal(size=30)
    both = [units(values), units(values + 1)]
    paired = resampled(both, Mean(), resamples=50, seed=3)
    assert paired.shape == (50, 2)
    np.testing.assert_allclose(paired[:, 1] - paired[:, 0], 1)
    apart = resampled(both, Mean(paired=False), resamples=2000, seed=3)
    assert abs(np.corrcoef(apart.T)[0, 1]) < 0.1
    np.testing.assert_array_equal(paired[:, 0], resampled(both[:1], Mean(), resamples=50, seed=3)[:, 0])


def test_a_metric_that_some_draws_do_not_have_is_refused() -> None:
    with pytest.raises(CannotScore, match="mean@1: mean of resampled units is not finite"):
        error_and_interval(units([1.0, np.nan]), Mean())


def test_a_standard_error_of_few_resamples_is_not_too_small() -> None:
    """The deviation of a sample: squares over one less than there are."""
    values = units(np.random.default_rng(2).normal(size=9))
    first, second, third = resampled([values], Mean(), resamples=3, seed=0)[:, 0]
    mean = (first + second + third) / 3
    by_hand = np.sqrt(((first - mean) ** 2 + (second - mean) ** 2 + (third - mean) ** 2) / 2)
    assert error_and_interval(values, Mean(), resamples=3, seed=0).error == pytest.approx(by_hand)


@dataclass(frozen=True)
class Reciprocal(Mean):
    """Of how often the first unit was drawn, which may be never."""

    def aggregate(self, _units: Units, counts: npt.NDArray[np.int64] | None = None) -> dict[str, float]:
        return {"mean": 1.0 if counts is None else 1 / counts[0] if counts[0] else np.inf}


def test_one_draw_without_the_metric_is_enough_to_refuse() -> None:
    with pytest.raises(CannotScore, match="mean@1: mean of resampled units is not finite"):
        resampled([units([1.0, 2.0, 3.0])], Reciprocal(), resamples=20, seed=0)


def test_student_quantile_is_the_other_librarys() -> None:
    for probability, degrees in ((0.975, 4), (0.9999, 39), (0.6, 1)):
        assert student_quantile(probability, degrees) == pytest.approx(t.ppf(probability, degrees), rel=1e-9)

"""End-point errors worked by hand."""

import numpy as np
import pytest

from zoo.scoring.flow import EndPointError, end_point_errors
from zoo.scoring.metrics import CannotScore
from zoo.scoring.protocols import scoring
from zoo.scoring.units import Units


def units(*rows: dict) -> Units:
    return Units({key: np.stack([row[key] for row in rows]) for key in rows[0]})


# Off by 5 (3-4-5), 0, 4 of a length of 100, 4 of 10, and by something where the truth is not known.
TRUTH = np.array([[(0, 0), (7, 1), (100, 0), (0, 10), (0, 0)]], np.float32)
KNOWN = np.array([[True, True, True, True, False]])
ESTIMATE = np.array([[(3, 4), (7, 1), (100, 4), (0, 6), (90, 90)]], np.float32)


def test_a_pair_by_hand() -> None:
    row = end_point_errors(ESTIMATE, TRUTH, KNOWN, name="hand")
    assert row["pixels"] == 4
    assert row["error"] == pytest.approx(5 + 0 + 4 + 4)
    assert row["within"].tolist() == [1, 1, 3]  # off by exactly 5 is not within 5
    assert row["outliers"] == 2  # 4 of 100 is less than 5 %


def test_the_mean_over_pixels_and_over_pairs_by_hand() -> None:
    small = end_point_errors(np.ones((1, 1, 2)) * (1, 0), np.zeros((1, 1, 2)), np.ones((1, 1), bool), name="small")
    both = units(end_point_errors(ESTIMATE, TRUTH, KNOWN, name="hand"), small)
    pixels, pairs = EndPointError().aggregate(both), EndPointError("kitti").aggregate(both)
    assert pixels["EPE"] == pytest.approx(14 / 5)
    assert pairs["EPE"] == pytest.approx((13 / 4 + 1) / 2)
    for values in (pixels, pairs):  # shares are of all pixels
        assert values["Fl_all"] == pytest.approx(2 / 5)
        assert [values[f"within_{n}px"] for n in (1, 3, 5)] == pytest.approx([1 / 5, 2 / 5, 4 / 5])


@pytest.mark.parametrize("per", ["", "kitti"])
def test_counting_twice_is_having_twice(per: str) -> None:
    rng = np.random.default_rng(0)
    rows = [
        end_point_errors(
            rng.normal(0, 4, (3, 4, 2)).astype(np.float32),
            np.zeros((3, 4, 2), np.float32),
            rng.random((3, 4)) < 0.7,
            name="random",
        )
        for _ in range(3)
    ]
    of = EndPointError(per)
    counted = of.aggregate(units(*rows), np.array([2, 0, 1]))
    assert counted == pytest.approx(of.aggregate(units(rows[0], rows[0], rows[2])))


def test_no_known_flow_wrong_size_and_not_finite() -> None:
    nothing = end_point_errors(*np.zeros((2, 1, 1, 2)), np.zeros((1, 1), bool), name="nothing")
    for per in ("", "kitti"):
        with pytest.raises(ValueError, match="expected pixels with a known flow"):
            EndPointError(per).aggregate(units(nothing))
    with pytest.raises(CannotScore, match=r"a: expected a flow of the picture's size \(1, 5, 2\), got \(1, 4, 2\)"):
        end_point_errors(ESTIMATE[:, :4], TRUTH, KNOWN, name="a")
    one = ESTIMATE.copy()
    one[0, 4, 1] = np.inf  # also where the truth is not known
    with pytest.raises(CannotScore, match="a: expected a finite flow"):
        end_point_errors(one, TRUTH, KNOWN, name="a")
    with pytest.raises(CannotScore, match="a: expected a finite flow"):
        end_point_errors(ESTIMATE * np.nan, TRUTH, KNOWN, name="a")


def test_protocols_name_their_scoring() -> None:
    assert scoring("sintel-clean/epe@1") == EndPointError()
    assert scoring("kitti-2015-training/kitti-epe@1") == EndPointError("kitti")


@pytest.mark.parametrize(
    ("truth", "estimate", "outlier"),
    [
        ((40, 0), (43, 0), False),  # off by exactly 3 px of 40: both have to be more
        ((40, 0), (43.25, 0), True),
        ((80, 0), (84, 0), False),  # off by exactly 5 % of 80
        ((80, 0), (84.25, 0), True),
        ((0, 100), (0, 107), True),  # 7 %: less than a tenth
        ((70, 0), (66.5, 0), False),  # 5 % of the truth's 70, more than 5 % of the estimate's 66.5
        ((66.5, 0), (70, 0), True),  # more than 5 % of the truth's 66.5, 5 % of the estimate's 70
        ((3, 4), (3, 8), True),  # lengths are of both directions together
        ((0, 0), (2.5, 0), False),  # no length at all, but less than 3 px
    ],
)
def test_an_outlier_is_off_by_more_than_3_px_and_by_more_than_5_percent_of_the_true_length(
    truth: tuple[float, float], estimate: tuple[float, float], outlier: bool
) -> None:
    row = end_point_errors(
        np.array([[estimate]], np.float32), np.array([[truth]], np.float32), np.ones((1, 1), bool), name=""
    )
    assert bool(row["outliers"]) == outlier
    assert EndPointError().aggregate(units(row))["Fl_all"] == outlier


def test_within_is_less_than() -> None:
    estimate = np.array([[(0.5, 0), (1, 0), (2.5, 0), (3, 0), (4.5, 0), (5, 0), (9, 0)]], np.float32)
    row = end_point_errors(estimate, np.zeros((1, 7, 2)), np.ones((1, 7), bool), name="")
    assert row["within"].tolist() == [1, 3, 5]


def test_under_counts_pairs_without_known_flow_weigh_nothing() -> None:
    rows = {
        "pixels": np.array([0, 2, 4]),
        "error": np.array([0.0, 6.0, 4.0]),
        "within": np.zeros((3, 3), np.int64),
        "outliers": np.zeros(3, np.int64),
    }
    for per, epe in (("", 10 / 6), ("kitti", 2.0)):
        assert EndPointError(per).aggregate(Units(rows))["EPE"] == pytest.approx(epe)  # type: ignore[arg-type]
    weighted = EndPointError("kitti").aggregate(Units(rows), np.array([5, 1, 3]))
    assert weighted["EPE"] == pytest.approx((3 + 3 * 1) / 4)

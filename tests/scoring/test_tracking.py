"""Success and precision against hand-worked cases and a slow re-implementation of their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.boxes import overlap
from zoo.scoring.tracking import Success, centre_error
from zoo.scoring.units import Units


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, dtype=np.float64)


def units(overlaps: list[list[float]], errors: list[list[float]]) -> Units:
    def column(values: list[list[float]]) -> np.ndarray:
        return np.fromiter([np.array(row) for row in values], dtype=object, count=len(values))

    return Units({"overlap": column(overlaps), "centre_error": column(errors)})


def test_overlap_by_hand():
    a = boxes((0, 0, 4, 4), (0, 0, 4, 4), (0, 0, 4, 4), (1, 2, 2, 1), (0, 0, 0, 0))
    b = boxes((0, 0, 4, 4), (2, 0, 4, 4), (4, 0, 4, 4), (0, 0, 10, 10), (0, 0, 0, 0))
    # 8 of 16 + 16 - 8 = 24 pixels; touching boxes share nothing; 2 of 100
    assert overlap(a, b) == pytest.approx([1, 1 / 3, 0, 0.02, 0])


def test_centre_error_by_hand():
    assert centre_error(boxes((0, 0, 2, 2), (5, 5, 1, 1)), boxes((3, 4, 2, 2), (4, 4, 3, 3))) == pytest.approx([5, 0])


def test_a_curve_by_hand():
    # 1 exceeds 0, 0.05 ... 0.95: 20 thresholds of 21; 0.5 exceeds 0 ... 0.45: 10; 0.26 exceeds 0 ... 0.25: 6; 0 none
    score = Success().aggregate(units([[1.0, 0.5, 0.26, 0.0]], [[0.0, 20.0, 20.001, 300.0]]))
    assert score["success_auc"] == pytest.approx((20 + 10 + 6 + 0) / 4 / 21)
    assert score["precision_20px"] == 0.5  # 20 px is still near
    assert score["success_rate_50"] == 0.25  # 0.5 does not exceed 0.5


def test_sequences_weigh_alike_however_long():
    score = Success().aggregate(units([[1.0], [0.0, 0.0, 0.0]], [[0.0], [99.0, 99.0, 99.0]]))
    assert score["success_auc"] == pytest.approx(20 / 21 / 2)
    assert score["precision_20px"] == 0.5


def test_a_sequence_counted_twice_is_a_sequence_repeated():
    overlaps, errors = [[0.3, 0.9], [0.7], [0.1]], [[3.0, 30.0], [19.0], [50.0]]
    counted = Success().aggregate(units(overlaps, errors), np.array([2, 1, 0]))
    repeated = units([overlaps[0], overlaps[0], overlaps[1]], [errors[0], errors[0], errors[1]])
    assert counted == pytest.approx(Success().aggregate(repeated))


coordinates = st.tuples(*[st.floats(-20, 20)] * 2, *[st.floats(0.5, 20)] * 2)


@given(st.lists(st.tuples(coordinates, coordinates), min_size=1, max_size=8))
def test_agrees_with_the_definitions_written_out(pairs):
    """got10k toolkit 0.1.3, `metrics.py` and `experiments/otb.py`, a box and a threshold at a time."""
    exceeded = near = 0
    for (ax, ay, aw, ah), (bx, by, bw, bh) in pairs:
        shared = max(0.0, min(ax + aw, bx + bw) - max(ax, bx)) * max(0.0, min(ay + ah, by + bh) - max(ay, by))
        share = min(1.0, shared / (aw * ah + bw * bh - shared))  # the toolkit clips it, too
        exceeded += sum(share > threshold for threshold in np.linspace(0, 1, 21))
        dx, dy = (ax + (aw - 1) / 2) - (bx + (bw - 1) / 2), (ay + (ah - 1) / 2) - (by + (bh - 1) / 2)
        near += (dx**2 + dy**2) ** 0.5 <= 20
    a, b = boxes(*(a for a, _ in pairs)), boxes(*(b for _, b in pairs))
    score = Success().aggregate(units([overlap(a, b).tolist()], [centre_error(a, b).tolist()]))
    assert score["success_auc"] == pytest.approx(exceeded / len(pairs) / 21)
    assert score["precision_20px"] == pytest.approx(near / len(pairs))

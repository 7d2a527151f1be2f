"""Curves of a run, drawn."""

from pathlib import Path

import numpy as np

from zoo.drawing.plots import training_curves
from zoo.training import Curves


def test_each_scalar_has_a_panel(tmp_path: Path) -> None:
    curves = Curves(tmp_path / "curves.jsonl")
    curves.rewind(0)
    assert training_curves(curves.path) is None  # nothing is trained in 0 steps
    for step in range(1, 50):
        curves.append(step, {name: np.sin(step / 9) for name in ("critic", "generator", "penalty", "accuracy")})
    picture = training_curves(curves.path)
    assert picture is not None
    assert (picture.shape, picture.dtype) == ((600, 1200, 3), np.uint8)
    panels = [picture[top : top + 300, left : left + 400] for top in (0, 300) for left in (0, 400, 800)]
    assert [bool((panel < 250).any()) for panel in panels] == [True] * 4 + [False] * 2


def test_one_wild_value_does_not_press_the_others_flat(tmp_path: Path) -> None:
    curves = Curves(tmp_path / "curves.jsonl")
    for step in range(1, 200):
        curves.append(step, {"bound": -1e6 if step == 1 else np.sin(step / 9)})
    picture = training_curves(curves.path)
    assert picture is not None
    rows = np.flatnonzero((picture[:, 100:390, 2] > picture[:, 100:390, 0] + 80.0).any(axis=1))  # the blue line
    assert np.ptp(rows) > 150  # of 300


def test_scalars_may_come_and_go(tmp_path: Path) -> None:
    curves = Curves(tmp_path / "curves.jsonl")
    for step in range(1, 30):
        curves.append(step, {"loss": 1 / step} | ({"penalty": 1.0} if step % 4 == 0 else {}))
    picture = training_curves(curves.path)
    assert picture is not None
    assert picture.shape == (300, 800, 3)

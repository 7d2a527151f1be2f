"""Detections out of the units, drawn."""

import numpy as np

from zoo.data.coco import Instances
from zoo.drawing.detection import found_again
from zoo.scoring.detection import Found, matched
from zoo.scoring.units import Units


def test_what_was_found_can_be_shown_again() -> None:
    """Of one picture three things with ragged masks, one of them empty, of another nothing."""
    random = np.random.default_rng(0)
    nothing = Instances(np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros((0, 7, 9), bool), np.zeros(0, bool))
    masks = random.random((3, 7, 9)) < 0.4
    masks[1] = False
    some = Found(random.random((3, 4)) * 5, np.array([0.9, 0.5, 0.1]), np.array([2, 0, 1]), masks)
    none = Found(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64), np.zeros((0, 7, 9), bool))
    rows = [matched(nothing, found) for found in (some, none)]
    units = Units({name: np.fromiter((row[name] for row in rows), object, count=2) for name in rows[0]})
    for i, found in enumerate((some, none)):
        again = found_again(units, i, shape=(7, 9))
        assert all(np.array_equal(a, b) for a, b in zip(again, found, strict=True))
        assert again.masks.shape == found.masks.shape

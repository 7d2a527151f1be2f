"""Bits per dimension by hand."""

import numpy as np
import pytest

from zoo.scoring.likelihood import BitsPerDimension
from zoo.scoring.units import Units


def test_by_hand() -> None:
    """6 and 10 bits for 4 and 8 values; the second picture twice."""
    units = Units({"bits": np.array([6.0, 10.0]), "dimensions": np.array([4, 8])})
    assert BitsPerDimension().aggregate(units)["bits_per_dim"] == pytest.approx(16 / 12)
    assert BitsPerDimension().aggregate(units, np.array([1, 2]))["bits_per_dim"] == pytest.approx(26 / 20)

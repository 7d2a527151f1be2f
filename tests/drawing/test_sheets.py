"""Grids and captions."""

import numpy as np

from zoo.drawing.sheets import grid


def test_grid_shows_every_picture_in_reading_order() -> None:
    images = np.arange(20, dtype=np.uint8).reshape(20, 1, 1, 1).repeat(8, 2).repeat(8, 3)
    picture = grid(images, columns=5, height=8)
    assert picture.shape == (4 * 12, 5 * 12, 3)
    assert [picture[6 + 12 * row, 6 + 12 * column, 0] for row in range(4) for column in range(5)] == list(range(20))

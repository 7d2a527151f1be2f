"""Grids and captions."""

import numpy as np
import pytest

from zoo.drawing.sheets import LINE, captioned, enlarged, grid, spread


def numbered(count: int, *, channels: int = 1) -> np.ndarray:
    """Pictures of 8 x 8 that hold their own number."""
    return np.arange(count, dtype=np.uint8).reshape(-1, 1, 1, 1) + np.zeros((1, channels, 8, 8), np.uint8)


def test_grid_shows_every_picture_in_reading_order() -> None:
    picture = grid(numbered(20), columns=5, height=8)
    assert picture.shape == (4 * 12, 5 * 12, 3)
    assert [picture[6 + 12 * row, 6 + 12 * column, 0] for row in range(4) for column in range(5)] == list(range(20))


@pytest.mark.parametrize(
    ("count", "shape"), [(1, (12, 12, 3)), (9, (12, 9 * 12, 3)), (10, (12, 120, 3)), (13, (24, 120, 3))]
)
def test_grid_shows_what_there_is_and_leaves_the_rest_white(count: int, shape: tuple[int, ...]) -> None:
    picture = grid(numbered(count), height=8)
    assert picture.shape == shape
    corners = [(row, column) for row in range(0, shape[0], 12) for column in range(0, shape[1], 12)]
    cells = [picture[row : row + 12, column : column + 12] for row, column in corners]
    assert [int(cell[6, 6, 0]) for cell in cells[:count]] == list(range(count))
    assert all((cell == 255).all() for cell in cells[count:])


def test_grid_keeps_colours_and_captions_each_picture() -> None:
    images = numbered(2, channels=3)
    images[1, 0] = 200
    picture = grid(images, height=16, captions=[("one", "line"), ("", "")])
    assert picture.shape == (20 + 2 * LINE, 40, 3)
    assert picture[10, 30].tolist() == [200, 1, 1]
    below = picture[20:]
    assert (below[:, :20] < 128).any()  # text
    assert (below[:, 20:] == 255).all()


def test_enlarging_repeats_pixels_a_whole_number_of_times() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    assert enlarged(picture, height=100).shape == (90, 120, 3)
    assert np.array_equal(enlarged(picture, height=100)[1::3, 1::3], picture)
    assert np.array_equal(enlarged(picture, height=20), picture)


def test_a_caption_lies_below_its_picture() -> None:
    picture = np.zeros((10, 60, 3), np.uint8)
    sheet = captioned(picture, "one", "two")
    assert sheet.shape == (10 + 2 * LINE, 60, 3)
    assert np.array_equal(sheet[:10], picture)
    for top in (10, 10 + LINE):
        assert (sheet[top : top + LINE] < 128).any()


@pytest.mark.parametrize(("count", "most", "places"), [(1, 4, [0]), (3, 4, [0, 1, 2]), (61, 4, [0, 20, 40, 60])])
def test_a_few_are_spread_from_the_first_to_the_last(count: int, most: int, places: list[int]) -> None:
    assert spread(count, most) == places

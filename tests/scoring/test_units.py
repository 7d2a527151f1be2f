"""Units survive a file, and where they are compared in pairs have to be the same things in the same order."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.scoring.units import NAMING, Evaluated, Units, names_of


def ragged(*values: Any, dtype: type) -> np.ndarray:
    return np.fromiter((np.array(value, dtype) for value in values), dtype=object, count=len(values))


EVERY_KIND = {
    "id": np.array(["cat", "dog", "Kühe"]),
    "label": np.array([3, 1, 2]),
    "share": np.array([0.1, 1 / 3, np.pi]),
    "right": np.array([True, False, True]),
    "scores": np.arange(6, dtype=np.float32).reshape(3, 2),
    "confusion": np.arange(3 * 2 * 4).reshape(3, 2, 4),
    "flags": np.arange(6).reshape(3, 2) % 2 == 0,
    "turned": np.arange(6).reshape(2, 3).T,  # which lies otherwise in memory
    "overlap": ragged([0.5, 1 / 3], [], [1.0], dtype=float),
    "class": ragged([], [7], [1, 2], dtype=np.int64),
    "seen": ragged([True], [False, True], [], dtype=bool),
    "rle": ragged(*([1, 2, 255],) * 3, dtype=np.uint8),  # of one length: still ragged
}


def assert_same(found: Mapping[str, np.ndarray], kept: Mapping[str, np.ndarray]) -> None:
    """Names in their order, types, shapes and values."""
    assert list(found) == list(kept)
    for name, column in kept.items():
        assert found[name].shape == column.shape, name
        pairs = zip(found[name], column, strict=True) if column.dtype == object else [(found[name], column)]
        for mine, theirs in pairs:
            assert mine.dtype.kind == theirs.dtype.kind
            assert mine.tolist() == theirs.tolist()


@pytest.mark.parametrize("constants", [{}, {"reference": np.arange(6.0).reshape(2, 3).T, "fid": np.array([2.5])}])
def test_units_survive_a_file(tmp_path: Path, constants: dict[str, np.ndarray]) -> None:
    path = tmp_path / "floor.parquet"
    Units(EVERY_KIND, constants).write(path)
    assert (
        sorted(file.name for file in tmp_path.iterdir())
        == ["floor.parquet", "floor.safetensors"][: 1 + bool(constants)]
    )
    again = Units.read(path)
    assert len(again) == 3
    assert_same(again.rows, EVERY_KIND)
    assert_same(dict(sorted(again.constants.items())), dict(sorted(constants.items())))
    again.write(path)  # as a floor that was kept goes beside each model
    assert_same(Units.read(path).rows, EVERY_KIND)


def test_an_evaluation_survives_a_folder(tmp_path: Path) -> None:
    shown = {"draws": np.arange(8, dtype=np.uint8).reshape(2, 1, 2, 2), "track": np.arange(6.0).reshape(2, 3).T}
    for name, kept in {"shown": Evaluated(Units(EVERY_KIND), shown), "bare": Evaluated(Units(EVERY_KIND))}.items():
        folder = tmp_path / name
        folder.mkdir()
        kept.write(folder)
        again = Evaluated.read(folder)
        assert_same(again.units.rows, EVERY_KIND)
        assert_same(dict(sorted(again.shown.items())), dict(sorted(kept.shown.items())))


def test_speed_is_frames_over_their_seconds_and_unknown_where_none_was_timed() -> None:
    units = Units({"value": np.arange(3.0)})
    assert Evaluated(units, {"seconds": np.array([0.1, 0.3])}).speed == pytest.approx(5)
    assert Evaluated(units, {"seconds": np.array([])}).speed is None
    assert Evaluated(units).speed is None


def test_columns_of_different_length_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected columns of one length, got \{'id': 2, 'value': 3\}"):
        Units({"id": np.arange(2), "value": np.arange(3)}).write(tmp_path / "units.parquet")


@pytest.mark.parametrize("column", NAMING)
@pytest.mark.parametrize("names", [["cat", "dog", "cow"], [139, 724, 872]])
def test_a_naming_column_of_any_kind_is_compared(column: str, names: list[Any]) -> None:
    mine = Units({column: np.array(names), "value": np.arange(3.0)})
    mine.check_paired(Units({column: np.array(names), "value": np.zeros(3)}))
    mine.check_paired(Units({"value": np.zeros(3)}))  # of an older benchmark, which named them less
    for theirs in ({column: np.array(names[::-1])}, {column: np.array([*names[:2], names[1]])}):
        with pytest.raises(ValueError, match=f"column '{column}' differs"):
            mine.check_paired(Units({**theirs, "value": np.arange(3.0)}))
    with pytest.raises(ValueError, match=f"column '{column}' differs"):
        Units({"value": np.arange(3.0)}).check_paired(mine)


def test_a_picture_is_named_by_its_content_wherever_it_lies() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (5, 3, 4, 4), dtype=np.uint8)
    names = names_of(pictures)
    assert len(set(names)) == 5
    assert names_of(np.zeros((1, 1, 2, 2), np.uint8)).tolist() == ["4e842f2f50cc089e"]  # stored: never another
    assert names_of(pictures[::-1]).tolist() == names[::-1].tolist()
    pictures[2, 0, 0, 0] ^= 1
    assert (names_of(pictures) == names).tolist() == [True, True, False, True, True]


def test_without_names_their_number_has_to_do() -> None:
    Units({"value": np.arange(3.0)}).check_paired(Units({"value": np.zeros(3)}))
    with pytest.raises(ValueError, match="got 3 and 2"):
        Units({"value": np.arange(3.0)}).check_paired(Units({"value": np.zeros(2)}))


def test_what_was_read_can_be_written_again(tmp_path: Path) -> None:
    """As a floor is that was kept for the next model: names, numbers, vectors and lists of any length."""
    lists = np.empty(2, dtype=object)
    lists[:] = [np.arange(3), np.arange(1)]
    rows = {"id": np.array(["a", "bb"]), "sure": np.array([True, False]), "at": np.eye(2), "tracks": lists}
    Units(rows).write(tmp_path / "first.parquet")
    Units.read(tmp_path / "first.parquet").write(tmp_path / "second.parquet")
    again = Units.read(tmp_path / "second.parquet").rows
    assert {name: again[name].dtype.kind for name in rows} == {"id": "U", "sure": "b", "at": "f", "tracks": "O"}
    for name in ("id", "sure", "at"):
        np.testing.assert_array_equal(again[name], rows[name])
    for found, expected in zip(again["tracks"], lists, strict=True):
        np.testing.assert_array_equal(found, expected)

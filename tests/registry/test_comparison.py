"""Two registered versions compared: paired, by class, by unit; and nothing that does not compare."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import t

from registry import store
from registry.comparison import _picture, compare
from registry.settings import Settings

from .conftest import CLASSES, Making, answers


def test_by_metric_class_and_unit(settings: Settings, make_model: Making, tmp_path: Path) -> None:
    a, b = (store.register(make_model(name, right=right), settings) for name, right in (("a", 0.5), ("b", 0.7)))
    found = compare(a, b, settings, tmp_path, shown=5)
    old, new = (answers(right, seed=0) for right in (0.5, 0.7))
    hits = [side.rows["scores"].argmax(1) == side.rows["label"] for side in (old, new)]
    difference = hits[1].astype(float) - hits[0]
    accuracy, by_classes = found.differences
    assert (accuracy.metric, by_classes.metric) == ("accuracy", "mean_class_accuracy")
    assert accuracy.gain == pytest.approx(difference.mean())
    assert accuracy.error == pytest.approx(difference.std(ddof=1) / np.sqrt(200), rel=0.1)
    assert accuracy.interval == pytest.approx(
        (accuracy.gain - t.ppf(0.975, 199) * accuracy.error, accuracy.gain + t.ppf(0.975, 199) * accuracy.error)
    )
    assert (found.unit_count, found.better, found.worse) == (200, (difference > 0).sum(), (difference < 0).sum())
    assert {part.name: part.gain for part in found.classes} == {
        f"class {k}": pytest.approx(difference[old.rows["label"] == k].mean()) for k in range(CLASSES)
    }
    sizes = [abs(part.gain) for part in found.classes]
    assert sizes == sorted(sizes, reverse=True)
    assert [part.name for part in found.changed] == [str(new.rows["label"][i]) for i in np.flatnonzero(difference)[:5]]
    assert {(part.first, part.second, part.gain) for part in found.changed} == {(0.0, 1.0, 1.0)}
    turned = compare(b, a, settings, tmp_path)
    assert (turned.better, turned.worse, turned.differences[0].gain) == (found.worse, found.better, -accuracy.gain)


def test_what_was_not_scored_alike_is_not_compared(settings: Settings, make_model: Making, tmp_path: Path) -> None:
    a = store.register(make_model("a"), settings)
    for name, changes in (("b", {"data_digest": "e" * 32}), ("c", {"protocol": "digits-test/accuracy@1:anew"})):
        other = store.register(make_model(name, **changes), settings)
        with pytest.raises(ValueError, match="their numbers do not compare"):
            compare(a, other, settings, tmp_path)


def test_changed_files_are_not_compared(settings: Settings, make_model: Making, tmp_path: Path) -> None:
    a, b = (store.register(make_model(name), settings) for name in "ab")
    units = store.fetch(b, settings, Path()) / "evaluation" / "units.parquet"
    units.write_bytes(units.read_bytes() + b"\0")
    with pytest.raises(ValueError, match=r"units.parquet: changed"):
        compare(a, b, settings, tmp_path)


def test_pictures_of_a_unit(tmp_path: Path) -> None:
    folders = [tmp_path / side for side in "ab"]
    for folder in folders:
        folder.mkdir()
        for name in ("track-01-cat", "000007", "training", "val_0003"):
            Image.new("RGB", (2, 2)).save(folder / f"{name}.png")
    (folders[1] / "val_0003.png").unlink()
    for unit, name in (("01-cat", "track-01-cat"), ("7", "000007")):
        assert _picture(unit, folders) == tuple(folder / f"{name}.png" for folder in folders)
    for unit in ("val_0003", "cat-1", "70", "3"):
        assert _picture(unit, folders) is None

"""Evaluations that are kept, and floors that are not scored twice."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from zoo.contracts import Picture
from zoo.evaluation.evaluate import kept_floor
from zoo.evaluation.stage import Stage
from zoo.scoring.classification import Accuracy
from zoo.scoring.units import Evaluated, Units

KEY = "f" * 64


@dataclass
class Counting:
    """A benchmark that counts how often it is run."""

    protocol: str = "x-test/accuracy@1"
    scoring: Accuracy = field(default_factory=Accuracy)
    runs: int = 0

    def evaluate(self, predictor: object, stage: Stage) -> Evaluated:
        assert predictor is not None
        self.runs += 1
        stage.report(self.runs, self.runs)
        rows = {"label": np.arange(3), "scores": np.eye(3, dtype=np.float32)}
        return Evaluated(Units(rows, {"reference": np.ones((2, 2)).T}), {"draws": np.arange(6).reshape(2, 3).T})

    def floor(self) -> tuple[str, object]:
        return "majority class", object()

    def pictures(self, _model: Evaluated, _floor: Evaluated) -> dict[str, Picture]:
        return {}


def same(a: Evaluated, b: Evaluated) -> bool:
    pairs = ((a.units.rows, b.units.rows), (a.units.constants, b.units.constants), (a.shown, b.shown))
    return all(x.keys() == y.keys() and all(np.array_equal(x[k], y[k]) for k in x) for x, y in pairs)


def test_a_floor_is_scored_once_a_key(tmp_path: Path) -> None:
    benchmark, told = Counting(), []
    first = kept_floor(benchmark, key=KEY, cache=tmp_path, report=lambda done, total: told.append((done, total)))
    again = kept_floor(benchmark, key=KEY, cache=tmp_path)
    assert benchmark.runs == 1
    assert told == [(1, 1)]
    assert first[0] == again[0] == "majority class"
    assert same(first[1], again[1])
    kept_floor(benchmark, key="e" * 64, cache=tmp_path)
    assert benchmark.runs == 2
    assert sorted(path.name for path in (tmp_path / "floors").iterdir()) == ["e" * 64, KEY]


def test_without_a_cache_nothing_is_kept(tmp_path: Path) -> None:
    benchmark = Counting()
    for _ in range(2):
        kept_floor(benchmark, key=KEY, cache=None)
    assert benchmark.runs == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["units.parquet", "units.safetensors", "shown.safetensors", "method.json"])
def test_a_damaged_one_is_made_again_and_said_so(tmp_path: Path, name: str) -> None:
    benchmark = Counting()
    _, first = kept_floor(benchmark, key=KEY, cache=tmp_path)
    file = tmp_path / "floors" / KEY / name
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.warns(UserWarning, match=f"a kept floor is damaged and scored again: .*{name}"):
        _, again = kept_floor(benchmark, key=KEY, cache=tmp_path)
    assert benchmark.runs == 2
    assert same(first, again)
    kept_floor(benchmark, key=KEY, cache=tmp_path)
    assert benchmark.runs == 2


def test_of_two_that_keep_at_once_the_first_wins(tmp_path: Path) -> None:
    class Meanwhile(Counting):
        def floor(self) -> tuple[str, object]:
            kept_floor(Counting(), key=KEY, cache=tmp_path)
            return super().floor()

    method, scored = kept_floor(Meanwhile(), key=KEY, cache=tmp_path)
    assert method == "majority class"
    assert same(scored, kept_floor(Counting(), key=KEY, cache=tmp_path)[1])
    assert [path.name for path in (tmp_path / "floors").iterdir()] == [KEY]

"""What a worker puts beside a model, and what its slot tells it."""

from pathlib import Path

import numpy as np
import pytest

from flows.worker import _draw
from flows.workers import slots

BLACK = np.zeros((2, 2, 3), np.uint8)


def test_pictures_of_training_benchmark_and_learner_never_hide_each_other(tmp_path: Path) -> None:
    training = {"training": BLACK}
    _draw(tmp_path / "one", training, {"samples": BLACK}, {"filters": BLACK})
    assert {path.stem for path in (tmp_path / "one").iterdir()} == {"training", "samples", "filters"}
    with pytest.raises(ValueError, match="two pictures are called 'training'"):
        _draw(tmp_path / "two", training, {"training": BLACK}, {})


def test_a_gpu_is_told_with_how_many_it_shares_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3")
    assert slots() == [{"CUDA_VISIBLE_DEVICES": gpu, "ZOO_WORKERS": "2"} for gpu in ("0", "3")]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert {frozenset(slot.items()) for slot in slots()} == {frozenset({("CUDA_VISIBLE_DEVICES", "")})}

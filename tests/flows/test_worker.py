"""What a worker puts beside a model."""

from pathlib import Path

import numpy as np
import pytest

from flows.worker import _draw

BLACK = np.zeros((2, 2, 3), np.uint8)


def test_pictures_of_training_benchmark_and_learner_never_hide_each_other(tmp_path: Path) -> None:
    training = {"training": BLACK}
    _draw(tmp_path / "one", training, {"samples": BLACK}, {"filters": BLACK})
    assert {path.stem for path in (tmp_path / "one").iterdir()} == {"training", "samples", "filters"}
    with pytest.raises(ValueError, match="two pictures are called 'training'"):
        _draw(tmp_path / "two", training, {"training": BLACK}, {})

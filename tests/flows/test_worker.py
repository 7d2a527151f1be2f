"""What a worker puts beside a model."""

import numpy as np
import pytest

from flows.worker import _pictures

BLACK = np.zeros((2, 2, 3), np.uint8)


def test_pictures_of_training_benchmark_and_learner_never_hide_each_other() -> None:
    training = {"training": BLACK}
    assert set(_pictures(training, {"samples": BLACK}, {"filters": BLACK})) == {"training", "samples", "filters"}
    with pytest.raises(ValueError, match="two pictures are called 'training'"):
        _pictures(training, {"training": BLACK}, {})

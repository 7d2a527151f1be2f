"""What a worker puts beside a model."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from flows.worker import _pictures
from zoo.catalogue import family
from zoo.contracts import Facts
from zoo.training import Curves

BLACK = np.zeros((2, 2, 3), np.uint8)


def test_pictures_of_training_benchmark_and_learner_never_hide_each_other(tmp_path: Path) -> None:
    of = family("digit-classifier")
    learner = of.learner(of.recipe("smoke"), Facts(channels=1, height=8, width=8, classes=("a", "b")))
    trained = SimpleNamespace(learner=learner)
    curves = Curves(tmp_path / "curves.jsonl")
    curves.append(1, {"loss": 1.0})
    benchmark = SimpleNamespace(pictures=lambda _: {"samples": BLACK})
    assert set(_pictures(benchmark, trained, curves.path)) == {"samples", "training"}
    clashing = SimpleNamespace(pictures=lambda _: {"training": BLACK})
    with pytest.raises(ValueError, match="two pictures are called 'training'"):
        _pictures(clashing, trained, curves.path)

"""Top-1 and top-5 by hand and by scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import top_k_accuracy_score

from zoo.scoring.protocols import scoring
from zoo.scoring.top_five import TopFive
from zoo.scoring.units import Units

LABELS = np.array([3, 0, 7, 2])
NAMED = np.array([[3, 1, 2, 4, 5], [1, 2, 0, 3, 4], [1, 2, 3, 4, 5], [9, 8, 7, 6, 2]])


def test_counts_the_first_and_the_first_five() -> None:
    units = Units({"label": LABELS, "named": NAMED})
    assert TopFive().aggregate(units) == {"accuracy": 0.25, "top5_accuracy": 0.75}
    counted = TopFive().aggregate(units, np.array([2, 0, 1, 1]))
    assert counted == {"accuracy": 0.5, "top5_accuracy": 0.75}
    assert scoring("imagenet-val/top5@1:bicubic256-crop224") == TopFive()


def test_agrees_with_scikit_learn() -> None:
    random = np.random.default_rng(0)
    scores, labels = random.normal(size=(200, 20)), random.integers(20, size=200)
    units = Units({"label": labels, "named": np.argsort(-scores, axis=1)[:, :5]})
    found = TopFive().aggregate(units)
    for name, k in (("accuracy", 1), ("top5_accuracy", 5)):
        assert found[name] == pytest.approx(top_k_accuracy_score(labels, scores, k=k, labels=np.arange(20)))

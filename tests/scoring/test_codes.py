"""What codes say of classes, against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from zoo.scoring.codes import CodeQuality, adjusted_rand_index
from zoo.scoring.units import Units


@pytest.mark.parametrize("kinds", [(2, 2), (10, 10), (3, 7), (1, 4)])
def test_the_adjusted_rand_index_is_scikit_learns(kinds: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    one = rng.integers(kinds[0], size=300)
    other = np.where(rng.random(300) < 0.6, one % kinds[1], rng.integers(kinds[1], size=300))
    assert adjusted_rand_index(one, other) == pytest.approx(adjusted_rand_score(one, other), abs=1e-12)


def agreement(found: np.ndarray) -> float:
    """Of the codes 0, 1, 2, 0, ... with the classes that are found in their draws."""
    rng = np.random.default_rng(0)
    rows = {
        "features": rng.normal(size=(60, 4)).astype(np.float32),
        "probabilities": np.eye(3, dtype=np.float32)[found],
        "label": np.arange(60) % 3,
    }
    reference = {"reference": rng.normal(size=(50, 4)).astype(np.float32)}
    return CodeQuality().aggregate(Units(rows, reference))["code_ARI"]


def test_codes_need_no_order_and_one_that_says_nothing_scores_0() -> None:
    assert agreement(np.array([2, 0, 1])[np.arange(60) % 3]) == 1.0
    assert agreement(np.zeros(60, dtype=np.int64)) == 0.0
    assert agreement(np.repeat(np.arange(3), 20)) == pytest.approx(0.0, abs=0.05)

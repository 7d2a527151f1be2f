"""Neighbours by brute force and by scikit-learn, k by its cross-validation, and ties by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from sklearn.model_selection import KFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from zoo.contracts import Inputs
from zoo.recognition import k_nn
from zoo.recognition.k_nn import FAMILY, KNN, Distance, Examples, KNNFacts, KNNLearner, KNNRecipe, nearest

METRICS: dict[Distance, str] = {"l1": "manhattan", "l2": "euclidean"}


def fitted(datasets: Path, **numbers: object) -> tuple[KNNLearner, Examples]:
    recipe = FAMILY.recipe("mini", **numbers)
    assert isinstance(recipe, KNNRecipe)
    examples = Examples(recipe, Inputs(datasets=datasets))
    learner = KNNLearner(recipe, examples.facts)
    learner.fit(examples)
    return learner, examples


def facts(examples: int, classes: str = "ab") -> KNNFacts:
    return KNNFacts(channels=1, height=1, width=2, classes=tuple(classes), examples=examples)


def memory(pixels: list[list[int]], labels: list[int], *, k: int, distance: Distance = "l2") -> KNN:
    network = KNN(facts(len(pixels)), distance=distance)
    network.examples.copy_(torch.tensor(pixels))
    network.labels.copy_(torch.tensor(labels))
    network.k.fill_(k)
    return network


@pytest.mark.parametrize("distance", METRICS)
def test_names_what_scikit_learn_names(datasets: Path, distance: Distance) -> None:
    learner, examples = fitted(datasets, distance=distance, neighbours=(5,))
    known, asked = examples.images[:1200], examples.images[1200:]
    peer = KNeighborsClassifier(5, metric=METRICS[distance], algorithm="brute")
    peer.fit(known.double().numpy(), examples.labels[:1200])
    away, _ = peer.kneighbors(asked.double().numpy())
    near = nearest(asked, known, k=5, distance=distance)
    found = (asked[:, None].double() - known[near].double()).norm(p=int(distance[1]), dim=2)
    assert np.allclose(found, away)

    network = learner.predictor()
    network.examples, network.labels = known, examples.labels[:1200]
    shares = network.probabilities(asked.view(-1, 1, 8, 8)).numpy()
    further, _ = peer.kneighbors(asked.double().numpy(), 6)
    clear = further[:, 5] > further[:, 4]  # of equally near ones each takes which it likes
    assert clear.mean() > 0.9
    assert np.allclose(shares[clear], peer.predict_proba(asked.double().numpy())[clear])
    assert np.array_equal(shares.argmax(1)[clear], peer.predict(asked.double().numpy())[clear])


def test_k_is_what_five_folds_of_scikit_learn_choose(datasets: Path) -> None:
    learner, examples = fitted(datasets)
    pixels, labels = examples.images.double().numpy(), examples.labels.numpy()
    scores = {
        k: cross_val_score(KNeighborsClassifier(k, algorithm="brute"), pixels, labels, cv=KFold(5)).mean()
        for k in (1, 3, 5, 8, 10)
    }
    right = learner._right()
    assert {k: right[k] / len(labels) for k in scores} == pytest.approx(scores, abs=2e-3)  # but for ties
    assert int(learner.predictor().k) == max(right, key=lambda k: right[k])
    assert right[100] < right[1]


def test_of_equally_near_ones_the_first_counts_and_of_equal_votes_the_lower_class() -> None:
    tied = memory([[10, 0], [0, 10], [9, 9]], [1, 0, 0], k=1)
    assert tied.probabilities(torch.zeros(1, 1, 1, 2, dtype=torch.uint8)).tolist() == [[0, 1]]
    two = memory([[10, 0], [0, 11], [9, 9]], [1, 0, 0], k=2)
    shares = two.probabilities(torch.zeros(1, 1, 1, 2, dtype=torch.uint8))
    assert shares.tolist() == [[0.5, 0.5]]
    assert shares.argmax() == 0


@pytest.mark.parametrize(("distance", "closest"), [("l1", 0), ("l2", 1)])
def test_the_two_distances_differ_and_bytes_do_not_wrap(distance: Distance, closest: int) -> None:
    white, black = torch.full((1, 2), 255, dtype=torch.uint8), torch.zeros(2, 2, dtype=torch.uint8)
    assert nearest(white, torch.cat([black, white]), k=1, distance=distance).item() == 2
    asked = torch.tensor([[100, 100]], dtype=torch.uint8)
    examples = torch.tensor([[100, 119], [110, 110]], dtype=torch.uint8)  # l1: 19, 20; l2: 361, 200
    assert nearest(asked, examples, k=1, distance=distance).item() == closest


@pytest.mark.parametrize("distance", METRICS)
def test_blocks_give_what_brute_force_gives(monkeypatch: pytest.MonkeyPatch, distance: Distance) -> None:
    random = np.random.default_rng(0)
    examples = torch.from_numpy(random.integers(4, size=(100, 6), dtype=np.uint8))  # many ties
    asked = torch.from_numpy(random.integers(4, size=(20, 6), dtype=np.uint8))
    difference = (asked[:, None].long() - examples.long()).abs()
    away = (difference if distance == "l1" else difference**2).sum(2)
    expected = away.argsort(dim=1, stable=True)[:, :9]
    for at_once in (7, 100, 4096):
        monkeypatch.setattr(k_nn, "AT_ONCE", at_once)
        assert torch.equal(nearest(asked, examples, k=9, distance=distance), expected)


def test_fifty_thousand_colour_pictures_are_never_compared_with_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, distances = [], k_nn._distances

    def watched(*given: torch.Tensor) -> torch.Tensor:
        found = distances(*given)
        sizes.append(found.shape[1])
        return found

    monkeypatch.setattr(k_nn, "_distances", watched)
    examples = torch.arange(50_000)[:, None].add(torch.arange(3072)).to(torch.uint8)
    assert nearest(examples[:2], examples, k=2, distance="l2").tolist() == [[0, 256], [1, 257]]
    assert max(sizes) == k_nn.AT_ONCE
    assert sum(sizes) == len(examples)


def test_what_cannot_be_is_named() -> None:
    with pytest.raises(ValueError, match=r"got 14,000,000 of 150,528 values: distances would no\s+longer be exact"):
        KNN(KNNFacts(channels=3, height=224, width=224, classes=("a", "b"), examples=14_000_000), distance="l2")
    with pytest.raises(ValueError, match="expected more training pictures than 5 folds, got 5"):
        KNNLearner(KNNRecipe(dataset="few"), facts(5))
    with pytest.raises(ValidationError, match="expected numbers of neighbours that rise from at least 1"):
        KNNRecipe(dataset="digits", neighbours=(3, 1))

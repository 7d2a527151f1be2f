"""The two losses against loops, finite differences and scikit-learn's solutions."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC
from torch import Tensor
from torch.nn import functional

from zoo.contracts import Batch, Inputs
from zoo.data.labelled import open_labelled
from zoo.recognition.linear import SOFTMAX, SVM, LinearLearner, cross_entropy, hinge
from zoo.tasks.classification import ClassificationFacts


def digits(datasets: Path, *classes: int) -> tuple[Tensor, Tensor]:
    images, labels, _ = open_labelled(datasets / "digits", "train")
    chosen = np.isin(labels, classes)
    numbers = np.searchsorted(classes, labels[chosen])
    return torch.from_numpy(images[chosen]), torch.from_numpy(numbers.astype(np.int64))


def learner(family: object, *, classes: int, **numbers: object) -> LinearLearner:
    of = SVM if family is SVM else SOFTMAX
    facts = ClassificationFacts(channels=1, height=8, width=8, classes=tuple(map(str, range(classes))))
    made = of.learner(of.recipe("mini", **numbers), facts)
    assert isinstance(made, LinearLearner)
    return made


def given(learner: LinearLearner, weight: np.ndarray, bias: np.ndarray) -> LinearLearner:
    with torch.no_grad():
        learner.double().network.templates.weight.copy_(torch.from_numpy(weight))
        learner.network.templates.bias.copy_(torch.from_numpy(bias))
    return learner


def test_the_hinge_sums_over_the_others() -> None:
    scores = torch.tensor([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]])
    labels = torch.tensor([0, 1, 2])
    by_hand = [max(0, 5.1 - 3.2 + 1) + 0, 0, (2.2 + 3.1 + 1) + (2.5 + 3.1 + 1)]
    assert hinge(scores, labels).item() == pytest.approx(sum(by_hand) / 3, rel=1e-6)
    assert hinge(torch.zeros(4, 10), torch.arange(4)).item() == 9  # nothing told apart yet


def test_the_cross_entropy_is_torchs_and_does_not_overflow() -> None:
    scores, labels = torch.randn(7, 10, generator=torch.Generator().manual_seed(0)), torch.arange(7)
    assert torch.allclose(cross_entropy(scores, labels), functional.cross_entropy(scores, labels))
    assert cross_entropy(torch.zeros(4, 10), labels[:4]).item() == pytest.approx(np.log(10))
    assert cross_entropy(torch.tensor([[1000.0, 0.0]]), torch.tensor([1])).item() == 1000


@pytest.mark.parametrize("family", [SVM, SOFTMAX], ids=lambda family: family.name)
def test_gradients_are_those_of_finite_differences(family: object, datasets: Path) -> None:
    images, labels = digits(datasets, *range(10))
    made = learner(family, classes=10, regularization=0.3, deviation=0.01).double()
    weight = made.network.templates.weight

    def objective() -> Tensor:
        return made.objective(made.network(images[:50]), labels[:50])

    (gradient,) = torch.autograd.grad(objective(), weight)
    for row, column in ((0, 20), (3, 36), (9, 43)):
        ends = []
        for step in (1e-6, -1e-6):
            with torch.no_grad():
                weight[row, column] += step
                ends.append(objective().item())
                weight[row, column] -= step
        assert gradient[row, column].item() == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-4)


def test_the_regulariser_leaves_the_bias_alone(datasets: Path) -> None:
    images, labels = digits(datasets, *range(10))
    weak, strong = (learner(SVM, classes=10, regularization=r, seed=0) for r in (0.0, 5.0))
    strong.load_state_dict(weak.state_dict())
    gradients = [
        torch.autograd.grad(made.objective(made.network(images), labels), list(made.network.parameters()))
        for made in (weak, strong)
    ]
    assert torch.allclose(gradients[1][0] - gradients[0][0], 10 * strong.network.templates.weight, atol=1e-4)
    assert torch.equal(gradients[0][1], gradients[1][1])


def test_two_classes_have_scikit_learns_support_vector_machine(datasets: Path) -> None:
    """With W = (-w, w) / 2 every margin is y w x, so C n = 1 / R gives the same objective, R times its own."""
    images, labels = digits(datasets, 3, 8)
    pixels, strength = images.double().flatten(1).numpy(), 1e-4
    peer = SVC(kernel="linear", C=1 / (strength * len(labels)), tol=1e-8).fit(pixels, labels)
    w, b = peer.coef_[0], peer.intercept_[0]
    made = given(learner(SVM, classes=2, regularization=strength), np.stack([-w, w]) / 2, np.array([-b, b]) / 2)
    slack = np.maximum(0, 1 - (2 * labels.numpy() - 1) * peer.decision_function(pixels))
    best = made.objective(made.network(images), labels).item()
    assert best == pytest.approx(strength * 0.5 * w @ w + slack.mean(), rel=1e-9)
    assert np.array_equal(made.network.probabilities(images).argmax(1).numpy(), peer.predict(pixels))
    random = torch.Generator().manual_seed(0)
    for size in (1e-6, 1e-5, 1e-4):
        moved = given(learner(SVM, classes=2, regularization=strength), np.stack([-w, w]) / 2, np.array([-b, b]) / 2)
        with torch.no_grad():
            for parameter in moved.network.parameters():
                parameter += size * torch.randn(parameter.shape, generator=random, dtype=torch.float64)
        assert moved.objective(moved.network(images), labels).item() > best


def test_ten_classes_have_scikit_learns_logistic_regression(datasets: Path) -> None:
    images, labels = digits(datasets, *range(10))
    pixels, strength = images.double().flatten(1).numpy(), 1e-2
    peer = LogisticRegression(C=1 / (2 * strength * len(labels)), solver="newton-cholesky", tol=1e-8).fit(
        pixels, labels
    )
    made = given(learner(SOFTMAX, classes=10, regularization=strength), peer.coef_, peer.intercept_)
    assert np.allclose(made.network.probabilities(images).detach(), peer.predict_proba(pixels), atol=1e-9)
    objective = made.objective(made.network(images), labels)
    for gradient in torch.autograd.grad(objective, list(made.network.parameters())):
        assert gradient.abs().max() < 1e-4  # the same minimum


def test_learns_the_mean_picture_and_sees_what_is_beyond_it(datasets: Path) -> None:
    recipe = SVM.recipe("smoke")
    batches = SVM.training_set(recipe, Inputs(datasets=datasets))
    made = SVM.learner(recipe, batches.facts)
    made.fit(batches)
    images, _, _ = open_labelled(datasets / "digits", "train")
    mean = torch.from_numpy(images.mean(axis=0)).float()
    assert torch.allclose(made.network.mean, mean)
    expected = made.network.templates((torch.from_numpy(images[:1]) - mean).flatten(1))
    assert torch.allclose(made.network(torch.from_numpy(images[:1])), expected, atol=1e-4)


@pytest.mark.parametrize("family", [SVM, SOFTMAX], ids=lambda family: family.name)
def test_steps_come_near_the_minimum(family: object, datasets: Path) -> None:
    images, labels = digits(datasets, *range(10))
    made = learner(family, classes=10, steps=400, regularization=1.0)
    batch: Batch = {"image": images, "label": labels}
    before = made.step(batch)["loss"].item()
    for _ in range(400):
        after = made.step(batch)["loss"].item()
    assert after < 0.5 * before

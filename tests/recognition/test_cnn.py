"""Group normalisation by its formula, and independence of the batch."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from tests.recognition.facts import facts
from zoo.recognition.cnn import CNN, FAMILY

IMAGES = torch.randint(256, (6, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.fixture
def network() -> CNN:
    torch.manual_seed(0)
    return CNN(facts(), widths=(16, 32), groups=8)


@pytest.mark.parametrize("training", [True, False])
def test_a_batch_of_one_equals_a_batch_of_many(network: CNN, training: bool) -> None:
    network.train(training)
    alone = torch.cat([network(image[None]) for image in IMAGES])
    assert torch.allclose(network(IMAGES), alone, atol=1e-5)


def test_groups_are_of_neighbouring_channels_and_gains_a_channels_own(network: CNN) -> None:
    norm = network.stages[0][1]
    assert isinstance(norm, nn.GroupNorm)
    assert norm.weight.shape == norm.bias.shape == (16,)
    x = np.random.default_rng(0).normal(3, 2, size=(2, 16, 5, 4)).astype(np.float32)
    groups = x.reshape(2, 8, -1)
    by_hand = (groups - groups.mean(2, keepdims=True)) / np.sqrt(groups.var(2, keepdims=True) + 1e-5)
    assert np.allclose(norm(torch.from_numpy(x)).detach(), by_hand.reshape(x.shape), atol=1e-5)


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ValidationError, match=r"expected widths that 8 groups divide, got \(12, 24\)"):
        FAMILY.recipe("mini", widths=(12, 24))
    with pytest.raises(ValueError, match=r"at least 16 pixels a side, which 4 stages halve,\s+got 8 x 8"):
        CNN(facts(), widths=(8,) * 4, groups=8)


def test_draws_its_first_filters() -> None:
    learner = FAMILY.learner(FAMILY.recipe("smoke"), facts())
    drawn = learner.pictures()["first_filters"]
    assert drawn.dtype == np.uint8
    assert drawn.max() == 255

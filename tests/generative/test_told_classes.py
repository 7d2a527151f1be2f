"""What every GAN that is told classes does with them."""

import numpy as np
import pytest
import torch

from zoo.contracts import Batch, Family
from zoo.generative import acgan, cgan
from zoo.tasks.classification import ClassificationFacts

CLASSES = ClassificationFacts(channels=1, height=8, width=8, classes=tuple("0123456789"))


def some_digits(count: int) -> Batch:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(count, 1, 8, 8), dtype=np.uint8)
    return {"image": torch.from_numpy(images), "label": torch.from_numpy(rng.integers(10, size=count))}


@pytest.mark.parametrize("family", [acgan.FAMILY, cgan.FAMILY], ids=["acgan", "cgan"])
def test_fakes_are_judged_as_the_classes_they_were_asked_to_be(family: Family) -> None:
    """And real pictures as those they have; all ten are asked for."""
    learner = family.learner(family.recipe("smoke"), CLASSES)
    batch = some_digits(64)
    made: list[torch.Tensor] = []
    judged: list[torch.Tensor] = []
    learner.generator.register_forward_pre_hook(lambda _, fed: made.append(fed[1]))
    learner.discriminator.register_forward_pre_hook(lambda _, fed: judged.append(fed[1]))
    learner.step(batch)
    assert torch.equal(judged[0], batch["label"])
    assert torch.equal(judged[1], made[0])
    assert torch.equal(judged[2], made[0])
    assert set(made[0].tolist()) == set(range(10))


@pytest.mark.parametrize("family", [acgan.FAMILY, cgan.FAMILY], ids=["acgan", "cgan"])
def test_labelled_samples_follow_labels_and_seed(family: Family) -> None:
    generator = family.learner(family.recipe("smoke"), CLASSES).predictor()
    labels = torch.tensor([3, 3, 7])
    first = generator.sample_labelled(labels, seed=0)
    assert first.shape == (3, 1, 8, 8)
    assert torch.equal(first, generator.sample_labelled(labels, seed=0))
    assert not torch.equal(first, generator.sample_labelled(labels, seed=1))
    assert not torch.equal(first[:1], generator.sample_labelled(torch.tensor([4, 3, 7]), seed=0)[:1])

"""CGAN: its networks' size, and who is told which class."""

import numpy as np
import torch
from torch import nn

from zoo.contracts import Batch
from zoo.generative import cgan
from zoo.tasks.classification import ClassificationFacts

CLASSES = ClassificationFacts(channels=1, height=8, width=8, classes=tuple("0123456789"))


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def some_digits(count: int) -> Batch:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(count, 1, 8, 8), dtype=np.uint8)
    return {"image": torch.from_numpy(images), "label": torch.from_numpy(rng.integers(10, size=count))}


def test_cgans_networks_have_the_size_their_layers_add_up_to() -> None:
    """Section 4.1: 200 + 1000 -> 1200 -> 784; maxout 240 x 5 and 50 x 5, joint 240 x 4: 2,413,984 and 1,224,351."""
    facts = ClassificationFacts(channels=1, height=28, width=28, classes=tuple("0123456789"))
    learner = cgan.FAMILY.learner(cgan.FAMILY.recipe("paper"), facts)
    assert parameters(learner.generator) == 2_413_984
    assert parameters(learner.discriminator) == 1_224_351


def test_both_networks_of_a_cgan_listen_to_the_class() -> None:
    learner = cgan.FAMILY.learner(cgan.FAMILY.recipe("smoke"), CLASSES).eval()
    z = learner.noise(1).expand(10, -1)
    pictures = learner.generator(z, torch.arange(10))
    assert len(pictures.flatten(1).unique(dim=0)) == 10
    assert len(learner.discriminator(pictures[:1].expand(10, -1, -1, -1), torch.arange(10)).unique()) == 10


def test_fakes_are_judged_as_the_classes_they_were_asked_to_be() -> None:
    """And real pictures as those they have; all ten are asked for."""
    learner = cgan.FAMILY.learner(cgan.FAMILY.recipe("smoke"), CLASSES)
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


def test_labelled_samples_follow_labels_and_seed() -> None:
    generator = cgan.FAMILY.learner(cgan.FAMILY.recipe("smoke"), CLASSES).predictor()
    labels = torch.tensor([3, 3, 7])
    first = generator.sample_labelled(labels, seed=0)
    assert first.shape == (3, 1, 8, 8)
    assert torch.equal(first, generator.sample_labelled(labels, seed=0))
    assert not torch.equal(first, generator.sample_labelled(labels, seed=1))
    assert not torch.equal(first[:1], generator.sample_labelled(torch.tensor([4, 3, 7]), seed=0)[:1])

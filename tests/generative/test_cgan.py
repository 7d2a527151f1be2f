"""CGAN: its networks' size, and who is told which class."""

import torch
from torch import nn

from zoo.generative import cgan
from zoo.tasks.classification import ClassificationFacts

CLASSES = ClassificationFacts(channels=1, height=8, width=8, classes=tuple("0123456789"))


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


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

"""ACGAN: its networks' maps, what its discriminator says of classes, and what the losses make of it."""

import pytest
import torch
from torch import nn

from zoo.generative import acgan, dcgan
from zoo.generative.adversarial import Verdict, informed
from zoo.tasks.classification import ClassificationFacts

CLASSES = ClassificationFacts(channels=1, height=8, width=8, classes=tuple("0123456789"))


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_informed_losses_raise_the_likelihood_in_both_networks() -> None:
    scores, likelihoods = torch.randn(2, 6), torch.randn(2, 6)
    real, fake = (Verdict(score, likelihood) for score, likelihood in zip(scores, likelihoods, strict=True))
    losses = informed(dcgan.LOSSES, weight=0.5)
    likely = 0.5 * (likelihoods[0].mean() + likelihoods[1].mean())
    torch.testing.assert_close(losses.discriminator(real, fake), dcgan.LOSSES.discriminator(*scores) - likely)
    deceived = dcgan.LOSSES.generator(scores[1]) - 0.5 * likelihoods[1].mean()
    torch.testing.assert_close(losses.generator(fake), deceived)


def test_acgans_networks_have_the_maps_of_the_code() -> None:
    """network.py, for 32 x 32: 384, 192, 96, 3; and 16, 32, 64, 128, 256, 512 with every other layer strided."""
    facts = ClassificationFacts(channels=3, height=32, width=32, classes=tuple("0123456789"))
    learner = acgan.FAMILY.learner(acgan.FAMILY.recipe("paper"), facts)
    shapes: dict[str, list[tuple[int, int, int]]] = {"generator": [], "discriminator": []}
    for name, seen in shapes.items():
        for layer in getattr(learner, name).modules():
            if isinstance(layer, nn.ConvTranspose2d | nn.Conv2d):
                layer.register_forward_hook(lambda _layer, _x, y, seen=seen: seen.append(tuple(y.shape[1:])))
    asked = torch.zeros(2, dtype=torch.long)
    learner.discriminator(learner.generator(learner.noise(2), asked), asked)
    assert shapes["generator"] == [(192, 8, 8), (96, 16, 16), (3, 32, 32)]
    sides = (16, 16, 8, 8, 4, 4)
    assert shapes["discriminator"] == [(16 << i, side, side) for i, side in enumerate(sides)]
    assert learner.noise(2).shape == (2, 100)
    inner = 9 * (3 * 16 + sum((16 << i) * (32 << i) for i in range(5))) + 2 * (32 + 64 + 128 + 256 + 512)
    assert parameters(learner.discriminator) == inner + 11 * (512 * 16 + 1)


def test_acgans_likelihood_is_that_of_the_class_and_a_size_that_does_not_halve_is_refused() -> None:
    learner = acgan.FAMILY.learner(acgan.FAMILY.recipe("smoke"), CLASSES).eval()
    pictures, labels = torch.rand(4, 1, 8, 8), torch.tensor([1, 9, 0, 1])
    verdict = learner.discriminator(pictures, labels)
    every = torch.stack([learner.discriminator(pictures, torch.full((4,), i)).likelihood for i in range(10)])
    torch.testing.assert_close(every.exp().sum(0), torch.ones(4))
    assert torch.equal(verdict.likelihood, every[labels, torch.arange(4)])
    with pytest.raises(ValueError, match="multiple of 8, got 28"):
        acgan.Discriminator(channels=1, size=28, classes=10, width=4, dropout=0.0)


def test_an_acgan_draws_all_classes_where_none_is_asked_for() -> None:
    generator = acgan.FAMILY.learner(acgan.FAMILY.recipe("smoke"), CLASSES).predictor()
    first = generator.sample(20, seed=3)
    assert torch.equal(first, generator.sample(20, seed=3))
    labels = torch.randint(10, (20,), generator=torch.Generator().manual_seed(3))
    assert torch.equal(first, generator.sample_labelled(labels, seed=3))

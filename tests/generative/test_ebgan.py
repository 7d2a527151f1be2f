"""EBGAN: its networks' size, what energy is, and what the losses make of it."""

import math

import pytest
import torch
from torch import nn

from zoo.generative import ebgan
from zoo.tasks.sampling import PictureFacts


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_ebgans_networks_have_the_size_their_layers_add_up_to() -> None:
    """Five layers of 1,600 units and two of 1,024, for 28 x 28; a normalisation has two numbers for a bias's one."""
    facts = PictureFacts(channels=1, height=28, width=28)
    learner = ebgan.FAMILY.learner(ebgan.FAMILY.recipe("paper"), facts)
    assert parameters(learner.generator) == 102 * 1600 + 3 * 1602 * 1600 + 1601 * 784
    assert parameters(learner.discriminator) == 785 * 1024 + 1025 * 1024 + 1025 * 784


def test_the_pull_away_term_is_a_mean_over_pairs() -> None:
    code = torch.randn(7, 5)
    total = 0.0
    for i in range(7):
        for j in range(7):
            if i != j:
                total += (code[i] @ code[j] / (code[i].norm() * code[j].norm())).item() ** 2
    assert ebgan.pull_away(code).item() == pytest.approx(total / (7 * 6), rel=1e-5)
    assert ebgan.pull_away(torch.eye(4)).item() == 0.0
    assert ebgan.pull_away(torch.ones(4, 3)).item() == pytest.approx(1.0)


def test_energy_is_the_distance_to_what_was_rebuilt_and_a_fake_beyond_the_margin_counts_for_nothing() -> None:
    network = ebgan.AutoEncoder(pixels=4, widths=(3, 2))
    pictures = torch.rand(2, 1, 2, 2)
    said = network(pictures)
    rebuilt = network.decoder(network.encoder(pictures))
    by_hand = [math.dist(a, b) for a, b in zip(rebuilt.tolist(), pictures.flatten(1).tolist(), strict=True)]
    assert said.energy.tolist() == pytest.approx(by_hand, rel=1e-5)
    losses = ebgan.energies(margin=3.0, weight=0.0)
    code = torch.zeros(2, 2)
    real, fake = ebgan.Judged(torch.tensor([1.0, 2.0]), code), ebgan.Judged(torch.tensor([2.0, 5.0]), code)
    assert losses.discriminator(real, fake).item() == 1.5 + (1.0 + 0.0) / 2
    assert losses.generator(fake).item() == 3.5


def test_the_generator_alone_is_kept_from_codes_alike() -> None:
    real, fake = (ebgan.Judged(torch.tensor([1.0, 1.0]), torch.ones(2, 3)) for _ in range(2))
    plain, kept_apart = (ebgan.energies(margin=3.0, weight=weight) for weight in (0.0, 0.5))
    assert kept_apart.discriminator(real, fake) == plain.discriminator(real, fake)
    assert kept_apart.generator(fake).item() == pytest.approx(plain.generator(fake).item() + 0.5)

"""The first GAN: sizes, losses, what its best discriminator says, and what moves weights."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch import nn
from torch.nn import functional

from zoo.generative import gan
from zoo.layers.perceptron import Maxout, MlpGenerator
from zoo.tasks.sampling import PictureFacts

MNIST = PictureFacts(channels=1, height=28, width=28)


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_papers_networks_have_the_codes_size_and_first_weights() -> None:
    """mnist.yaml: 100 -> 1200 -> 1200 -> 784, and maxout 240 x 5 twice: 2,503,984 and 1,231,441."""
    learner = gan.FAMILY.learner(gan.FAMILY.recipe("paper"), MNIST)
    assert parameters(learner.generator) == 2_503_984
    assert parameters(learner.discriminator) == 1_231_441
    for network, half in ((learner.generator, 0.05), (learner.discriminator, 0.005)):
        for layer in network.modules():
            if isinstance(layer, nn.Linear):
                assert half * 0.98 < layer.weight.abs().max().item() <= half or layer.weight.numel() < 1000
                assert not layer.bias.any()


def test_the_papers_noise_has_variance_1() -> None:
    learner = gan.FAMILY.learner(gan.FAMILY.recipe("paper"), MNIST)
    z = learner.noise(1000)
    assert z.var().item() == pytest.approx(1.0, rel=0.02)
    assert z.abs().max().item() <= math.sqrt(3)


def test_maxout_is_the_largest_of_its_pieces() -> None:
    layer = Maxout(3, 2, pieces=4)
    x = torch.randn(5, 3)
    pieces = layer.linear(x)
    by_hand = torch.stack([pieces[:, 0:4].max(1).values, pieces[:, 4:8].max(1).values], dim=1)
    assert torch.equal(layer(x), by_hand)


def test_losses_are_half_a_cross_entropy_and_either_of_the_generators() -> None:
    real, fake = torch.randn(2, 9, dtype=torch.float64)
    for saturating in (False, True):
        losses = gan.cross_entropy(saturating=saturating)
        both = functional.binary_cross_entropy_with_logits(real, torch.ones_like(real))
        both += functional.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
        torch.testing.assert_close(losses.discriminator(real, fake), 0.5 * both)
    d = fake.sigmoid()
    torch.testing.assert_close(gan.cross_entropy(saturating=True).generator(fake), torch.log(1 - d).mean())
    torch.testing.assert_close(gan.cross_entropy(saturating=False).generator(fake), -torch.log(d).mean())


def test_the_best_discriminator_of_two_densities_says_js_less_log_4() -> None:
    """Theorem 1: with D = p / (p + q), E_p log D + E_q log(1 - D) = 2 JS(p, q) - log 4, for two Gaussians given by
    their quantiles, against a Riemann sum."""
    shares = (np.arange(50_000) + 0.5) / 50_000
    real, fake = norm.ppf(shares) + 1.0, norm.ppf(shares) * 1.5
    logits = [torch.from_numpy(norm.logpdf(x, 1.0) - norm.logpdf(x, 0.0, 1.5)) for x in (real, fake)]
    value = -2.0 * gan.cross_entropy(saturating=False).discriminator(*logits).item()
    x = np.linspace(-15.0, 15.0, 100_001)
    p, q = norm.pdf(x, 1.0), norm.pdf(x, 0.0, 1.5)
    m = (p + q) / 2
    kl = sum((d * (np.log(np.maximum(d, 1e-300)) - np.log(m))).sum() * (x[1] - x[0]) for d in (p, q))
    assert value == pytest.approx(kl - math.log(4), abs=1e-4)
    worse = -2.0 * gan.cross_entropy(saturating=False).discriminator(*(0.7 * logit for logit in logits)).item()
    assert worse < value


def test_momentum_rises_and_the_rate_falls_to_its_end() -> None:
    """From 0.5 to 0.7 over 4 updates; a rate of 1e-5 halved each time ends at 1e-6. Both are resumed."""
    recipe = gan.FAMILY.recipe("paper", learning_rate=1e-5, decay=2.0, rising=4)
    weight = nn.Linear(1, 1)
    updater = gan.updater(recipe, weight)
    seen = []
    for _ in range(6):
        updater(weight(torch.ones(1, 1)).sum())
        group = updater.optimizer.param_groups[0]
        seen.append((group["momentum"], group["lr"]))
    assert [momentum for momentum, _ in seen] == pytest.approx([0.5, 0.55, 0.6, 0.65, 0.7, 0.7])
    assert [rate for _, rate in seen] == pytest.approx([1e-5, 5e-6, 2.5e-6, 1.25e-6, 1e-6, 1e-6])
    again = gan.updater(recipe, weight)
    again.set_extra_state(updater.get_extra_state())
    assert again.optimizer.param_groups[0]["updates"] == 6


def test_samples_depend_on_the_seed_alone_and_leave_the_mode() -> None:
    generator = MlpGenerator((1, 8, 8), latent=8, widths=(16, 16), normalised=True)
    first = generator.sample(5, seed=1)
    torch.rand(7)
    assert torch.equal(first, generator.sample(5, seed=1))
    assert not torch.equal(first, generator.sample(5, seed=2))
    assert generator.training

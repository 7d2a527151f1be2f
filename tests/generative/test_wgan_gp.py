"""WGAN-GP: the networks' sizes, the penalty by hand, and what one step moves."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from zoo.generative.wgan_gp import FAMILY, Critic, Generator, WganGpRecipe, gradient_penalty, seed_size
from zoo.layers.pixels import dequantised, signed, to_bytes
from zoo.tasks.sampling import PictureFacts


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_papers_networks_have_the_size_their_layers_add_up_to() -> None:
    """Appendix C, CIFAR-10: every 3x3 convolution 128 -> 128 has 147,456 weights."""
    learner, conv = FAMILY.learner(FAMILY.recipe("paper"), PictureFacts(channels=3, height=32, width=32)), 128 * 128 * 9
    up_block = (2 * conv + 128) + (128 * 128 + 128) + 2 * 256  # convolutions, 1x1 shortcut, two normalisations
    generator = (128 * 2048 + 2048) + 3 * up_block + 256 + (128 * 3 * 9 + 3)
    first = (3 * 128 * 9 + 128) + (conv + 128) + (3 * 128 + 128)
    down = 2 * (conv + 128) + (128 * 128 + 128)
    critic = first + down + 2 * 2 * (conv + 128) + 128  # the last layer has no bias
    assert parameters(learner.generator) == generator
    assert parameters(learner.discriminator) == critic


@pytest.mark.parametrize("size", [8, 28, 32])
def test_pictures_have_the_size_of_the_data(size: int) -> None:
    plan = {"channels": 1, "size": size, "width": 4}
    pictures = Generator(**plan, latent=8).sample(3, seed=0)
    assert pictures.shape == (3, 1, size, size)
    assert pictures.dtype == torch.uint8
    assert Critic(**plan, flat_blocks=1)(pictures.float()).shape == (3,)


def test_an_odd_size_is_refused() -> None:
    with pytest.raises(ValueError, match="even size of at least 8, got 7"):
        seed_size(7)


def test_gradient_penalty_by_hand() -> None:
    """A linear critic w . x has the slope |w| everywhere: the penalty is (|w| - 1)^2, here (5 - 1)^2."""

    class Linear(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 3 * x[:, 0, 0, 0] + 4 * x[:, 0, 0, 1]

    penalty = gradient_penalty(Linear(), torch.rand(6, 1, 1, 2), torch.rand(6, 1, 1, 2))
    assert penalty.item() == pytest.approx(16.0)


def test_the_penalty_reaches_the_critics_weights() -> None:
    """Against the derivative by finite differences, in float64."""
    critic = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(16, 1)).double()
    real, fake = torch.rand(2, 5, 1, 4, 4, dtype=torch.float64)

    def penalty(bias: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(0)
        weights = {"0.bias": bias}
        return gradient_penalty(lambda x: torch.func.functional_call(critic, weights, (x,)), real, fake)

    bias = critic[0].bias.detach().clone().requires_grad_(True)
    assert torch.autograd.gradcheck(penalty, (bias,))


def test_one_step_is_so_many_critic_updates_and_one_of_the_generator() -> None:
    recipe = FAMILY.recipe("smoke", steps=10)
    learner = FAMILY.learner(recipe, PictureFacts(channels=1, height=8, width=8))
    count = recipe.critic_steps * recipe.batch_size
    images = np.random.default_rng(0).integers(0, 256, size=(count, 1, 8, 8), dtype=np.uint8)
    learner.step({"image": torch.from_numpy(images)})
    assert (learner.move_discriminator.updates, learner.move_generator.updates) == (5, 1)


def test_samples_depend_on_the_seed_alone() -> None:
    generator = Generator(channels=1, size=8, width=4, latent=8)
    first = generator.sample(5, seed=1)
    torch.rand(7)
    assert torch.equal(first, generator.sample(5, seed=1))
    assert not torch.equal(first, generator.sample(5, seed=2))


def test_paper_takes_what_only_the_authors_code_tells() -> None:
    paper = FAMILY.recipe("paper")
    assert (paper.generator_batches, paper.dequantised, paper.initialisation) == (2, True, "glorot")
    learner = FAMILY.learner(FAMILY.recipe("paper", width=4), PictureFacts(channels=3, height=32, width=32))
    asked: list[int] = []
    drawn = learner.noise
    learner.noise = lambda count: asked.append(count) or drawn(count)
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, size=(20, 3, 32, 32), dtype=np.uint8))
    learner.step({"image": images})
    assert asked == [4, 4, 4, 4, 4, 8]
    assert not torch.equal(learner.scaled(images), learner.scaled(images))


@pytest.mark.parametrize("name", ["smoke", "mini", "mnist"])
def test_our_own_recipes_learn_as_they_did_before_that_could_be_chosen(name: str) -> None:
    recipe = FAMILY.recipe(name)
    before = recipe.model_dump(exclude={"generator_batches", "dequantised", "initialisation"})
    assert WganGpRecipe.model_validate(WganGpRecipe.upgraded(before)) == recipe
    assert WganGpRecipe.upgraded(FAMILY.recipe("paper").model_dump()) == FAMILY.recipe("paper").model_dump()


def test_paper_starts_from_glorots_uniform() -> None:
    """Its deviation is sqrt(2 / (fan in + fan out)), and sqrt 2 times that for 3x3 convolutions inside a block."""
    torch.manual_seed(0)
    learner = FAMILY.learner(FAMILY.recipe("paper"), PictureFacts(channels=3, height=32, width=32))
    up, down, flat = learner.generator.blocks[0], learner.discriminator.blocks[1], learner.discriminator.blocks[2]
    assert up.conv1.weight.std().item() == pytest.approx(math.sqrt(4 / (2 * 9 * 128)), rel=0.01)
    assert flat.conv2.weight.std().item() == pytest.approx(math.sqrt(4 / (2 * 9 * 128)), rel=0.01)
    assert down.shortcut.weight.std().item() == pytest.approx(math.sqrt(2 / (2 * 128)), rel=0.02)
    assert learner.generator.project.weight.std().item() == pytest.approx(math.sqrt(2 / (128 + 2048)), rel=0.01)
    to_picture = learner.generator.to_picture
    assert to_picture.weight.abs().max().item() == pytest.approx(math.sqrt(6 / (9 * 128 + 9 * 3)), rel=0.01)
    assert not to_picture.bias.any()


def test_dequantised_pixels_are_spread_evenly_over_one_value_and_rounded_back() -> None:
    images = torch.arange(256, dtype=torch.uint8).repeat(400, 1)
    spread = dequantised(images)
    assert torch.equal(to_bytes(spread), images)
    within = (spread - signed(images)) * 127.5
    assert within.abs().max().item() <= 0.5 + 1e-4
    assert within.var().item() == pytest.approx(1 / 12, rel=0.02)

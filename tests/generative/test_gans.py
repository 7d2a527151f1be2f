"""DCGAN, LSGAN and WGAN: the networks' sizes, the losses by hand, and what one step moves."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from zoo.contracts import Batch
from zoo.generative import dcgan, lsgan, wgan
from zoo.layers.dcgan import Discriminator, Generator
from zoo.tasks.sampling import PictureFacts

DIGITS = PictureFacts(channels=1, height=8, width=8)


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def some_digits(count: int) -> Batch:
    images = np.random.default_rng(0).integers(0, 256, size=(count, 1, 8, 8), dtype=np.uint8)
    return {"image": torch.from_numpy(images)}


def test_the_papers_generator_has_the_maps_of_figure_1() -> None:
    generator = Generator(channels=3, size=64, first=4, width=128, kernel=5, latent=100).eval()
    shapes = []
    for layer in generator.layers:
        if isinstance(layer, nn.ConvTranspose2d):
            layer.register_forward_hook(lambda _, before, after: shapes.append((before[0].shape[1:], after.shape[1:])))
    generator(generator.noise(1))
    assert shapes == [
        ((1024, 4, 4), (512, 8, 8)),
        ((512, 8, 8), (256, 16, 16)),
        ((256, 16, 16), (128, 32, 32)),
        ((128, 32, 32), (3, 64, 64)),
    ]


def test_the_papers_networks_have_the_size_their_layers_add_up_to() -> None:
    """64 x 64: four 5 x 5 convolutions each; a bias only where no normalisation follows."""
    plan = {"channels": 3, "size": 64, "first": 4, "width": 128, "kernel": 5}
    inner = 25 * (128 * 256 + 256 * 512 + 512 * 1024)
    generator = 100 * 1024 * 16 + 2 * (1024 + 512 + 256 + 128) + inner + (25 * 128 * 3 + 3)
    discriminator = (25 * 3 * 128 + 128) + inner + 2 * (256 + 512 + 1024) + (1024 * 16 + 1)
    assert parameters(Generator(**plan, latent=100)) == generator
    assert parameters(Discriminator(**plan)) == discriminator


@pytest.mark.parametrize(("size", "first", "kernel"), [(8, 2, 3), (28, 7, 4), (32, 4, 5)])
def test_pictures_have_the_size_of_the_data(size: int, first: int, kernel: int) -> None:
    plan = {"channels": 1, "size": size, "first": first, "width": 4, "kernel": kernel}
    pictures = Generator(**plan, latent=8).sample(3, seed=0)
    assert pictures.shape == (3, 1, size, size)
    assert pictures.dtype == torch.uint8
    assert Discriminator(**plan)(pictures.float()).shape == (3,)


@pytest.mark.parametrize("size", [4, 12, 30])
def test_a_size_that_doubling_does_not_reach_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"side is 4 doubled once or more, got {size}"):
        Generator(channels=1, size=size, first=4, width=4, kernel=3, latent=8)


def test_weights_start_as_the_paper_says() -> None:
    network = Generator(channels=3, size=32, first=4, width=64, kernel=5, latent=100)
    assert network.project.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert network.layers[0].weight.mean().item() == pytest.approx(1.0, abs=0.01)


def test_noise_is_uniform_between_minus_one_and_one() -> None:
    z = Generator(channels=1, size=8, first=2, width=4, kernel=3, latent=50).noise(2000)
    assert z.min() >= -1.0
    assert z.max() <= 1.0
    assert z.var().item() == pytest.approx(1 / 3, rel=0.02)


def test_samples_depend_on_the_seed_alone() -> None:
    generator = Generator(channels=1, size=8, first=2, width=4, kernel=3, latent=8)
    first = generator.sample(5, seed=1)
    torch.rand(7)
    assert torch.equal(first, generator.sample(5, seed=1))
    assert not torch.equal(first, generator.sample(5, seed=2))
    assert generator.training


def test_dcgan_losses_are_cross_entropies() -> None:
    real, fake = torch.randn(2, 9, dtype=torch.float64)
    cross_entropy = functional.binary_cross_entropy(real.sigmoid(), torch.ones_like(real))
    cross_entropy += functional.binary_cross_entropy(fake.sigmoid(), torch.zeros_like(fake))
    torch.testing.assert_close(dcgan.LOSSES.discriminator(real, fake), cross_entropy)
    wanted = functional.binary_cross_entropy(fake.sigmoid(), torch.ones_like(fake))
    torch.testing.assert_close(dcgan.LOSSES.generator(fake), wanted)
    undecided = torch.zeros(4)
    assert dcgan.LOSSES.discriminator(undecided, undecided).item() == pytest.approx(2 * math.log(2))
    assert dcgan.LOSSES.generator(undecided).item() == pytest.approx(math.log(2))


def test_lsgan_losses_by_hand() -> None:
    """Equation 9: real (2, 1) against 1 gives (1 + 0) / 2 / 2, fake (1, 3) against 0 gives (1 + 9) / 2 / 2."""
    real, fake = torch.tensor([2.0, 1.0]), torch.tensor([1.0, 3.0])
    equation_9 = lsgan.least_squares(fake_code=0.0, real_code=1.0, wanted_code=1.0)
    equation_8 = lsgan.least_squares(fake_code=-1.0, real_code=1.0, wanted_code=0.0)
    assert equation_9.discriminator(real, fake).item() == 0.25 + 2.5
    assert equation_9.generator(fake).item() == 1.0
    assert equation_8.discriminator(real, fake).item() == 0.25 + 5.0
    assert equation_8.generator(fake).item() == 2.5


def test_lsgan_learns_with_the_codes_of_its_recipe() -> None:
    recipe = lsgan.FAMILY.recipe("smoke", fake_code=-1.0, real_code=2.0, wanted_code=0.5)
    losses = lsgan.FAMILY.learner(recipe, DIGITS).losses
    assert losses.discriminator(torch.tensor([2.0]), torch.tensor([-1.0])).item() == 0.0
    assert losses.generator(torch.tensor([0.5])).item() == 0.0


def test_paper_recipes_have_their_own_data_and_size() -> None:
    """DCGAN's section 4 and README, WGAN's main.py, LSGAN's train_lsun.py; LSUN has 3,033,042 bedrooms to train on."""
    papers = {module.FAMILY.name: module.FAMILY.recipe("paper").model_dump() for module in (dcgan, lsgan, wgan)}
    numbers = ("dataset", "batch_size", "learning_rate", "latent", "first", "width", "kernel")
    assert {name: tuple(paper[number] for number in numbers) for name, paper in papers.items()} == {
        "dcgan": ("lsun-bedroom-64", 128, 2e-4, 100, 4, 128, 5),
        "lsgan": ("lsun-church-112", 64, 1e-3, 1024, 7, 64, 5),
        "wgan": ("lsun-bedroom-64", 64, 5e-5, 100, 4, 64, 4),
    }
    assert {name: paper["steps"] for name, paper in papers.items()} == {
        "dcgan": 118_478,  # 5 * 3,033,042 / 128
        "lsgan": 1_000_000,
        "wgan": 236_956,  # 25 * 3,033,042 / 64 / 5
    }
    assert papers["dcgan"]["betas"] == papers["lsgan"]["betas"] == (0.5, 0.999)
    assert (papers["wgan"]["critic_steps"], papers["wgan"]["clip"]) == (5, 0.01)


def test_lsgans_networks_have_the_maps_of_the_code() -> None:
    """vgg.py: 7 x 7 doubled four times, twice without a stride; the discriminator halves 112 to 7."""
    paper = lsgan.FAMILY.recipe("paper")
    learner = lsgan.FAMILY.learner(paper, PictureFacts(channels=3, height=112, width=112)).eval()
    shapes: dict[str, list[tuple[int, ...]]] = {"generator": [], "discriminator": []}
    for name, seen in shapes.items():
        for layer in getattr(learner, name).modules():
            if isinstance(layer, nn.ConvTranspose2d | nn.Conv2d):
                layer.register_forward_hook(lambda _layer, _x, y, seen=seen: seen.append(tuple(y.shape[1:])))
    pictures = learner.predictor().sample(1, seed=0)
    assert pictures.shape == (1, 3, 112, 112)
    learner.discriminator(pictures.float())
    strided = [(256, 14), (256, 14), (256, 28), (256, 28), (128, 56), (64, 112), (3, 112)]
    assert shapes["generator"] == [(channels, side, side) for channels, side in strided]
    halved = [(64, 56), (128, 28), (256, 14), (512, 7)]
    assert shapes["discriminator"] == [(channels, side, side) for channels, side in halved]
    inner = 9 * (4 * 256 * 256 + 256 * 128 + 128 * 64)
    normalised = 2 * (256 + 4 * 256 + 128 + 64)
    assert parameters(learner.generator) == 1024 * 256 * 49 + inner + normalised + (9 * 64 * 3 + 3)


def test_lsgans_networks_refuse_what_four_doublings_do_not_reach() -> None:
    with pytest.raises(ValueError, match="multiple of 16, got 100: 112 in the paper"):
        lsgan.DeepGenerator(channels=3, size=100, latent=8)


@pytest.mark.parametrize("module", [dcgan, lsgan])
def test_one_step_is_one_update_of_each(module) -> None:
    recipe = module.FAMILY.recipe("smoke", batch_size=8)
    learner = module.FAMILY.learner(recipe, DIGITS)
    learner.step(some_digits(8))
    assert (learner.move_discriminator.updates, learner.move_generator.updates) == (1, 1)


def test_wgan_clips_every_weight_of_the_critic_and_none_of_the_generator() -> None:
    recipe = wgan.FAMILY.recipe("smoke", batch_size=8)
    learner = wgan.FAMILY.learner(recipe, DIGITS)
    learner.step(some_digits(8 * recipe.critic_steps))
    assert max(p.abs().max().item() for p in learner.discriminator.parameters()) == pytest.approx(0.01)
    assert max(p.abs().max().item() for p in learner.generator.parameters()) > 0.5
    assert (learner.move_discriminator.updates, learner.move_generator.updates) == (5, 1)


def test_the_wasserstein_loss_is_the_difference_of_mean_scores() -> None:
    """With one critic update, what is reported is what the critic said before it."""
    recipe = wgan.FAMILY.recipe("smoke", batch_size=8, critic_steps=1)
    learner = wgan.FAMILY.learner(recipe, DIGITS)
    batch = some_digits(8)
    torch.manual_seed(0)
    with torch.no_grad():
        fake = learner.generator(learner.generator.noise(8))
        real = batch["image"] / 127.5 - 1
        distance = learner.discriminator(real).mean() - learner.discriminator(fake).mean()
    torch.manual_seed(0)
    assert learner.step(batch)["wasserstein"].item() == pytest.approx(distance.item(), abs=1e-6)

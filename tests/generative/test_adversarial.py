"""The learner of all GANs, on networks of one weight each: who moves when, on which fakes, and what bounds it.

The generator adds its weight to the noise, the discriminator multiplies pictures by its own.
"""

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from zoo.contracts import Batch
from zoo.generative.adversarial import WASSERSTEIN, Alternating, Losses, Penalty
from zoo.training import Updater

REAL = torch.tensor([1.0, 2.0, 4.0, 5.0]).view(4, 1, 1, 1)  # the mean of the first half is 1.5, of the second 4.5
RATE = 0.5


class Adds(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.0))

    def forward(self, z: Tensor) -> Tensor:
        return (z + self.weight).view(-1, 1, 1, 1)


class Multiplies(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1.0))

    def forward(self, pictures: Tensor) -> Tensor:
        return self.weight * pictures.flatten()


class Counting:
    """Noise that is 0 the first time it is asked for, then 1, then 2: fakes can be told by it."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, count: int) -> Tensor:
        self.asked.append(count)
        return torch.full((count,), float(len(self.asked) - 1))


def alternating(noise: Callable[[int], Tensor], losses: Losses = WASSERSTEIN, **options) -> Alternating:
    generator, discriminator = Adds(), Multiplies()
    move_generator, move_discriminator = (
        Updater(network.parameters(), torch.optim.SGD, lr=RATE) for network in (generator, discriminator)
    )
    return Alternating(
        generator,
        discriminator,
        noise=noise,
        losses=losses,
        move_generator=move_generator,
        move_discriminator=move_discriminator,
        scaled=lambda images: images,
        **options,
    )


def batch() -> Batch:
    return {"image": REAL.clone()}


def test_one_update_each_by_hand() -> None:
    """Fakes are 0: the slope of the critic's loss is 0 - 3, so its weight moves from 1 to 2.5. The generator's slope
    is then -2.5, by the critic after its update, so its weight moves from 0 to 1.25."""
    learner = alternating(Counting())
    scalars = learner.step(batch())
    assert learner.discriminator.weight.item() == 1.0 + RATE * 3.0
    assert learner.generator.weight.item() == RATE * 2.5
    assert {name: value.item() for name, value in scalars.items()} == {"wasserstein": 3.0, "generator": 0.0}


def test_the_discriminator_moves_in_its_own_updates_only() -> None:
    learner = alternating(Counting())
    moved: list[float] = []
    learner.move_generator.register_forward_pre_hook(lambda *_: moved.append(learner.discriminator.weight.item()))
    learner.step(batch())
    assert moved == [learner.discriminator.weight.item()]
    assert all(parameter.requires_grad for parameter in learner.parameters())


def test_the_generator_does_not_move_while_the_discriminator_learns() -> None:
    learner = alternating(Counting(), discriminator_steps=2, fresh_batches=1)
    seen: list[float] = []
    learner.move_discriminator.register_forward_pre_hook(lambda *_: seen.append(learner.generator.weight.item()))
    learner.step(batch())
    assert seen == [0.0, 0.0]


def test_each_update_has_a_portion_of_the_batch_and_fakes_of_its_own() -> None:
    """Slopes 0 - 1.5, then 1 - 4.5: the critic's weight moves from 1 by half of 1.5 and of 3.5."""
    noise = Counting()
    learner = alternating(noise, discriminator_steps=2, fresh_batches=1)
    learner.step(batch())
    assert learner.discriminator.weight.item() == 1.0 + RATE * (1.5 + 3.5)
    assert noise.asked == [2, 2, 2]


@pytest.mark.parametrize(("fresh", "asked", "score"), [(0, [4], 0.0), (1, [4, 4], 2.5), (2, [4, 8], 2.5)])
def test_the_generator_learns_from_the_last_fakes_or_from_fresh_ones(
    fresh: int, asked: list[int], score: float
) -> None:
    """The last fakes are 0, fresh ones 1; the critic's weight is 2.5 by then."""
    noise = Counting()
    scalars = alternating(noise, fresh_batches=fresh).step(batch())
    assert noise.asked == asked
    assert scalars["generator"].item() == -score


def test_a_penalty_is_weighed_into_the_loss_and_reported_as_it_is() -> None:
    """Weight squared has the slope 2; ten times it outweighs the 3 of the loss."""
    penalty = Penalty(weight=10.0, of=lambda critic, real, fake: critic.weight.square() + 0.0 * (real - fake).mean())
    learner = alternating(Counting(), penalty=penalty)
    scalars = learner.step(batch())
    assert learner.discriminator.weight.item() == 1.0 + RATE * (3.0 - 20.0)
    assert (scalars["penalty"].item(), scalars["wasserstein"].item()) == (1.0, 3.0)


def test_a_bound_holds_after_every_update_of_the_discriminator() -> None:
    bounded: list[float] = []

    def halve(network: nn.Module) -> None:
        bounded.append(network.weight.item())
        with torch.no_grad():
            network.weight.mul_(0.5)

    learner = alternating(Counting(), discriminator_steps=2, fresh_batches=1, bound=halve)
    learner.step(batch())
    assert bounded == [1.0 + RATE * 1.5, 0.5 * bounded[0] + RATE * 3.5]
    assert learner.discriminator.weight.item() == 0.5 * bounded[1]


def test_losses_without_an_estimate_report_themselves() -> None:
    losses = Losses(discriminator=lambda real, fake: real.mean() + fake.mean(), generator=lambda fake: fake.mean())
    assert alternating(Counting(), losses).step(batch())["discriminator"].item() == 3.0


def test_a_copy_draws_for_its_own_generator() -> None:
    """The loop times a step on a copy: what it draws must lie where the copy's generator lies."""

    class Drawing(Adds):
        def noise(self, count: int) -> Tensor:
            return self.weight.detach().expand(count)

    learner = alternating(Counting())
    learner.generator = Drawing()
    learner.noise = learner.generator.noise
    copy = deepcopy(learner)
    with torch.no_grad():
        copy.generator.weight.fill_(7.0)
    assert copy.noise(1).item() == 7.0
    assert learner.noise(1).item() == 0.0

"""InfoGAN: its networks' size, how likely codes are, and whom the information moves."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Categorical, Normal

from zoo.contracts import Batch
from zoo.generative import infogan
from zoo.tasks.sampling import PictureFacts

DIGITS = PictureFacts(channels=1, height=8, width=8)


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def some_digits(count: int) -> Batch:
    images = np.random.default_rng(0).integers(0, 256, size=(count, 1, 8, 8), dtype=np.uint8)
    return {"image": torch.from_numpy(images)}


def test_infogans_networks_have_the_codes_size() -> None:
    """MNIST, 62 + 10 + 2 inputs: 6,652,481 in all, and 6,558,144 in the trunk, less the biases that a normalisation
    cancels: 1024 + 6272 + 64, and 128 + 1024. The score has 1,025."""
    facts = PictureFacts(channels=1, height=28, width=28)
    learner = infogan.FAMILY.learner(infogan.FAMILY.recipe("paper"), facts)
    assert parameters(learner.generator) == 6_652_481 - 1024 - 6272 - 64
    assert parameters(learner.discriminator.body) == 6_558_144 - 128 - 1024
    assert parameters(learner.discriminator.score) == 1025
    assert parameters(learner.discriminator.codes) == 1024 * 128 + 2 * 128 + 129 * 12


def test_the_likelihood_of_codes_is_a_categorical_ones_and_normal_ones() -> None:
    read = torch.randn(5, 12)
    category, continuous = torch.tensor([0, 9, 3, 3, 1]), torch.rand(5, 2) * 2 - 1
    by_torch = Categorical(logits=read[:, :10]).log_prob(category)
    by_torch = by_torch + Normal(read[:, 10:], 1.0).log_prob(continuous).sum(1)
    torch.testing.assert_close(infogan.log_likelihood(read, category, continuous), by_torch)


def test_information_moves_the_generator_and_what_reads_the_codes() -> None:
    """With and without it, one step from the same start ends at other weights of both, and of the body they share."""
    ends = []
    for weight in (0.0, 1.0):
        torch.manual_seed(0)
        learner = infogan.FAMILY.learner(infogan.FAMILY.recipe("smoke", weight=weight), DIGITS)
        reads = learner.discriminator.codes[-1].weight
        before = reads.detach().clone()
        learner.step(some_digits(16))
        assert torch.equal(before, reads) == (weight == 0.0)
        ends.append((learner.generator.layers[0].weight, learner.discriminator.body[0].weight, reads))
    assert all(not torch.equal(*pair) for pair in zip(*ends, strict=True))


def test_of_real_pictures_no_codes_are_asked() -> None:
    learner = infogan.FAMILY.learner(infogan.FAMILY.recipe("smoke"), DIGITS)
    told: list[int] = []
    learner.discriminator.register_forward_pre_hook(lambda _, given: told.append(len(given)))
    learner.step(some_digits(16))
    assert told == [1, 3, 3]
    assert not learner.discriminator(torch.rand(4, 1, 8, 8)).likelihood.any()


def test_samples_follow_codes_and_seed() -> None:
    generator = infogan.FAMILY.learner(infogan.FAMILY.recipe("smoke"), DIGITS).predictor()
    codes = torch.tensor([3, 3, 7])
    first = generator.sample_labelled(codes, seed=0)
    assert torch.equal(first, generator.sample_labelled(codes, seed=0))
    assert not torch.equal(first, generator.sample_labelled(codes, seed=1))
    other = generator.sample_labelled(torch.tensor([4, 3, 7]), seed=0)
    assert not torch.equal(first[0], other[0])
    assert torch.equal(first[1:], other[1:])


def test_a_size_that_does_not_halve_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 4, got 30"):
        infogan.FAMILY.learner(infogan.FAMILY.recipe("smoke"), PictureFacts(channels=1, height=30, width=30))

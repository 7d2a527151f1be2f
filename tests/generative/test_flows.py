"""Flows: undone to 1e-5, and their log-determinants against the full Jacobian that autograd gives."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from zoo.generative import real_nvp
from zoo.layers.flows import FlowModel, Logit, Squeeze
from zoo.tasks.sampling import PictureFacts

SMALL = PictureFacts(channels=1, height=4, width=4)
COLOUR = PictureFacts(channels=3, height=32, width=32)


def some_pictures(count: int, facts: PictureFacts) -> torch.Tensor:
    shape = (count, facts.channels, facts.height, facts.width)
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, size=shape, dtype=np.uint8))


@pytest.fixture
def model() -> FlowModel:
    """Away from its start, where much is zero, with moments that are not 0 and 1; in float64."""
    torch.manual_seed(0)
    learner = real_nvp.FAMILY.learner(real_nvp.FAMILY.recipe("smoke"), SMALL).train()
    for parameter in learner.parameters():
        nn.init.normal_(parameter, mean=parameter.mean().item(), std=0.1)
    for _ in range(3):
        learner.predictor()(some_pictures(20, SMALL), torch.rand(20, 1, 4, 4))
    return learner.predictor().eval().double()


def test_it_is_undone(model: FlowModel) -> None:
    x = (some_pictures(8, SMALL) + 0.5).double() / 256
    noise, _ = model.flow(x)
    assert noise.shape == (8, 16)
    assert (model.flow.inverse(noise) - x).abs().max() < 1e-5
    again, _ = model.flow(model.flow.inverse(noise))
    assert (again - noise).abs().max() < 1e-5


def test_its_log_determinant_is_that_of_the_full_jacobian(model: FlowModel) -> None:
    pictures = (some_pictures(3, SMALL) + 0.5).double() / 256
    _, log_determinants = model.flow(pictures)
    for picture, log_determinant in zip(pictures, log_determinants, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda x: model.flow(x[None])[0][0], picture)
        expected = torch.linalg.slogdet(jacobian.reshape(16, 16)).logabsdet
        assert log_determinant.item() == pytest.approx(expected.item(), abs=1e-8)


def test_the_likelihood_by_hand(model: FlowModel) -> None:
    """The normal density of the noise, its change of volume, and 256 values a number."""
    images, inside = some_pictures(2, SMALL), torch.rand(2, 1, 4, 4, dtype=torch.float64)
    noise, log_determinant = model.flow((images + inside) / 256)
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(noise).sum(1)
    torch.testing.assert_close(model(images, inside), normal + log_determinant - 16 * math.log(256))


def test_draws_depend_on_the_seed_alone_and_bounds_too(model: FlowModel) -> None:
    model.float()
    first, bound = model.sample(4, seed=1), model.log_likelihood(some_pictures(3, SMALL), seed=1)
    torch.rand(7)
    assert torch.equal(first, model.sample(4, seed=1))
    assert not torch.equal(first, model.sample(4, seed=2))
    assert torch.equal(bound, model.log_likelihood(some_pictures(3, SMALL), seed=1))
    assert not torch.equal(bound, model.log_likelihood(some_pictures(3, SMALL), seed=2))


def test_what_is_done_to_pixels_first() -> None:
    """Its log-determinant against autograd."""
    squash = Logit(0.05)
    x = torch.linspace(0.0, 1.0, 33, dtype=torch.float64, requires_grad=True)[None]
    y, log_determinant = squash(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    assert log_determinant.item() == pytest.approx(slope.log().sum().item())
    torch.testing.assert_close(squash.inverse(y), x)


def test_squeezing_by_hand() -> None:
    """A checkerboard's squares first: those on the diagonal from the corner."""
    x = torch.arange(16.0).view(1, 1, 4, 4)
    squeezed, _ = Squeeze()(x)
    assert squeezed[0, :, 0, 0].tolist() == [0, 5, 1, 4]
    assert torch.equal(Squeeze().inverse(squeezed), x)


def test_real_nvp_moves_half_at_a_time_and_every_number_at_some_time() -> None:
    """The last scale alternates squares, the channel-wise couplings halves."""
    shape = (2, 4, 4)
    for checkerboard in (True, False):
        masks = [
            real_nvp.Coupling(shape, checkerboard=checkerboard, flipped=flipped, maps=4, blocks=1).moved
            for flipped in (False, True)
        ]
        assert torch.equal(sum(masks), torch.ones(shape))
        assert masks[0].sum() == 16


def test_real_nvp_of_the_paper_has_the_size_that_the_authors_code_gives() -> None:
    """19.61 M for CIFAR-10: 8 blocks, 64 maps, down-scaled once; counted from the code's layers."""
    model = real_nvp.FAMILY.learner(real_nvp.FAMILY.recipe("paper"), COLOUR).predictor()
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(19.61e6, abs=5e3)


def test_real_nvp_refuses_sides_that_cannot_be_halved() -> None:
    with pytest.raises(ValueError, match="halved 1 times more, got 5 x 5"):
        real_nvp.FAMILY.learner(real_nvp.FAMILY.recipe("smoke"), PictureFacts(channels=1, height=5, width=5))

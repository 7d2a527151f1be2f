"""VAE: the divergence and the discretised likelihood against independent ways, and that the bound is one."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch.distributions import Bernoulli, Normal, kl_divergence

from zoo.generative.vae import VAE_BERNOULLI, VAE_GAUSSIAN, BernoulliDecoder, Vae, divergence, log_probability
from zoo.tasks.sampling import PictureFacts

DIGITS = PictureFacts(channels=1, height=8, width=8)
VALUES = torch.arange(256, dtype=torch.float64) / 255


def some_digits(count: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, size=(count, 1, 8, 8), dtype=np.uint8))


def test_divergence_agrees_with_torch_and_with_monte_carlo() -> None:
    torch.manual_seed(0)
    mean, log_variance = torch.randn(2, 3, 5, dtype=torch.float64)
    posterior, prior = Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)
    torch.testing.assert_close(divergence(mean, log_variance), kl_divergence(posterior, Normal(0 * mean, 1.0)).sum(1))
    z = posterior.sample((100_000,))
    drawn = (posterior.log_prob(z) - prior.log_prob(z)).sum(-1)
    error = drawn.std(0) / math.sqrt(len(z))
    assert ((drawn.mean(0) - divergence(mean, log_variance)).abs() < 4 * error).all()


def test_divergence_from_the_prior_itself_is_zero() -> None:
    assert divergence(torch.zeros(1, 4), torch.zeros(1, 4)).item() == 0.0


@pytest.mark.parametrize(("mean", "deviation"), [(0.5, 0.1), (0.0, 0.003), (1.0, 1.0), (0.3, 1e-3), (0.999, 20.0)])
def test_the_256_values_have_probability_one_together(mean: float, deviation: float) -> None:
    spread = {"mean": torch.full_like(VALUES, mean), "deviation": torch.full_like(VALUES, deviation)}
    assert log_probability(VALUES, **spread).exp().sum().item() == pytest.approx(1.0, abs=1e-9)


def test_probabilities_are_areas_under_the_normal_density() -> None:
    """Against scipy, where a plain difference of two cumulative probabilities has digits left."""
    mean, deviation = 0.4, 0.2
    edges = np.concatenate([[-np.inf], (np.arange(255) + 0.5) / 255, [np.inf]])
    expected = np.log(np.diff(stats.norm.cdf(edges, mean, deviation)))
    spread = {"mean": torch.full_like(VALUES, mean), "deviation": torch.full_like(VALUES, deviation)}
    np.testing.assert_allclose(log_probability(VALUES, **spread).numpy(), expected, rtol=1e-9)


def test_far_from_the_mean_it_is_still_finite_with_a_gradient_that_leads_back() -> None:
    x = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    mean = torch.tensor([0.9, 0.1, 0.1], dtype=torch.float64, requires_grad=True)
    deviation = torch.full((3,), 1e-3, dtype=torch.float64, requires_grad=True)
    value = log_probability(x, mean=mean, deviation=deviation)
    value.sum().backward()
    assert value.isfinite().all()
    assert mean.grad is not None
    assert deviation.grad is not None
    assert mean.grad.sign().tolist() == [-1.0, 1.0, 1.0]
    assert (deviation.grad > 0).all()


def test_bernoulli_likelihood_of_bits_agrees_with_torch() -> None:
    torch.manual_seed(0)
    decoder = BernoulliDecoder(latent=3, hidden=5, pixels=7, bits=1)
    z, bits = torch.randn(4, 3), torch.randint(0, 2, (4, 7)).float()
    expected = Bernoulli(probs=decoder.mean(z)).log_prob(bits).sum(1)
    torch.testing.assert_close(decoder.log_likelihood(bits, z), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", [VAE_BERNOULLI, VAE_GAUSSIAN])
def test_the_papers_network_has_the_size_its_layers_add_up_to(family) -> None:
    recipe, facts = family.recipe("paper"), PictureFacts(channels=1, height=28, width=28)
    encoder = (784 * 500 + 500) + (500 * 40 + 40)
    outputs = 784 if family is VAE_BERNOULLI else 2 * 784
    decoder = (20 * 500 + 500) + (500 * outputs + outputs)
    assert sum(p.numel() for p in family.learner(recipe, facts).predictor().parameters()) == encoder + decoder


def test_the_bound_lies_below_the_likelihood_and_nears_it_with_importance_weights() -> None:
    """One dimension of z: the likelihood is then a sum over a fine grid of codes."""
    torch.manual_seed(0)
    vae: Vae = VAE_GAUSSIAN.learner(VAE_GAUSSIAN.recipe("smoke", latent=1, hidden=4), DIGITS).predictor()
    images = some_digits(6)
    x = images.flatten(1).float() / 255
    codes = torch.linspace(-8, 8, 4001)
    with torch.no_grad():
        joint = torch.stack([vae.decoder.log_likelihood(x, z.expand(6, 1)) for z in codes]).double()
        joint += Normal(0.0, 1.0).log_prob(codes)[:, None]
        exact = joint.logsumexp(0) + math.log(16 / 4000)
    bound = vae.log_likelihood(images, seed=0)
    assert (bound <= exact).all()
    with torch.no_grad():
        mean, log_variance = vae.posterior(x)
        posterior = Normal(mean, (0.5 * log_variance).exp())
        z = posterior.sample((4000,))
        weights = torch.stack([vae.decoder.log_likelihood(x, code) for code in z]).double()
        weights += (Normal(0.0, 1.0).log_prob(z) - posterior.log_prob(z)).sum(-1)
    torch.testing.assert_close(weights.logsumexp(0) - math.log(4000), exact, rtol=0.02, atol=0.5)


def test_the_bound_depends_on_the_seed_alone() -> None:
    vae = VAE_GAUSSIAN.learner(VAE_GAUSSIAN.recipe("smoke"), DIGITS).predictor()
    first = vae.log_likelihood(some_digits(3), seed=1)
    torch.rand(7)
    assert torch.equal(first, vae.log_likelihood(some_digits(3), seed=1))
    assert not torch.equal(first, vae.log_likelihood(some_digits(3), seed=2))


def test_draws_are_pictures() -> None:
    for family in (VAE_BERNOULLI, VAE_GAUSSIAN):
        pictures = family.learner(family.recipe("smoke"), DIGITS).predictor().sample(3, seed=0)
        assert pictures.shape == (3, 1, 8, 8)
        assert pictures.dtype == torch.uint8

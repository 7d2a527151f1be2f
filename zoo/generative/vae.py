"""An encoder guesses the code behind a picture, a decoder the picture behind a code; both climb one lower bound.

    zoo train vae-gaussian --recipe mini   # 4.05 +- 0.01 bits/dim on digits (seeds 0-2); a Gaussian 6.43
    zoo train vae-bernoulli --recipe mini  # FID 29.7 +- 5.6 (seeds 0-2); a Gaussian 54.1

With a Gaussian decoder the bound is one of the probability of 8-bit pictures, and scored in bits per dimension. A
Bernoulli decoder says the probability of bits, not of grey values, so its bound is trained on but the draws are scored.

Differs from the paper: the Gaussian is integrated over each of the 256 values (as Salimans et al. 2017, PixelCNN++,
section 2.1, do with a logistic), since its density has no upper bound on pixels that are constant; draws are the
decoder's means; `smoke` and `mini` are smaller, and on 1,500 pictures use a larger rate.
"""

import math
from functools import partial
from typing import Protocol

import torch
from jaxtyping import Float, Float64, UInt8
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from zoo.contracts import Ask, Batch, Family, Inputs, Learner, Recipe, Scalars
from zoo.evaluation.density import DensityBenchmark
from zoo.evaluation.sample_quality import SamplerRecipe, sample_quality
from zoo.tasks.sampling import PictureFacts
from zoo.training import Updater
from zoo.training.pictures import PictureBatches

CODES = 16  # drawn from the posterior to estimate a bound: its mean is the bound for any number
INITIAL_DEVIATION = 0.1  # N(0, 0.01), section 5


class VaeRecipe(Recipe):
    """Kingma and Welling 2014; numbers of section 5 (MNIST) unless said."""

    hidden: int = Field(500, ge=1, description="units of the hidden layer")
    latent: int = Field(20, ge=1, description="dimensions of z (figure 2)")
    learning_rate: float = Field(0.02, gt=0, description="of Adagrad; one of 0.01, 0.02, 0.1")
    bits: int = Field(1, ge=1, description="that a grey value is the mean of, to the Bernoulli decoder (appendix C.1)")
    weight_decay: float = Field(1 / 60_000, ge=0, description="N(0, I) prior on the weights, over the pictures")


class BernoulliVaeRecipe(VaeRecipe, SamplerRecipe):
    """The same, judged by its draws."""


class BernoulliDecoder(nn.Module):
    """z -> a probability for each pixel (appendix C.1).

    Args:
        latent: dimensions of z.
        hidden: units of the hidden layer.
        pixels: values of a picture.
        bits: that each value is the mean of.
    """

    def __init__(self, *, latent: int, hidden: int, pixels: int, bits: int) -> None:
        super().__init__()
        self.body, self.bits = _mlp(latent, hidden, pixels), bits

    def mean(self, z: Tensor) -> Tensor:
        """Pixels in 0 ... 1."""
        return self.body(z).float().sigmoid()

    def log_likelihood(self, x: Float[Tensor, "n d"], z: Float[Tensor, "n latent"]) -> Float[Tensor, "n"]:
        """Of pixels in 0 ... 1 as so many bits each, in an order (eq. 11 for one bit)."""
        logits = self.body(z).float()
        return -self.bits * functional.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)


class GaussianDecoder(nn.Module):
    """z -> mean in 0 ... 1 and variance for each pixel (appendix C.2); arguments as the other's."""

    def __init__(self, *, latent: int, hidden: int, pixels: int) -> None:
        super().__init__()
        self.body = _mlp(latent, hidden, 2 * pixels)

    def mean(self, z: Tensor) -> Tensor:
        """Pixels in 0 ... 1."""
        return self.body(z).float().chunk(2, dim=1)[0].sigmoid()

    def log_likelihood(self, x: Float[Tensor, "n d"], z: Float[Tensor, "n latent"]) -> Float64[Tensor, "n"]:
        """Log probability of the 8-bit values 255 x."""
        # In float32 log Phi loses its gradient some hundred deviations out, where a new network may well be.
        place, log_variance = self.body(z).double().chunk(2, dim=1)
        return log_probability(x.double(), mean=place.sigmoid(), deviation=(0.5 * log_variance).exp()).sum(1)


def log_probability(
    x: Float[Tensor, "*shape"], *, mean: Float[Tensor, "*shape"], deviation: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Log of a normal distribution's mass on the 1/255 around x; the outer values 0 and 1 hold all that lies beyond.

    The interval is mirrored into the left tail, where log Phi keeps its digits however far out it lies.
    """
    low = torch.where(x < 0.5 / 255, -_FAR, x - 0.5 / 255)
    high = torch.where(x > 254.5 / 255, _FAR, x + 0.5 / 255)
    low, high = (low - mean) / deviation, (high - mean) / deviation
    right = low + high > 0
    low, high = torch.where(right, -high, low), torch.where(right, -low, high)
    log_high = torch.special.log_ndtr(high)
    return log_high + torch.log(-torch.expm1(torch.special.log_ndtr(low) - log_high))


_FAR = 1e3  # beyond every pixel; infinity would make gradients NaN


class MakesDecoder(Protocol):
    """Either decoder's class, where it needs no more numbers."""

    def __call__(self, *, latent: int, hidden: int, pixels: int) -> BernoulliDecoder | GaussianDecoder: ...


class Vae(nn.Module):
    """Encoder and decoder of one hidden tanh layer each. Implements `zoo.tasks.sampling.Sampler` and `DensityModel`.

    Args:
        shape: channels, height and width of a picture.
        latent: dimensions of z.
        hidden: units of each hidden layer.
        decoder: makes one for as much.
    """

    exact = False  # of a Gaussian decoder; a Bernoulli decoder's bits are none of 8-bit pictures

    def __init__(self, *, shape: tuple[int, int, int], latent: int, hidden: int, decoder: MakesDecoder) -> None:
        super().__init__()
        self.shape, self.latent = shape, latent
        pixels = math.prod(shape)
        self.encoder = _mlp(pixels, hidden, 2 * latent)
        self.decoder = decoder(latent=latent, hidden=hidden, pixels=pixels)

    def posterior(self, x: Float[Tensor, "n d"]) -> tuple[Float[Tensor, "n latent"], Float[Tensor, "n latent"]]:
        """Mean and log variance of q(z | x) (eq. 9)."""
        mean, log_variance = self.encoder(x).float().chunk(2, dim=1)
        return mean, log_variance

    def forward(self, x: Float[Tensor, "n d"], noise: Float[Tensor, "n latent"]) -> Float[Tensor, "n"]:
        """The lower bound of each picture, by one code (eq. 10)."""
        mean, log_variance = self.posterior(x)
        z = mean + (0.5 * log_variance).exp() * noise
        return self.decoder.log_likelihood(x, z) - divergence(mean, log_variance)

    @torch.inference_mode()
    def log_likelihood(self, images: UInt8[Tensor, "n c h w"], *, seed: int) -> Float64[Tensor, "n"]:
        """The lower bound in nats: the mean over so many codes of the posterior."""
        x = as_share(images.to(next(self.encoder.parameters()).device))
        random = torch.Generator().manual_seed(seed)
        bounds = [self(x, torch.randn(len(x), self.latent, generator=random).to(x.device)) for _ in range(CODES)]
        return torch.stack(bounds).double().mean(0).cpu()

    @torch.inference_mode()
    def sample(self, count: int, *, seed: int) -> UInt8[Tensor, "count c h w"]:
        weight = next(self.decoder.parameters())
        z = torch.randn(count, self.latent, generator=torch.Generator().manual_seed(seed)).to(weight.device)
        pixels = (self.decoder.mean(z) * 255.0).round().clamp(0, 255).to(torch.uint8).cpu()
        return pixels.unflatten(1, self.shape)


def divergence(mean: Float[Tensor, "n latent"], log_variance: Float[Tensor, "n latent"]) -> Float[Tensor, "n"]:
    """KL(N(mean, variance) | N(0, I)) in nats (appendix B)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(1)


def as_share(images: UInt8[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
    """Flat, 0 ... 255 as 0 ... 1."""
    return images.flatten(1).float() / 255.0


def _mlp(before: int, hidden: int, after: int) -> nn.Sequential:
    network = nn.Sequential(nn.Linear(before, hidden), nn.Tanh(), nn.Linear(hidden, after))
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0.0, INITIAL_DEVIATION)
    return network


class VaeLearner(Learner):
    """The bound with one code a picture (section 2.3), under Adagrad."""

    def __init__(self, recipe: VaeRecipe, facts: PictureFacts, *, decoder: MakesDecoder) -> None:
        super().__init__()
        shape = (facts.channels, facts.height, facts.width)
        self.vae = Vae(shape=shape, latent=recipe.latent, hidden=recipe.hidden, decoder=decoder)
        self.update = Updater(
            self.vae.parameters(), torch.optim.Adagrad, lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )

    def step(self, batch: Batch) -> Scalars:
        x = as_share(batch["image"])
        bound = self.vae(x, torch.randn(len(x), self.vae.latent, device=x.device)).mean()
        self.update(-bound)
        return {"bound": bound.detach()}

    def predictor(self) -> nn.Module:
        return self.vae


def _bernoulli(recipe: VaeRecipe, facts: PictureFacts) -> VaeLearner:
    return VaeLearner(recipe, facts, decoder=partial(BernoulliDecoder, bits=recipe.bits))


def _bits(recipe: VaeRecipe, inputs: Inputs) -> DensityBenchmark:
    return DensityBenchmark(recipe.scored, inputs)


PAPER = "Kingma and Welling, Auto-encoding variational Bayes, ICLR 2014"
VAE_BERNOULLI = Family(
    name="vae-bernoulli",
    paper=PAPER,
    recipes={
        # Each value of `digits` is the mean of 16 bits; neighbours agree, so that fewer of them count.
        "smoke": BernoulliVaeRecipe(
            dataset="digits", steps=5000, batch_size=100, hidden=200, latent=10, bits=4, learning_rate=0.05
        ),
        "mini": BernoulliVaeRecipe(
            dataset="digits", steps=12_000, batch_size=100, hidden=200, latent=10, bits=4, learning_rate=0.1
        ),
        # Section 5: batches of 100; figure 2 follows 10^8 training pictures.
        "paper": BernoulliVaeRecipe(dataset="mnist", steps=1_000_000, batch_size=100),
    },
    learner=_bernoulli,
    facts=PictureFacts,
    training_set=PictureBatches,
    benchmark=sample_quality,
    asks=(Ask(metric="classifier_FID", value=54.1),),
)
VAE_GAUSSIAN = Family(
    name="vae-gaussian",
    paper=PAPER,
    recipes={
        "smoke": VaeRecipe(dataset="digits", steps=800, batch_size=100, hidden=100, latent=10, learning_rate=0.05),
        "mini": VaeRecipe(dataset="digits", steps=6000, batch_size=100, hidden=200, latent=10, learning_rate=0.05),
        # Section 5 trains this decoder on Frey faces; here on MNIST, with the same numbers as the other.
        "paper": VaeRecipe(dataset="mnist", steps=1_000_000, batch_size=100),
    },
    learner=partial(VaeLearner, decoder=GaussianDecoder),
    facts=PictureFacts,
    training_set=PictureBatches,
    benchmark=_bits,
    asks=(Ask(metric="bits_per_dim", value=6.43),),
)

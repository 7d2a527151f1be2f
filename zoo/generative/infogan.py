"""A generator fed codes besides noise, which the discriminator's other head reads back: they come to mean something.

    zoo train infogan --recipe mini   # code_ARI 0.63 +- 0.11, FID 21 +- 9 on digits (seeds 0-2)

Nobody says what a code is for. Raising how well it is read from the pictures raises a lower bound of the mutual
information between the two (eq. 4), so the category finds kinds of pictures, and the continuous codes what varies.

Numbers of `paper` are those of the authors' code for MNIST (github.com/openai/InfoGAN, run_mnist_exp.py,
models/regularized_gan.py: "code" below).

Differs from the code: pixels lie in -1 ... 1 and a tanh makes them. `smoke` and `mini` are smaller.
"""

import math

import torch
from jaxtyping import Float, Int64, UInt8
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from zoo.contracts import Ask, Family, Inputs
from zoo.evaluation.code_sampling import CodeSamplingBenchmark
from zoo.evaluation.sample_quality import SamplerRecipe
from zoo.generative import dcgan
from zoo.generative.adversarial import Alternating, Verdict, informed
from zoo.layers.dcgan import INITIAL_DEVIATION, initialise
from zoo.layers.draws import pictures_of, uniform
from zoo.tasks.sampling import PictureFacts
from zoo.training import Updater
from zoo.training.pictures import PictureBatches

LEAK = 0.01  # code; 0.1 in the paper


class InfoganRecipe(SamplerRecipe):
    """Chen et al. 2016; numbers of the code."""

    latent: int = Field(62, ge=1, description="dimensions of z, uniform")
    categories: int = Field(10, ge=2, description="values of the categorical code")
    continuous: int = Field(2, ge=0, description="continuous codes, uniform in -1 ... 1")
    width: int = Field(64, ge=1, description="channels of the map before the picture")
    hidden: int = Field(1024, ge=1, description="units of the fully connected layers")
    reading: int = Field(128, ge=1, description="units of the layer that reads codes")
    weight: float = Field(1.0, ge=0, description="lambda, of the information (eq. 3)")
    rates: tuple[float, float] = Field((1e-3, 2e-4), description="of Adam, the generator's and the discriminator's")
    betas: tuple[float, float] = Field((0.5, 0.999), description="of Adam")


class Generator(nn.Module):
    """z and codes -> picture in [-1, 1]. Implements `zoo.tasks.conditional_sampling.ConditionalSampler`.

    Args:
        channels: of a picture.
        size: of a picture, both ways; a multiple of 4.
        latent: dimensions of z.
        categories: values of the categorical code.
        continuous: continuous codes.
        width: channels of the map before the picture.
        hidden: units of the fully connected layer.
    """

    def __init__(
        self, *, channels: int, size: int, latent: int, categories: int, continuous: int, width: int, hidden: int
    ) -> None:
        super().__init__()
        if size % 4:
            raise ValueError(f"expected pictures whose side is a multiple of 4, got {size}: 28 in the paper.")
        self.latent, self.categories, self.continuous = latent, categories, continuous
        maps, first = 2 * width, size // 4
        self.layers = nn.Sequential(
            nn.Linear(latent + categories + continuous, hidden, bias=False),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Linear(hidden, maps * first**2, bias=False),
            nn.BatchNorm1d(maps * first**2),
            nn.ReLU(),
            nn.Unflatten(1, (maps, first, first)),
            nn.ConvTranspose2d(maps, width, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1),
            nn.Tanh(),
        )
        self.apply(started)

    def forward(
        self, z: Float[Tensor, "n latent"], category: Int64[Tensor, "n"], continuous: Float[Tensor, "n codes"]
    ) -> Float[Tensor, "n c h w"]:
        one_hot = functional.one_hot(category, self.categories).float()
        return self.layers(torch.cat([z, one_hot, continuous], dim=1))

    def noise(self, count: int, generator: torch.Generator | None = None) -> Float[Tensor, "count latent"]:
        """z drawn uniformly."""
        return uniform(count, self.latent, like=next(self.parameters()), generator=generator)

    def asked(self, count: int) -> tuple[Int64[Tensor, "count"], Float[Tensor, "count codes"]]:
        """Codes: categories drawn evenly, and the continuous ones."""
        weight = next(self.parameters())
        category = torch.randint(self.categories, (count,), device=weight.device)
        return category, uniform(count, self.continuous, like=weight)

    def sample_labelled(self, labels: Int64[Tensor, "n"], *, seed: int) -> UInt8[Tensor, "n c h w"]:
        generator = torch.Generator().manual_seed(seed)
        z = self.noise(len(labels), generator)
        continuous = uniform(len(labels), self.continuous, like=z, generator=generator)
        return pictures_of(self, z, labels.to(z.device), continuous)


class Discriminator(nn.Module):
    """Picture -> how real it looks, and how likely the codes are that it was asked for; both read one body.

    Arguments as the generator's, and the units of the layer that reads codes.
    """

    def __init__(
        self, *, channels: int, size: int, categories: int, continuous: int, width: int, hidden: int, reading: int
    ) -> None:
        super().__init__()
        maps = 2 * width
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 4, stride=2, padding=1),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(width, maps, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(maps),
            nn.LeakyReLU(LEAK),
            nn.Flatten(),
            nn.Linear(maps * (size // 4) ** 2, hidden, bias=False),
            nn.BatchNorm1d(hidden),
            nn.LeakyReLU(LEAK),
        )
        self.score = nn.Linear(hidden, 1)
        self.codes = nn.Sequential(
            nn.Linear(hidden, reading, bias=False),
            nn.BatchNorm1d(reading),
            nn.LeakyReLU(LEAK),
            nn.Linear(reading, categories + continuous),
        )
        self.apply(started)

    def forward(self, pictures: Float[Tensor, "n c h w"], *asked: Tensor) -> Verdict:
        seen = self.body(pictures)
        score = self.score(seen).squeeze(1)
        if not asked:  # real pictures: nobody knows their codes
            return Verdict(score, torch.zeros_like(score))
        return Verdict(score, log_likelihood(self.codes(seen).float(), *asked))


def log_likelihood(
    read: Float[Tensor, "n numbers"], category: Int64[Tensor, "n"], continuous: Float[Tensor, "n codes"]
) -> Float[Tensor, "n"]:
    """log Q(c | x) of codes: scores of the categories, then means of normal distributions with deviation 1 (code)."""
    scores, means = read.split([read.shape[1] - continuous.shape[1], continuous.shape[1]], dim=1)
    normal = -0.5 * ((continuous - means).square() + math.log(2 * math.pi)).sum(1)
    return normal - functional.cross_entropy(scores, category, reduction="none")


def started(layer: nn.Module) -> None:
    """As DCGAN's layers; those that are normalised without a map have gains around 1 too."""
    initialise(layer)
    if isinstance(layer, nn.BatchNorm1d):
        nn.init.normal_(layer.weight, 1.0, INITIAL_DEVIATION)


def learner(recipe: InfoganRecipe, facts: PictureFacts) -> Alternating:
    """DCGAN's game; both networks raise the likelihood of the codes on fakes (eq. 6)."""
    channels, size = facts.channels, facts.height
    codes = {"categories": recipe.categories, "continuous": recipe.continuous}
    sizes = {"width": recipe.width, "hidden": recipe.hidden}
    generator = Generator(channels=channels, size=size, latent=recipe.latent, **codes, **sizes)
    discriminator = Discriminator(channels=channels, size=size, reading=recipe.reading, **codes, **sizes)
    move_generator, move_discriminator = (
        Updater(network.parameters(), torch.optim.Adam, lr=rate, betas=recipe.betas)
        for network, rate in zip((generator, discriminator), recipe.rates, strict=True)
    )
    return Alternating(
        generator,
        discriminator,
        noise=generator.noise,
        losses=informed(dcgan.LOSSES, weight=recipe.weight),
        move_generator=move_generator,
        move_discriminator=move_discriminator,
        asked=generator.asked,
    )


def code_quality(recipe: InfoganRecipe, inputs: Inputs) -> CodeSamplingBenchmark:
    """Fréchet distance in the space of a classifier, and what the categories say of its classes."""
    return CodeSamplingBenchmark(recipe.scored, inputs, space=recipe.space, draws=recipe.draws, codes=recipe.categories)


FAMILY = Family(
    name="infogan",
    paper="Chen et al., InfoGAN: interpretable representation learning by information maximizing GANs, NeurIPS 2016",
    recipes={
        "smoke": InfoganRecipe(
            dataset="digits", steps=300, batch_size=64, latent=16, width=16, hidden=64, reading=32, rates=(1e-3, 5e-4)
        ),
        "mini": InfoganRecipe(
            dataset="digits", steps=1500, batch_size=64, latent=16, width=32, hidden=128, reading=64, rates=(1e-3, 5e-4)
        ),
        # Code: 50 times 100 updates, in batches of 128.
        "paper": InfoganRecipe(dataset="mnist", steps=50 * 100, batch_size=128),
    },
    learner=learner,
    facts=PictureFacts,
    training_set=PictureBatches,
    benchmark=code_quality,
    asks=(Ask(metric="code_ARI", value=0.3),),
)

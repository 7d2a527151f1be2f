"""A GAN whose discriminator regresses to codes by least squares, so that even a fake it sees through gives a gradient.

    zoo train lsgan --recipe mini   # FID 3.0 +- 0.7 on digits (seeds 0-2); a Gaussian of the pixels 54.1

Differs from the paper: the networks are DCGAN's, which the paper's own (figure 2) add unstrided layers to;
`smoke` and `mini` start from a 2 x 2 map with 3 x 3 convolutions, as fits pictures of 8 x 8, and learn faster.
"""

import torch
from pydantic import Field
from torch import Tensor, nn

from zoo.contracts import Batch, Facts, Family, Learner, Scalars, Target
from zoo.evaluation.sample_quality import SamplerRecipe, sample_quality
from zoo.layers.dcgan import Discriminator, Generator
from zoo.layers.pixels import signed
from zoo.training import Updater
from zoo.training.pictures import PictureBatches


class LsganRecipe(SamplerRecipe):
    """Mao et al. 2017; numbers of section 4 unless said."""

    first: int = Field(4, ge=1, description="side of the generator's first map (DCGAN)")
    width: int = Field(128, ge=1, description="channels of the last hidden map (DCGAN)")
    kernel: int = Field(5, ge=3, description="side of the convolutions (DCGAN)")
    latent: int = Field(100, ge=1, description="dimensions of z, uniform (DCGAN)")
    fake_code: float = Field(0.0, description="a (eq. 9)")
    real_code: float = Field(1.0, description="b (eq. 9)")
    wanted_code: float = Field(1.0, description="c, what the generator wants the discriminator to say (eq. 9)")
    learning_rate: float = Field(2e-4, gt=0, description="of Adam (DCGAN)")
    betas: tuple[float, float] = Field((0.5, 0.999), description="of Adam (beta1: section 4)")


def discriminator_loss(real: Tensor, fake: Tensor, *, real_code: float, fake_code: float) -> Tensor:
    """E (D(x) - b)^2 / 2 + E (D(G(z)) - a)^2 / 2 (eq. 2)."""
    return 0.5 * ((real - real_code).square().mean() + (fake - fake_code).square().mean())


def generator_loss(fake: Tensor, *, wanted_code: float) -> Tensor:
    """E (D(G(z)) - c)^2 / 2 (eq. 2)."""
    return 0.5 * (fake - wanted_code).square().mean()


class LsganLearner(Learner):
    """One update of the discriminator, then one of the generator on the same fakes."""

    def __init__(self, recipe: LsganRecipe, facts: Facts) -> None:
        super().__init__()
        self.recipe = recipe
        self.generator = Generator(
            channels=facts.channels,
            size=facts.height,
            first=recipe.first,
            width=recipe.width,
            kernel=recipe.kernel,
            latent=recipe.latent,
        )
        self.discriminator = Discriminator(
            channels=facts.channels, size=facts.height, first=recipe.first, width=recipe.width, kernel=recipe.kernel
        )
        self.move_generator, self.move_discriminator = (
            Updater(network.parameters(), torch.optim.Adam, lr=recipe.learning_rate, betas=recipe.betas)
            for network in (self.generator, self.discriminator)
        )

    def step(self, batch: Batch) -> Scalars:
        recipe, real = self.recipe, signed(batch["image"])
        fake = self.generator(self.generator.noise(len(real)))
        # Apart, because batch normalisation would tell a mixed batch's halves by each other.
        judged = discriminator_loss(
            self.discriminator(real),
            self.discriminator(fake.detach()),
            real_code=recipe.real_code,
            fake_code=recipe.fake_code,
        )
        self.move_discriminator(judged)
        self.discriminator.requires_grad_(False)
        deceived = generator_loss(self.discriminator(fake), wanted_code=recipe.wanted_code)
        self.move_generator(deceived)
        self.discriminator.requires_grad_(True)
        return {"discriminator": judged.detach(), "generator": deceived.detach()}

    def predictor(self) -> nn.Module:
        return self.generator


FAMILY = Family(
    name="lsgan",
    paper="Mao et al., Least squares generative adversarial networks, ICCV 2017",
    recipes={
        "smoke": LsganRecipe(
            dataset="digits", steps=400, batch_size=64, first=2, width=16, kernel=3, latent=32, learning_rate=1e-3
        ),
        "mini": LsganRecipe(
            dataset="digits", steps=3000, batch_size=64, first=2, width=32, kernel=3, latent=32, learning_rate=5e-4
        ),
        # Batches of the DCGAN code that the paper builds on. It counts no updates; 100 passes over CIFAR-10.
        "paper": LsganRecipe(dataset="cifar10", steps=78_000, batch_size=64, space="inception", draws=50_000),
    },
    learner=LsganLearner,
    batches=PictureBatches,
    benchmark=sample_quality,
    targets=(
        Target(metric="IS", value=6.55, dataset="cifar10", source="reproduced by others"),
        Target(metric="FID", value=40.2, dataset="cifar10", source="reproduced by others"),
    ),
)

"""A discriminator that is an auto-encoder: what it cannot rebuild has a high energy, and is a fake to it.

    zoo train ebgan --recipe mini   # FID 7.5 +- 0.2 on digits (seeds 0-2); a Gaussian of the pixels 54.1

Real pictures' energy is lowered, fakes' raised as far as a margin and no further. The pull-away term keeps the codes of
fakes apart, so that the generator does not make one picture again and again (section 2.4).

Numbers of `paper` are those of the paper's grid over margins on MNIST, with the pull-away term's weight from section
2.4. The paper judges that grid by a score of its own making, a changed IS, and reports no FID.

Differs from the paper: whether a fully connected generator was normalised by batch is not said, here it is. `smoke`
and `mini` are smaller.
"""

import math
from typing import NamedTuple

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from zoo.contracts import Ask, Family
from zoo.evaluation.sample_quality import SamplerRecipe, sample_quality
from zoo.generative.adversarial import Alternating, Losses, by_adam
from zoo.layers.perceptron import MlpGenerator
from zoo.tasks.sampling import PictureFacts
from zoo.training.pictures import PictureBatches


class EbganRecipe(SamplerRecipe):
    """Zhao et al. 2017; numbers of the grid over margins."""

    margin: float = Field(10.0, gt=0, description="m: fakes of a higher energy count for nothing (eq. 1)")
    pull_away: float = Field(0.1, ge=0, description="weight of the term that keeps fakes apart (section 2.4)")
    latent: int = Field(100, ge=1, description="dimensions of z; ours")
    generating: tuple[int, ...] = Field((1600,) * 4, description="units of the generator's hidden layers")
    encoding: tuple[int, ...] = Field((1024, 1024), description="units of the encoder's layers; the decoder has one")
    learning_rate: float = Field(1e-3, gt=0, description="of Adam")
    betas: tuple[float, float] = Field((0.5, 0.999), description="of Adam; ours")


class Judged(NamedTuple):
    """What the discriminator says: how badly it rebuilds pictures, and the codes it does so from."""

    energy: Float[Tensor, "n"]
    code: Float[Tensor, "n d"]


class AutoEncoder(nn.Module):
    """Picture -> its energy |Dec(Enc(x)) - x| and its code (eq. 3).

    Args:
        pixels: values of a picture.
        widths: units of the encoder's layers; the decoder is one layer.
    """

    def __init__(self, *, pixels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        before = (pixels, *widths[:-1])
        hidden = [part for a, b in zip(before, widths, strict=True) for part in (nn.Linear(a, b), nn.ReLU())]
        self.encoder, self.decoder = nn.Sequential(nn.Flatten(), *hidden), nn.Linear(widths[-1], pixels)

    def forward(self, pictures: Float[Tensor, "n c h w"]) -> Judged:
        code = self.encoder(pictures)
        return Judged((self.decoder(code) - pictures.flatten(1)).float().norm(dim=1), code.float())


def pull_away(code: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    """Mean squared cosine between the codes of two pictures (eq. 4)."""
    count = len(code)
    cosine = functional.normalize(code, dim=1) @ functional.normalize(code, dim=1).T
    return (cosine.square().sum() - cosine.diagonal().square().sum()) / (count * (count - 1))


def energies(*, margin: float, weight: float) -> Losses:
    """E D(x) + E max(0, m - D(G(z))) (eq. 1); for the generator E D(G(z)) and the pull-away term (eq. 2, 4)."""
    return Losses(
        discriminator=lambda real, fake: real.energy.mean() + functional.relu(margin - fake.energy).mean(),
        generator=lambda fake: fake.energy.mean() + weight * pull_away(fake.code),
    )


def learner(recipe: EbganRecipe, facts: PictureFacts) -> Alternating:
    """One update of the auto-encoder, then one of the generator, both by Adam."""
    shape = (facts.channels, facts.height, facts.width)
    generator = MlpGenerator(shape, latent=recipe.latent, widths=recipe.generating, normalised=True)
    return by_adam(
        generator,
        AutoEncoder(pixels=math.prod(shape), widths=recipe.encoding),
        learning_rate=recipe.learning_rate,
        betas=recipe.betas,
        noise=generator.noise,
        losses=energies(margin=recipe.margin, weight=recipe.pull_away),
    )


FAMILY = Family(
    name="ebgan",
    paper="Zhao et al., Energy-based generative adversarial network, ICLR 2017",
    recipes={
        "smoke": EbganRecipe(
            dataset="digits", steps=800, batch_size=64, margin=4.0, latent=32, generating=(128, 128), encoding=(64, 32)
        ),
        "mini": EbganRecipe(
            dataset="digits",
            steps=2000,
            batch_size=64,
            margin=4.0,
            latent=32,
            generating=(256, 256),
            encoding=(128, 32),
        ),
        # Batches of 100 and 50 passes are ours.
        "paper": EbganRecipe(dataset="mnist", steps=50 * 600, batch_size=100),
    },
    learner=learner,
    facts=PictureFacts,
    training_set=PictureBatches,
    benchmark=sample_quality,
    asks=(Ask(metric="classifier_FID", value=54.1),),
)

"""A generator that learns to deceive a discriminator, both of strided convolutions and batch normalisation.

    zoo train dcgan --recipe mini   # FID 4.9 +- 0.9 on digits (seeds 0-2); a Gaussian of the pixels 54.1

`paper` learns LSUN's bedrooms, exported and brought to 64 x 64 by `zoo data convert pictures DIR lsun-bedroom-64 --size
64`. They take 35 GiB, and a third of the memory at most may go into pictures. The paper shows draws of it and no FID;
numbers of others are on CIFAR-10 (`cifar10`).

Differs from the paper: the discriminator mirrors the generator, as in the authors' code for faces (github.com/Newmu/
dcgan_code, faces/train_uncond_dcgan.py; the paper gives no plan of it), which decays weights by 1e-5 and has no biases
at the pictures; `smoke` and `mini` start from a 2 x 2 map with 3 x 3 convolutions, as fits pictures of 8 x 8, and learn
faster.
"""

from typing import Any

from pydantic import Field
from torch.nn import functional

from zoo.contracts import Ask, Family, Target
from zoo.evaluation.sample_quality import SamplerRecipe, sample_quality
from zoo.generative.adversarial import Alternating, Losses, by_adam
from zoo.layers.dcgan import DcganSizes, networks
from zoo.tasks.sampling import PictureFacts
from zoo.training.pictures import PictureBatches


class DcganRecipe(DcganSizes, SamplerRecipe):
    """Radford et al. 2016; numbers of figure 1 and section 4."""

    learning_rate: float = Field(2e-4, gt=0, description="of Adam (section 4)")
    betas: tuple[float, float] = Field((0.5, 0.999), description="of Adam (section 4)")

    @property
    def adam(self) -> dict[str, Any]:
        """Both, as `by_adam` takes them."""
        return {"learning_rate": self.learning_rate, "betas": self.betas}


BEDROOMS = 3_033_042
"""Training pictures of LSUN's bedrooms (tensorflow.org/datasets/catalog/lsun)."""

LOSSES = Losses(
    # From logits: -E log D(x) - E log(1 - D(G(z))) (Goodfellow et al. 2014, eq. 1), and for the generator
    # -E log D(G(z)), the same aim with a gradient that does not vanish (ibid., section 3).
    discriminator=lambda real, fake: functional.softplus(-real).mean() + functional.softplus(fake).mean(),
    generator=lambda fake: functional.softplus(-fake).mean(),
)


def learner(recipe: DcganRecipe, facts: PictureFacts, *, losses: Losses = LOSSES) -> Alternating:
    """One update of the discriminator, then one of the generator on the same fakes, both by Adam."""
    generator, discriminator = networks(channels=facts.channels, size=facts.height, **recipe.sizes)
    return by_adam(generator, discriminator, noise=generator.noise, losses=losses, **recipe.adam)


FAMILY = Family(
    name="dcgan",
    paper="Radford et al., Unsupervised representation learning with deep convolutional GANs, ICLR 2016",
    recipes={
        "smoke": DcganRecipe(
            dataset="digits", steps=400, batch_size=64, first=2, width=16, kernel=3, latent=32, learning_rate=1e-3
        ),
        "mini": DcganRecipe(
            dataset="digits", steps=3000, batch_size=64, first=2, width=32, kernel=3, latent=32, learning_rate=5e-4
        ),
        # Section 4: batches of 128. Five passes over the bedrooms (authors' README).
        "paper": DcganRecipe(
            dataset="lsun-bedroom-64", steps=5 * BEDROOMS // 128, batch_size=128, space="inception", draws=50_000
        ),
        # The paper does not generate these; 100 passes, which are ours.
        "cifar10": DcganRecipe(dataset="cifar10", steps=39_000, batch_size=128, space="inception", draws=50_000),
    },
    learner=learner,
    facts=PictureFacts,
    training_set=PictureBatches,
    benchmark=sample_quality,
    asks=(Ask(metric="classifier_FID", value=54.1),),
    targets=(
        Target(metric="FID", value=28.95, dataset="cifar10", source="reproduced by others, 10k against 10k"),
        Target(metric="FID", value=42.7, dataset="cifar10", source="reproduced by others, 50k"),
    ),
)

"""A GAN whose discriminator regresses to codes by least squares, so that even a fake it sees through gives a gradient.

    zoo train lsgan --recipe mini   # FID 3.0 +- 0.7 on digits (seeds 0-2); a Gaussian of the pixels 54.1

Differs from the paper: the networks are DCGAN's, which the paper's own (figure 2) add unstrided layers to;
`smoke` and `mini` start from a 2 x 2 map with 3 x 3 convolutions, as fits pictures of 8 x 8, and learn faster.
"""

from pydantic import Field

from zoo.contracts import Ask, Family, Target
from zoo.evaluation.sample_quality import sample_quality
from zoo.generative import dcgan
from zoo.generative.adversarial import Alternating, Losses
from zoo.tasks.sampling import PictureFacts
from zoo.training.pictures import PictureBatches


class LsganRecipe(dcgan.DcganRecipe):
    """Mao et al. 2017; the codes of section 4, all else DCGAN's (beta1 as section 4 says)."""

    fake_code: float = Field(0.0, description="a (eq. 9)")
    real_code: float = Field(1.0, description="b (eq. 9)")
    wanted_code: float = Field(1.0, description="c, what the generator wants the discriminator to say (eq. 9)")


def least_squares(*, fake_code: float, real_code: float, wanted_code: float) -> Losses:
    """E (D(x) - b)^2 / 2 + E (D(G(z)) - a)^2 / 2, and for the generator E (D(G(z)) - c)^2 / 2 (eq. 2)."""
    return Losses(
        discriminator=lambda real, fake: (
            0.5 * ((real - real_code).square().mean() + (fake - fake_code).square().mean())
        ),
        generator=lambda fake: 0.5 * (fake - wanted_code).square().mean(),
    )


def learner(recipe: LsganRecipe, facts: PictureFacts) -> Alternating:
    """DCGAN's networks and updates under losses of their own."""
    losses = least_squares(fake_code=recipe.fake_code, real_code=recipe.real_code, wanted_code=recipe.wanted_code)
    return dcgan.learner(recipe, facts, losses=losses)


FAMILY = Family(
    name="lsgan",
    paper="Mao et al., Least squares generative adversarial networks, ICCV 2017",
    recipes={
        name: LsganRecipe.model_validate(dcgan.FAMILY.recipes[name].model_dump())  # the loss alone is another one
        for name in ("smoke", "mini")
    }
    | {
        # Batches of the DCGAN code that the paper builds on. It counts no updates; 100 passes over CIFAR-10.
        "paper": LsganRecipe(dataset="cifar10", steps=78_000, batch_size=64, space="inception", draws=50_000),
    },
    learner=learner,
    facts=PictureFacts,
    training_set=PictureBatches,
    benchmark=sample_quality,
    asks=(Ask(metric="classifier_FID", value=54.1),),
    targets=(
        Target(metric="IS", value=6.55, dataset="cifar10", source="reproduced by others"),
        Target(metric="FID", value=40.2, dataset="cifar10", source="reproduced by others"),
    ),
)

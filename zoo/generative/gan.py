"""Two networks without convolutions: one makes pictures, the other learns to tell them from real ones, until it cannot.

    zoo train gan --recipe mini                        # FID 7.5 on digits (seed 0); a Gaussian of the pixels 54.1
    zoo train gan --recipe mini --variant saturating   # FID 4.8 (seed 0)

The generator may lower log(1 - D(G(z))), the discriminator's own game, whose gradient vanishes where the discriminator
is sure (`saturating`), or raise log D(G(z)), which has the same fixed point and does not (section 3).

Numbers of `paper` are those of the authors' code for MNIST (github.com/goodfeli/adversarial, mnist.yaml: "code"
below). The paper reports Parzen windows' log-likelihoods and neither FID nor IS.

Differs from the code: pixels lie in -1 ... 1 and a tanh makes them, in place of 0 ... 1 and a sigmoid; the last bias
starts at 0, in place of the pixels' means; one update follows the other, on 60,000 pictures in place of 50,000. `smoke`
and `mini` are small, learn by Adam, and have no dropout.
"""

import math
from collections.abc import Iterable
from typing import Any, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from zoo.contracts import Ask, Family
from zoo.evaluation.sample_quality import SamplerRecipe, sample_quality
from zoo.generative.adversarial import Alternating, Losses
from zoo.layers.perceptron import Maxout, MlpGenerator, evenly
from zoo.tasks.sampling import PictureFacts
from zoo.training import Updater
from zoo.training.pictures import PictureBatches

HALF_WIDTHS = 0.05, 0.005  # of first weights, generator's and discriminator's (code)
NOISE = math.sqrt(3.0)  # half the width of what z is drawn from (code): its variance is 1
SLOWEST = 1e-6  # learning rate that the decay ends at (code)


class FirstGanRecipe(SamplerRecipe):
    """How the first GANs' weights move; numbers of the code."""

    optimizer: Literal["momentum", "adam"] = "momentum"
    learning_rate: float = Field(0.1, gt=0)
    decay: float = Field(1.000004, ge=1, description="what the rate is divided by each update")
    momentum: tuple[float, float] = Field((0.5, 0.7), description="rises from one to the other")
    rising: int = Field(250 * 500, ge=1, description="updates it rises over: 250 passes")
    dropout: tuple[float, float] = Field((0.2, 0.5), description="the discriminator's, of pixels and of hidden units")


class GanRecipe(FirstGanRecipe):
    """Goodfellow et al. 2014; numbers of the code."""

    latent: int = Field(100, ge=1, description="dimensions of z")
    hidden: int = Field(1200, ge=1, description="units of each of the generator's two hidden layers")
    units: int = Field(240, ge=1, description="maxout units of each of the discriminator's two hidden layers")
    pieces: int = Field(5, ge=1, description="linear functions a maxout unit takes the largest of")
    saturating: bool = Field(False, description="the generator lowers log(1 - D) in place of raising log D (section 3)")


class RisingMomentum(torch.optim.SGD):
    """Momentum that rises linearly over so many updates, and stays.

    Args:
        momentum: the first and the last.
    """

    def __init__(self, parameters: Iterable[Any], *, lr: float, momentum: tuple[float, float], rising: int) -> None:
        super().__init__(parameters, lr=lr, momentum=momentum[0])
        for group in self.param_groups:
            group.update(first=momentum[0], last=momentum[1], rising=rising, updates=0)

    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            share = min(1.0, group["updates"] / group["rising"])
            group["momentum"] = group["first"] + share * (group["last"] - group["first"])
            group["updates"] += 1
        return super().step(closure)


def updater(recipe: FirstGanRecipe, network: nn.Module) -> Updater:
    """What moves a network's weights as a recipe says."""
    rate = recipe.learning_rate
    if recipe.optimizer == "adam":
        return Updater(network.parameters(), torch.optim.Adam, lr=rate, betas=(0.5, 0.999))  # DCGAN's
    options: dict[str, Any] = {"lr": rate, "momentum": recipe.momentum, "rising": recipe.rising}

    def slowing(done: int) -> float:
        return max(SLOWEST / rate, recipe.decay**-done)

    return Updater(network.parameters(), RisingMomentum, schedule=slowing, **options)


class Discriminator(nn.Module):
    """Picture -> logit of how likely it is real.

    Args:
        pixels: values of a picture.
        units: of each of two hidden layers.
        pieces: linear functions a unit takes the largest of.
        dropout: of pixels and of hidden units.
    """

    def __init__(self, *, pixels: int, units: int, pieces: int, dropout: tuple[float, float]) -> None:
        super().__init__()
        of_pixels, of_units = dropout
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(of_pixels),
            Maxout(pixels, units, pieces=pieces),
            nn.Dropout(of_units),
            Maxout(units, units, pieces=pieces),
            nn.Dropout(of_units),
            nn.Linear(units, 1),
        )

    def forward(self, pictures: Float[Tensor, "n c h w"]) -> Float[Tensor, "n"]:
        return self.layers(pictures).squeeze(1).float()


def cross_entropy(*, saturating: bool) -> Losses:
    """Half of -E log D(x) - E log(1 - D(G(z))) from logits (eq. 1; the half is the code's), and the generator's."""
    return Losses(
        discriminator=lambda real, fake: 0.5 * (functional.softplus(-real).mean() + functional.softplus(fake).mean()),
        generator=lambda fake: -functional.softplus(fake).mean() if saturating else functional.softplus(-fake).mean(),
    )


def learner(recipe: GanRecipe, facts: PictureFacts) -> Alternating:
    """One update of the discriminator, then one of the generator on the same fakes (algorithm 1 with k = 1)."""
    shape = (facts.channels, facts.height, facts.width)
    generator = MlpGenerator(shape, latent=recipe.latent, widths=(recipe.hidden, recipe.hidden), spread=NOISE)
    discriminator = Discriminator(
        pixels=math.prod(shape), units=recipe.units, pieces=recipe.pieces, dropout=recipe.dropout
    )
    if recipe.optimizer == "momentum":
        evenly(generator, HALF_WIDTHS[0])
        evenly(discriminator, HALF_WIDTHS[1])
    return Alternating(
        generator,
        discriminator,
        noise=generator.noise,
        losses=cross_entropy(saturating=recipe.saturating),
        move_generator=updater(recipe, generator),
        move_discriminator=updater(recipe, discriminator),
    )


SMALL: dict[str, Any] = {"optimizer": "adam", "dropout": (0.0, 0.0), "latent": 32, "units": 64, "pieces": 2}
FAMILY = Family(
    name="gan",
    paper="Goodfellow et al., Generative adversarial nets, NeurIPS 2014",
    recipes={
        "smoke": GanRecipe(dataset="digits", steps=1000, batch_size=64, hidden=128, learning_rate=1e-3, **SMALL),
        "mini": GanRecipe(dataset="digits", steps=10_000, batch_size=64, hidden=256, learning_rate=5e-4, **SMALL),
        # The code's batches of 100; it ends by hand, and momentum rises over 250 passes of 50,000 pictures.
        "paper": GanRecipe(dataset="mnist", steps=250 * 500, batch_size=100),
    },
    variants={"": {}, "saturating": {"saturating": True}},
    learner=learner,
    facts=PictureFacts,
    training_set=PictureBatches,
    benchmark=sample_quality,
    asks=(Ask(metric="classifier_FID", value=54.1),),
)

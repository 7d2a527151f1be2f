"""A generator that is told which class to draw, and a discriminator that is not, but has to name it.

    zoo train acgan --recipe mini   # label accuracy 0.93, FID 12.3 on digits (seed 0); Gaussians of classes 0.98, 8.6

Networks of `paper` are those of the paper's appendix A for CIFAR-10, as others wrote them down
(github.com/clvrai/ACGAN-PyTorch, network.py: "code" below).

Differs from the paper: no noise is added to the discriminator's activations; the generator's first map is 4 x 4 and
its convolutions keep exact halves, as DCGAN's do. `smoke` and `mini` are narrower and have no dropout.
"""

from itertools import pairwise

import torch
from jaxtyping import Float, Int64, UInt8
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from zoo.contracts import Ask, Family, Target
from zoo.evaluation.conditional_sampling import class_quality
from zoo.generative import dcgan
from zoo.generative.adversarial import Alternating, Verdict, by_adam, informed
from zoo.layers import dcgan as layers
from zoo.layers.draws import pictures_of, uniform
from zoo.tasks.classification import ClassificationFacts
from zoo.training.labelled import labelled_pictures


class AcganRecipe(dcgan.DcganRecipe):
    """Odena et al. 2017; networks of the code, and Adam as DCGAN's."""

    width: int = Field(96, ge=1, description="channels of the generator's last hidden map")
    narrow: int = Field(16, ge=1, description="channels of the discriminator's first layer; each has twice as many")
    dropout: float = Field(0.5, ge=0, lt=1, description="after each of the discriminator's layers")


class Generator(nn.Module):
    """z and class -> picture in [-1, 1]. Implements `zoo.tasks.conditional_sampling.ConditionalSampler` and `Sampler`.

    Args:
        network: z and as many numbers as there are classes -> picture.
        classes: how many there are.
    """

    def __init__(self, network: layers.Generator, *, classes: int) -> None:
        super().__init__()
        self.network, self.classes = network, classes

    def forward(self, z: Float[Tensor, "n latent"], labels: Int64[Tensor, "n"]) -> Float[Tensor, "n c h w"]:
        return self.network(torch.cat([z, functional.one_hot(labels, self.classes).float()], dim=1))

    def noise(self, count: int, generator: torch.Generator | None = None) -> Float[Tensor, "count latent"]:
        """z drawn uniformly."""
        weight = self.network.project.weight
        return uniform(count, self.network.latent - self.classes, like=weight, generator=generator)

    def asked(self, count: int) -> tuple[Int64[Tensor, "count"]]:
        """Classes drawn evenly."""
        return (torch.randint(self.classes, (count,), device=self.network.project.weight.device),)

    def sample_labelled(self, labels: Int64[Tensor, "n"], *, seed: int) -> UInt8[Tensor, "n c h w"]:
        z = self.noise(len(labels), torch.Generator().manual_seed(seed))
        return pictures_of(self, z, labels.to(z.device))

    def sample(self, count: int, *, seed: int) -> UInt8[Tensor, "count c h w"]:
        labels = torch.randint(self.classes, (count,), generator=torch.Generator().manual_seed(seed))
        return self.sample_labelled(labels, seed=seed)


class Discriminator(nn.Module):
    """Picture -> how real it looks, and how likely it is of a class; every other one of six layers halves it.

    Args:
        channels: of a picture.
        size: of a picture, both ways; a multiple of 8.
        classes: how many there are.
        width: channels of the first layer; each has twice as many as the one before.
        dropout: after each layer.
    """

    def __init__(self, *, channels: int, size: int, classes: int, width: int, dropout: float) -> None:
        super().__init__()
        if size % 8:
            raise ValueError(f"expected pictures whose side is a multiple of 8, got {size}: 32 in the paper.")
        parts: list[nn.Module] = []
        for i, (before, after) in enumerate(pairwise((channels, *(width << i for i in range(6))))):
            parts.append(nn.Conv2d(before, after, 3, stride=2 - i % 2, padding=1, bias=False))
            if i:
                parts.append(nn.BatchNorm2d(after))
            parts += [nn.LeakyReLU(layers.LEAK), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*parts, nn.Flatten())
        features = (width << 5) * (size // 8) ** 2
        self.score, self.classes = nn.Linear(features, 1), nn.Linear(features, classes)
        self.apply(layers.initialise)

    def forward(self, pictures: Float[Tensor, "n c h w"], labels: Int64[Tensor, "n"]) -> Verdict:
        seen = self.layers(pictures)
        wrong = functional.cross_entropy(self.classes(seen).float(), labels, reduction="none")
        return Verdict(self.score(seen).squeeze(1), -wrong)


def learner(recipe: AcganRecipe, facts: ClassificationFacts) -> Alternating:
    """DCGAN's updates; both networks raise the likelihood of the class on fakes, the discriminator on real pictures
    too (section 3)."""
    classes = len(facts.classes)
    sizes = recipe.sizes | {"latent": recipe.latent + classes}
    generator = Generator(layers.Generator(channels=facts.channels, size=facts.height, **sizes), classes=classes)
    discriminator = Discriminator(
        channels=facts.channels, size=facts.height, classes=classes, width=recipe.narrow, dropout=recipe.dropout
    )
    return by_adam(
        generator,
        discriminator,
        noise=generator.noise,
        losses=informed(dcgan.LOSSES),
        asked=generator.asked,
        told=("label",),
        **recipe.adam,
    )


SMALL = {"dataset": "digits", "batch_size": 64, "first": 2, "kernel": 3, "latent": 32, "narrow": 8, "dropout": 0.0}
FAMILY = Family(
    name="acgan",
    paper="Odena et al., Conditional image synthesis with auxiliary classifier GANs, ICML 2017",
    recipes={
        "smoke": AcganRecipe.model_validate(SMALL | {"steps": 400, "width": 16, "learning_rate": 1e-3}),
        "mini": AcganRecipe.model_validate(SMALL | {"steps": 1000, "width": 32, "learning_rate": 1e-3}),
        # Batches of 100; 100 passes, which are ours.
        "paper": AcganRecipe(dataset="cifar10", steps=50_000, batch_size=100, space="inception", draws=50_000),
    },
    learner=learner,
    facts=ClassificationFacts,
    training_set=labelled_pictures,
    benchmark=class_quality,
    asks=(Ask(metric="label_accuracy", value=0.9),),
    targets=(Target(metric="IS", value=8.25, dataset="cifar10", source="WGAN-GP, table 3"),),
)

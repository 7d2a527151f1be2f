"""A GAN whose discriminator regresses to codes by least squares, so that even a fake it sees through gives a gradient.

    zoo train lsgan --recipe mini   # FID 3.0 +- 0.7 on digits (seeds 0-2); a Gaussian of the pixels 54.1

`paper` learns LSUN's churches, exported and brought to 112 x 112 by `zoo data convert pictures DIR lsun-church-112
--size 112 --crop none`, with the networks and numbers of the authors' code (github.com/xudonmao/LSGAN, train_lsun.py,
vgg.py, ops.py: "code" below). The paper shows draws of them and no FID; numbers of others are on CIFAR-10 (`cifar10`).

Differs from the code: no initial weight is truncated at two deviations, gains start around 1, and what is normalised
has no bias of its own. All other recipes have DCGAN's networks, and `smoke` and `mini` start from a 2 x 2 map with
3 x 3 convolutions, as fits pictures of 8 x 8, and learn faster.
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from zoo.contracts import Ask, Family, Target
from zoo.evaluation.sample_quality import sample_quality
from zoo.generative import dcgan
from zoo.generative.adversarial import Alternating, Losses, by_adam
from zoo.layers.dcgan import Discriminator, initialise
from zoo.layers.pixels import to_bytes
from zoo.tasks.sampling import PictureFacts
from zoo.training.pictures import PictureBatches


class LsganRecipe(dcgan.DcganRecipe):
    """Mao et al. 2017; the codes of section 4, all else DCGAN's (beta1 as section 4 says)."""

    fake_code: float = Field(0.0, description="a (eq. 9)")
    real_code: float = Field(1.0, description="b (eq. 9)")
    wanted_code: float = Field(1.0, description="c, what the generator wants the discriminator to say (eq. 9)")
    generator: Literal["dcgan", "deep"] = Field("dcgan", description="deep: with unstrided layers (code, vgg.py)")


# Channels and strides of the generator's 3 x 3 layers, after a first map of 256 channels (code, vgg.py).
FIRST, LAYERS = 256, ((256, 2), (256, 1), (256, 2), (256, 1), (128, 2), (64, 2))


class DeepGenerator(nn.Module):
    """z in [-1, 1]^latent -> picture in [-1, 1], doubled four times. Implements `zoo.tasks.sampling.Sampler`.

    Args:
        channels: of a picture.
        size: of a picture, both ways; a multiple of 16.
        latent: dimensions of z.
    """

    def __init__(self, *, channels: int, size: int, latent: int) -> None:
        super().__init__()
        if size % 16:
            raise ValueError(f"expected pictures whose side is a multiple of 16, got {size}: 112 in the paper.")
        self.latent, self.first = latent, size // 16
        self.project = nn.Linear(latent, FIRST * self.first**2, bias=False)  # the normalisation has one
        layers: list[nn.Module] = [nn.BatchNorm2d(FIRST), nn.ReLU(inplace=True)]
        before = FIRST
        for after, stride in LAYERS:
            layers += [_transposed(before, after, stride), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
            before = after
        self.layers = nn.Sequential(*layers, _transposed(before, channels, 1, bias=True), nn.Tanh())
        self.apply(initialise)

    def forward(self, z: Tensor) -> Tensor:
        pictures: Tensor = self.layers(self.project(z).unflatten(1, (FIRST, self.first, self.first)))
        return pictures

    def noise(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """z drawn uniformly (code), from the global generator of its device unless one of the CPU is given."""
        device = self.project.weight.device
        drawn_on = "cpu" if generator else device
        return torch.rand(count, self.latent, generator=generator, device=drawn_on).to(device) * 2.0 - 1.0

    @torch.inference_mode()
    def sample(self, count: int, *, seed: int) -> Tensor:
        was_training = self.training
        pictures = self.eval()(self.noise(count, torch.Generator().manual_seed(seed)))
        self.train(was_training)
        return to_bytes(pictures)


def _transposed(before: int, after: int, stride: int, *, bias: bool = False) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(before, after, 3, stride, padding=1, output_padding=stride - 1, bias=bias)


def least_squares(*, fake_code: float, real_code: float, wanted_code: float) -> Losses:
    """E (D(x) - b)^2 / 2 + E (D(G(z)) - a)^2 / 2, and for the generator E (D(G(z)) - c)^2 / 2 (eq. 2)."""
    return Losses(
        discriminator=lambda real, fake: (
            0.5 * ((real - real_code).square().mean() + (fake - fake_code).square().mean())
        ),
        generator=lambda fake: 0.5 * (fake - wanted_code).square().mean(),
    )


def learner(recipe: LsganRecipe, facts: PictureFacts) -> Alternating:
    """DCGAN's updates under losses of their own, on its networks or the paper's."""
    losses = least_squares(fake_code=recipe.fake_code, real_code=recipe.real_code, wanted_code=recipe.wanted_code)
    if recipe.generator == "dcgan":
        return dcgan.learner(recipe, facts, losses=losses)
    generator = DeepGenerator(channels=facts.channels, size=facts.height, latent=recipe.latent)
    sizes = {"first": recipe.first, "width": recipe.width, "kernel": recipe.kernel}
    discriminator = Discriminator(channels=facts.channels, size=facts.height, **sizes)
    return by_adam(generator, discriminator, noise=generator.noise, losses=losses, **recipe.adam)


FAMILY = Family(
    name="lsgan",
    paper="Mao et al., Least squares generative adversarial networks, ICCV 2017",
    recipes={
        name: LsganRecipe.model_validate(dcgan.FAMILY.recipes[name].model_dump())  # the loss alone is another one
        for name in ("smoke", "mini")
    }
    | {
        # Code, train_lsun.py; vgg.py: a discriminator of 64 channels that halves 112 to 7.
        "paper": LsganRecipe(
            dataset="lsun-church-112",
            steps=1_000_000,
            batch_size=64,
            learning_rate=1e-3,
            latent=1024,
            generator="deep",
            first=7,
            width=64,
            space="inception",
            draws=50_000,
        ),
        # The paper does not generate these; batches of the code, 100 passes, which are ours.
        "cifar10": LsganRecipe(dataset="cifar10", steps=78_000, batch_size=64, space="inception", draws=50_000),
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

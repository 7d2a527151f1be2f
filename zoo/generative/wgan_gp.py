"""A critic that estimates the Wasserstein distance, held to slope one by a penalty on its gradient.

    zoo train wgan-gp --recipe mini

Differs from the paper: one or more up-sampling blocks as the picture's size asks (the paper's three for 32 x 32);
draws are made with running averages of the generator's statistics, where the authors' code takes those of the 100
pictures it draws at once; real pixels become continuous by noise around each value, where the authors' code adds it
above and scales by 128. `smoke`, `mini` and `mnist` are narrower than the paper's 128 channels and trained shorter,
on pixels as they are, from torch's initialisation, and with as many fakes for the generator as for the critic.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from jaxtyping import Float, UInt8
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from zoo.contracts import Ask, Family, Target
from zoo.evaluation.sample_quality import SamplerRecipe, sample_quality
from zoo.generative.adversarial import WASSERSTEIN, Alternating, Penalty
from zoo.layers.pixels import dequantised, signed, to_bytes
from zoo.tasks.sampling import PictureFacts
from zoo.training import Updater
from zoo.training.pictures import PictureBatches
from zoo.training.updater import linear_decay


class WganGpRecipe(SamplerRecipe):
    """Gulrajani et al. 2017; numbers of section 5 and appendix C (CIFAR-10 ResNet) unless said."""

    width: int = Field(128, ge=1, description="channels of every block (appendix C)")
    latent: int = Field(128, ge=1, description="dimensions of z (appendix C)")
    flat_blocks: int = Field(2, ge=0, description="critic blocks that keep the size (appendix C)")
    critic_steps: int = Field(5, ge=1, description="critic updates a generator update (algorithm 1)")
    penalty: float = Field(10.0, ge=0, description="lambda (algorithm 1)")
    learning_rate: float = Field(2e-4, gt=0, description="decays linearly to 0 (appendix C)")
    betas: tuple[float, float] = Field((0.0, 0.9), description="of Adam (algorithm 1)")
    generator_batches: int = Field(2, ge=1, description="batches of fakes a generator update (authors' code)")
    dequantised: bool = Field(True, description="noise as wide as one value is added to real pixels (authors' code)")
    initialisation: Literal["glorot", "torch"] = Field(
        "glorot", description="Glorot's uniform, wider in the blocks (authors' code), or torch's own"
    )

    @classmethod
    def upgraded(cls, numbers: Mapping[str, Any]) -> dict[str, Any]:
        """Numbers from before the last three could be chosen."""
        return {**PLAIN, **numbers}


# What `paper` does otherwise, for recipes that are ours.
PLAIN: dict[str, Any] = {"generator_batches": 1, "dequantised": False, "initialisation": "torch"}


class UpBlock(nn.Module):
    """Pre-activation residual block that doubles the size by nearest-neighbour (appendix C)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.shortcut = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(_doubled(functional.relu(self.norm1(x))))
        y = self.conv2(functional.relu(self.norm2(y)))
        return y + _doubled(self.shortcut(x))  # a 1x1 convolution and nearest-neighbour commute


class CriticBlock(nn.Module):
    """Pre-activation residual block without normalisation: the penalty is on each sample's own gradient (section 4)."""

    def __init__(self, channels: int, width: int, *, down: bool, first: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.shortcut = nn.Conv2d(channels, width, 1) if down or channels != width else nn.Identity()
        self.down, self.first = down, first

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(x if self.first else functional.relu(x))
        y = self.conv2(functional.relu(y))
        if not self.down:
            return y + self.shortcut(x)
        return functional.avg_pool2d(y, 2) + self.shortcut(functional.avg_pool2d(x, 2))


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="nearest")


class Generator(nn.Module):
    """z -> picture in [-1, 1]. Implements `zoo.tasks.sampling.Sampler`.

    Args:
        channels: of a picture.
        size: of a picture, both ways; see `seed_size`.
        width: channels of every block.
        latent: dimensions of z.
    """

    def __init__(self, *, channels: int, size: int, width: int, latent: int) -> None:
        super().__init__()
        base, blocks = seed_size(size)
        self.latent, self.width, self.base = latent, width, base
        self.project = nn.Linear(latent, width * base * base)
        self.blocks = nn.Sequential(*(UpBlock(width) for _ in range(blocks)))
        self.norm = nn.BatchNorm2d(width)
        self.to_picture = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, z: Float[Tensor, "n latent"]) -> Float[Tensor, "n c h w"]:
        x = self.blocks(self.project(z).view(-1, self.width, self.base, self.base))
        return torch.tanh(self.to_picture(functional.relu(self.norm(x))))

    def noise(self, count: int, generator: torch.Generator | None = None) -> Float[Tensor, "count latent"]:
        """z drawn from N(0, I), from the global generator of its device unless one of the CPU is given."""
        device = self.project.weight.device
        drawn_on = "cpu" if generator else device
        return torch.randn(count, self.latent, generator=generator, device=drawn_on).to(device)

    @torch.inference_mode()
    def sample(self, count: int, *, seed: int) -> UInt8[Tensor, "count c h w"]:
        was_training = self.training
        pictures = self.eval()(self.noise(count, torch.Generator().manual_seed(seed)))
        self.train(was_training)
        return to_bytes(pictures)


class Critic(nn.Module):
    """Picture -> estimate of how real, unbounded; arguments as the generator's, and blocks that keep the size."""

    def __init__(self, *, channels: int, size: int, width: int, flat_blocks: int) -> None:
        super().__init__()
        downs = min(2, seed_size(size)[1])
        self.blocks = nn.Sequential(
            CriticBlock(channels, width, down=True, first=True),
            *(CriticBlock(width, width, down=True) for _ in range(downs - 1)),
            *(CriticBlock(width, width, down=False) for _ in range(flat_blocks)),
        )
        self.score = nn.Linear(width, 1, bias=False)  # a constant cancels in real - fake

    def forward(self, pictures: Float[Tensor, "n c h w"]) -> Float[Tensor, "n"]:
        return self.score(functional.relu(self.blocks(pictures)).mean(dim=(2, 3))).squeeze(1)


def seed_size(size: int) -> tuple[int, int]:
    """Side of the generator's first map and how often it is doubled: 32 -> (4, 3), 28 -> (7, 2), 8 -> (4, 1).

    Raises:
        ValueError: the size is not a number of at least 4 doubled at least once.
    """
    blocks = 0
    while size % 2 == 0 and size >= 8:
        size, blocks = size // 2, blocks + 1
    if blocks == 0:
        raise ValueError(f"wgan-gp: expected pictures of an even size of at least 8, got {size}")
    return size, blocks


def initialise(network: Generator | Critic) -> None:
    """Glorot's uniform, sqrt 2 times as wide for what a block applies to ReLUs, and no bias (authors' code)."""
    inner = {layer for block in network.blocks for name, layer in block.named_children() if name != "shortcut"}
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight, gain=math.sqrt(2.0) if layer in inner else 1.0)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def gradient_penalty(
    critic: nn.Module, real: Float[Tensor, "n c h w"], fake: Float[Tensor, "n c h w"]
) -> Float[Tensor, ""]:
    """E (|grad D(x)| - 1)^2 on points drawn uniformly from lines between real and fake pairs (section 4, eq. 3)."""
    share = torch.rand(len(real), 1, 1, 1, device=real.device)
    between = (fake + share * (real - fake)).requires_grad_(True)
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1.0).square().mean()


def learner(recipe: WganGpRecipe, facts: PictureFacts) -> Alternating:
    """Algorithm 1: so many critic updates, then one of the generator."""
    channels, size, width = facts.channels, facts.height, recipe.width
    generator = Generator(channels=channels, size=size, width=width, latent=recipe.latent)
    critic = Critic(channels=channels, size=size, width=width, flat_blocks=recipe.flat_blocks)
    if recipe.initialisation == "glorot":
        initialise(generator)
        initialise(critic)

    def adam(network: nn.Module, *, updates: int) -> Updater:
        schedule, rate = linear_decay(updates), recipe.learning_rate
        return Updater(network.parameters(), torch.optim.Adam, schedule=schedule, lr=rate, betas=recipe.betas)

    return Alternating(
        generator,
        critic,
        noise=generator.noise,
        losses=WASSERSTEIN,
        move_generator=adam(generator, updates=recipe.steps),
        move_discriminator=adam(critic, updates=recipe.steps * recipe.critic_steps),
        discriminator_steps=recipe.critic_steps,
        fresh_batches=recipe.generator_batches,
        penalty=Penalty(weight=recipe.penalty, of=gradient_penalty),
        scaled=dequantised if recipe.dequantised else signed,
    )


FAMILY = Family(
    name="wgan-gp",
    paper="Gulrajani et al., Improved training of Wasserstein GANs, NeurIPS 2017",
    recipes={
        # Narrow, so that a core trains them in seconds and minutes; the larger rate makes up for few updates.
        "smoke": WganGpRecipe(
            dataset="digits", steps=250, batch_size=32, width=16, flat_blocks=1, learning_rate=2e-3, **PLAIN
        ),
        "mini": WganGpRecipe(
            dataset="digits", steps=450, batch_size=32, width=32, flat_blocks=1, learning_rate=1e-3, **PLAIN
        ),
        "mnist": WganGpRecipe(
            dataset="mnist", steps=600, batch_size=32, width=24, flat_blocks=1, learning_rate=1e-3, **PLAIN
        ),
        # Appendix C: 100,000 generator updates, batches of 64.
        "paper": WganGpRecipe(dataset="cifar10", steps=100_000, batch_size=64, space="inception", draws=50_000),
    },
    learner=learner,
    facts=PictureFacts,
    training_set=lambda recipe, inputs: PictureBatches(recipe, inputs, portions=recipe.critic_steps),
    benchmark=sample_quality,
    asks=(Ask(metric="classifier_FID", value=27.0),),
    targets=(
        Target(metric="IS", value=7.86, dataset="cifar10", source="table 3, unsupervised ResNet"),
        Target(metric="FID", value=16.95, dataset="cifar10", source="reproduced by others"),
    ),
)

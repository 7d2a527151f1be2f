"""Noise undone step by step: a U-Net predicts the noise in a picture, and drawing starts from nothing but noise.

    zoo train ddpm --recipe mini    # FID 10.0 on digits (seed 0); a Gaussian 54.1

Draws take as many steps back as it was trained on: ancestral sampling. `ddim` takes fewer from the same weights.

Differs from the paper: weights that do not start at zero start as torch's do (Ho et al.'s code: Glorot's uniform,
biases 0); halving pads a row and a column on each side (theirs, as TensorFlow does: below and to the right only), and
doubling repeats each place (theirs aligns the corners). `smoke` and `mini` are narrow and shallow, and use fewer,
larger betas that leave as little of a picture, because drawing costs a network pass per step; they draw with the
posterior's variance, `paper` with beta.
"""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal, Protocol

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64, UInt8
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from zoo.contracts import Ask, Batch, Family, Learner, Scalars, Scores, Target
from zoo.evaluation.sample_quality import SamplerRecipe, sample_quality
from zoo.layers.pixels import signed, to_bytes
from zoo.tasks.sampling import PictureFacts
from zoo.training import EMA, Updater
from zoo.training.pictures import PictureBatches
from zoo.training.updater import Schedule

Variance = Literal["posterior", "beta"]
Spacing = Literal["even", "quadratic"]


class DdpmRecipe(SamplerRecipe):
    """Ho et al. 2020; numbers of section 4 and appendix B (CIFAR-10) unless said."""

    timesteps: int = Field(1000, ge=2, description="T (section 4)")
    first_beta: float = Field(1e-4, gt=0, lt=1, description="beta_1 (section 4)")
    last_beta: float = Field(0.02, gt=0, lt=1, description="beta_T; linear between (section 4)")
    width: int = Field(128, ge=4, multiple_of=4, description="channels at full size (authors' code)")
    multipliers: tuple[int, ...] = Field((1, 2, 2, 2), description="channels of each size, in widths (authors' code)")
    blocks: int = Field(2, ge=1, description="residual blocks a size (appendix B)")
    attention: tuple[int, ...] = Field((16,), description="map sizes with self-attention (appendix B)")
    dropout: float = Field(0.1, ge=0, lt=1, description="(appendix B)")
    mirrored: bool = Field(True, description="half of the pictures are flipped left to right (appendix B)")
    learning_rate: float = Field(2e-4, gt=0, description="of Adam (appendix B)")
    warmup: int = Field(5000, ge=1, description="updates until the rate is whole (authors' code)")
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient (authors' code)")
    ema: float = Field(0.9999, ge=0, lt=1, description="decay of the average that is published (appendix B)")
    draw_steps: Scores[int] = Field(
        1000, ge=1, description="steps when drawing: T here, fewer in DDIM (Song et al., section 5)"
    )
    variance: Scores[Variance] = Field(
        "beta", description="of a reverse step (section 3.2; beta: authors' code on CIFAR-10)"
    )

    @classmethod
    def upgraded(cls, numbers: Mapping[str, Any]) -> dict[str, Any]:
        """Numbers from before the variance could be chosen: it was the posterior's, times the square of an eta."""
        kept = {"variance": "posterior", **numbers}
        if (eta := kept.pop("eta", 1.0)) != 1.0:
            raise ValueError(f"ddpm: expected a recipe that draws with eta 1, got {eta}. `ddim` draws with others.")
        return kept


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions that are told the time; group normalisation and SiLU before each (appendix B)."""

    def __init__(self, before: int, after: int, *, time: int, dropout: float) -> None:
        super().__init__()
        self.norm1, self.conv1 = _norm(before), _convolution(before, after)
        self.time = nn.Linear(time, after)
        self.norm2, self.conv2 = _norm(after), _silent(_convolution(after, after))
        self.dropout = nn.Dropout(dropout)
        self.shortcut = nn.Conv2d(before, after, 1) if before != after else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        y = self.conv1(functional.silu(self.norm1(x))) + self.time(time)[:, :, None, None]
        y = self.conv2(self.dropout(functional.silu(self.norm2(y))))
        return self.shortcut(x) + y


class Attention(nn.Module):
    """Every place of a map looks at every other, with one head."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = _norm(channels)
        self.query_key_value = nn.Conv2d(channels, 3 * channels, 1)
        self.out = _silent(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        places = self.query_key_value(self.norm(x)).flatten(2).transpose(1, 2).unsqueeze(1)
        seen = functional.scaled_dot_product_attention(*places.chunk(3, dim=-1))
        return x + self.out(seen.squeeze(1).transpose(1, 2).unflatten(2, x.shape[2:]))


class Block(nn.Module):
    """A residual block, and attention where the map has a size for it."""

    def __init__(self, before: int, after: int, *, time: int, dropout: float, attends: bool) -> None:
        super().__init__()
        self.residual = ResidualBlock(before, after, time=time, dropout=dropout)
        self.attention = Attention(after) if attends else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        return self.attention(self.residual(x, time))


class UNet(nn.Module):
    """Picture and time -> the noise in it (appendix B): 35.7 M parameters with the paper's numbers.

    Args:
        channels: of a picture.
        size: of a picture, both ways.
        width: channels at full size.
        multipliers: channels of each size, in widths; each size is half of the one before.
        blocks: residual blocks a size; one more on the way up.
        attention: map sizes with self-attention.
        dropout: share of a residual block's channels that is left out.
    """

    def __init__(
        self,
        *,
        channels: int,
        size: int,
        width: int,
        multipliers: tuple[int, ...],
        blocks: int,
        attention: tuple[int, ...],
        dropout: float,
    ) -> None:
        super().__init__()
        levels, time = len(multipliers), 4 * width
        if size % 2 ** (levels - 1):
            raise ValueError(
                f"ddpm: expected pictures whose side can be halved {levels - 1} times, got {size}. "
                "Give the recipe fewer `multipliers`."
            )

        def block(before: int, after: int, level: int) -> Block:
            return Block(before, after, time=time, dropout=dropout, attends=size >> level in attention)

        self.time = nn.Sequential(nn.Linear(width, time), nn.SiLU(), nn.Linear(time, time), nn.SiLU())
        self.enter = _convolution(channels, width)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        now, skips = width, [width]
        for level, multiplier in enumerate(multipliers):
            for _ in range(blocks):
                self.down.append(block(now, width * multiplier, level))
                now = width * multiplier
                skips.append(now)
            if level < levels - 1:
                self.down.append(nn.Conv2d(now, now, 3, stride=2, padding=1))
                skips.append(now)
        self.middle = nn.ModuleList(
            Block(now, now, time=time, dropout=dropout, attends=attends) for attends in (True, False)
        )
        for level, multiplier in reversed(list(enumerate(multipliers))):
            for _ in range(blocks + 1):
                self.up.append(block(now + skips.pop(), width * multiplier, level))
                now = width * multiplier
            if level:
                self.up.append(nn.Sequential(nn.Upsample(scale_factor=2.0), _convolution(now, now)))
        self.leave = nn.Sequential(_norm(width), nn.SiLU(), _silent(_convolution(width, channels)))

    def forward(self, x: Float[Tensor, "n c h w"], t: Int64[Tensor, "n"]) -> Float[Tensor, "n c h w"]:
        time = self.time(embedded(t, self.enter.out_channels))
        x = self.enter(x)
        skips = [x]
        for layer in self.down:
            x = layer(x, time) if isinstance(layer, Block) else layer(x)
            skips.append(x)
        for layer in self.middle:
            x = layer(x, time)
        for layer in self.up:
            x = layer(torch.cat([x, skips.pop()], dim=1), time) if isinstance(layer, Block) else layer(x)
        return self.leave(x)


def embedded(t: Int64[Tensor, "n"], width: int) -> Float[Tensor, "n {width}"]:
    """Sines and cosines of wavelengths from 2 pi to 10,000 * 2 pi (Vaswani et al. 2017, section 3.5)."""
    half = width // 2
    frequency = torch.exp(torch.arange(half, device=t.device) * (-math.log(10_000) / (half - 1)))
    angle = t[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=1)


def _convolution(before: int, after: int) -> nn.Conv2d:
    return nn.Conv2d(before, after, 3, padding=1)


def _norm(channels: int) -> nn.GroupNorm:
    """32 groups as in the authors' code, fewer where that leaves less than 4 channels each."""
    return nn.GroupNorm(min(32, channels // 4), channels, eps=1e-6)


def _silent(layer: nn.Conv2d) -> nn.Conv2d:
    """A layer that starts at zero, so that each block starts as nothing (authors' code)."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


class ReverseStep(Protocol):
    """How an earlier x follows from x and the noise predicted in it."""

    def __call__(self, x: Tensor, noise: Tensor, *, kept: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """Its mean and its standard deviation.

        Args:
            kept: alpha-bar at x.
            before: alpha-bar at the earlier x; 1 for the picture itself.
        """
        ...


def implicit_step(x: Tensor, noise: Tensor, *, kept: Tensor, before: Tensor, eta: float) -> tuple[Tensor, Tensor]:
    """Song et al., equations 12 and 16. With eta 1, between neighbours, the posterior of Ho et al., equation 7."""
    picture = ((x - (1.0 - kept).sqrt() * noise) / kept.sqrt()).clamp(-1.0, 1.0)
    noise = (x - kept.sqrt() * picture) / (1.0 - kept).sqrt()  # what it is once the picture is clipped
    deviation = eta * ((1.0 - before) / (1.0 - kept) * (1.0 - kept / before)).sqrt()
    return before.sqrt() * picture + (1.0 - before - deviation.square()).clamp(min=0.0).sqrt() * noise, deviation


def ancestral_step(
    x: Tensor, noise: Tensor, *, kept: Tensor, before: Tensor, variance: Variance
) -> tuple[Tensor, Tensor]:
    """Ho et al., algorithm 2: the posterior's mean, and the posterior's variance or beta itself (section 3.2)."""
    mean, posterior = implicit_step(x, noise, kept=kept, before=before, eta=1.0)
    return mean, posterior if variance == "posterior" else (1.0 - kept / before).sqrt()


def spread(trained: int, steps: int, *, spacing: Spacing) -> list[int]:
    """Times of so many steps back, the first one first (Song et al., section 4.2).

    Even: ends included. Quadratic: squares, dense at the end, from four fifths of the trained steps down; equal ones,
    which would change nothing, are taken once (github.com/ermongroup/ddim: runners/diffusion.py).
    """
    if spacing == "even":
        return [int(t) for t in torch.linspace(trained - 1, 0, steps).round()]
    squares = np.linspace(0.0, math.sqrt(0.8 * trained), steps) ** 2  # in float64, as the authors have it
    return sorted({int(t) for t in squares}, reverse=True)


class Denoiser(nn.Module):
    """The U-Net and the schedule it was trained under. Implements `zoo.tasks.sampling.Sampler`.

    `kept` is alpha-bar: the share of a picture's variance that is left after t + 1 steps (eq. 4); t counts from 0.

    Args:
        network: (pictures, t) -> the noise in them.
        betas: the variance that each step of the schedule adds, in float64.
        shape: channels, height and width of a picture.
        draw_steps: how many of the schedule's steps are taken back when drawing.
        reverse: how one of them is taken back.
    """

    kept: Tensor

    def __init__(
        self,
        network: nn.Module,
        *,
        betas: Float64[Tensor, "t"],
        shape: tuple[int, int, int],
        draw_steps: int,
        reverse: ReverseStep,
    ) -> None:
        super().__init__()
        self.network, self.shape = network, shape
        self.register_buffer("kept", (1.0 - betas).cumprod(0).float(), persistent=False)
        self.draw_by(steps=draw_steps, reverse=reverse)

    def draw_by(self, *, steps: int, reverse: ReverseStep, spacing: Spacing = "even") -> None:
        """Draw in so many of the trained steps, so spread, each by this rule, from now on."""
        if steps > len(self.kept):
            raise ValueError(f"expected at most {len(self.kept)} draw_steps, as many as it is trained on, got {steps}")
        self.draw_steps, self.reverse, self.spacing = steps, reverse, spacing

    def forward(self, x: Float[Tensor, "n c h w"], t: Int64[Tensor, "n"]) -> Float[Tensor, "n c h w"]:
        return self.network(x, t)

    def noised(
        self, pictures: Float[Tensor, "n c h w"], t: Int64[Tensor, "n"], noise: Float[Tensor, "n c h w"]
    ) -> Float[Tensor, "n c h w"]:
        """x_t given x_0, in one step (eq. 4)."""
        kept = self.kept[t][:, None, None, None]
        return kept.sqrt() * pictures + (1.0 - kept).sqrt() * noise

    def sample(self, count: int, *, seed: int) -> UInt8[Tensor, "count c h w"]:
        return self.drawn(count, seed=seed, steps=self.draw_steps, reverse=self.reverse, spacing=self.spacing)

    @torch.inference_mode()
    def drawn(
        self, count: int, *, seed: int, steps: int, reverse: ReverseStep, spacing: Spacing = "even"
    ) -> UInt8[Tensor, "count c h w"]:
        """Pictures, in so many of the trained steps.

        The last step gives its mean: a picture without noise (Ho et al., algorithm 2).
        """
        random, device = torch.Generator().manual_seed(seed), self.kept.device
        was_training = self.training
        self.eval()
        kept = self.kept.cpu()  # so that a deviation of 0 is known without waiting for the device
        x = torch.randn(count, *self.shape, generator=random).to(device)
        times = spread(len(kept), steps, spacing=spacing)
        for t, earlier in zip(times, [*times[1:], None], strict=True):
            before = torch.ones(()) if earlier is None else kept[earlier]
            noise = self(x, torch.full((count,), t, device=device))
            x, deviation = reverse(x, noise, kept=kept[t], before=before)
            if earlier is not None and deviation > 0:
                x = x + deviation * torch.randn(count, *self.shape, generator=random).to(device)
        self.train(was_training)
        return to_bytes(x)


def denoiser(recipe: DdpmRecipe, facts: PictureFacts, *, reverse: ReverseStep) -> Denoiser:
    """The one that a recipe describes, for pictures such as the facts describe."""
    network = UNet(
        channels=facts.channels,
        size=facts.height,
        width=recipe.width,
        multipliers=recipe.multipliers,
        blocks=recipe.blocks,
        attention=recipe.attention,
        dropout=recipe.dropout,
    )
    return Denoiser(
        network,
        betas=torch.linspace(recipe.first_beta, recipe.last_beta, recipe.timesteps, dtype=torch.float64),
        shape=(facts.channels, facts.height, facts.width),
        draw_steps=recipe.draw_steps,
        reverse=reverse,
    )


class DdpmLearner(Learner):
    """Algorithm 1: the squared error of the predicted noise, at a random time for each picture (eq. 14)."""

    def __init__(self, recipe: DdpmRecipe, facts: PictureFacts) -> None:
        super().__init__()
        self.recipe = recipe
        self.denoiser = denoiser(recipe, facts, reverse=partial(ancestral_step, variance=recipe.variance))
        self.average = EMA(self.denoiser, recipe.ema)
        self.update = Updater(
            self.denoiser.parameters(),
            torch.optim.Adam,
            lr=recipe.learning_rate,
            schedule=_warmup(recipe.warmup),
            clip=recipe.clip,
        )

    def step(self, batch: Batch) -> Scalars:
        pictures = signed(batch["image"])
        count, device = len(pictures), pictures.device
        if self.recipe.mirrored:
            flipped = torch.rand(count, 1, 1, 1, device=device) < 0.5
            pictures = torch.where(flipped, pictures.flip(3), pictures)
        t = torch.randint(self.recipe.timesteps, (count,), device=device)
        noise = torch.randn_like(pictures)
        loss = functional.mse_loss(self.denoiser(self.denoiser.noised(pictures, t, noise), t), noise)
        self.update(loss)
        self.average.update(self.denoiser)
        return {"loss": loss.detach()}

    def predictor(self) -> nn.Module:
        return self.average.average


def _warmup(updates: int) -> Schedule:
    return lambda done: min(1.0, (done + 1) / updates)


DDPM = Family(
    name="ddpm",
    paper="Ho et al., Denoising diffusion probabilistic models, NeurIPS 2020",
    recipes={
        "smoke": DdpmRecipe(
            dataset="digits",
            steps=400,
            batch_size=32,
            timesteps=40,
            first_beta=2.5e-3,
            last_beta=0.5,
            width=8,
            multipliers=(1, 2),
            blocks=1,
            attention=(4,),
            dropout=0.0,
            mirrored=False,
            learning_rate=2e-3,
            warmup=50,
            ema=0.98,
            draw_steps=40,
            variance="posterior",
        ),
        "mini": DdpmRecipe(
            dataset="digits",
            steps=1000,
            batch_size=64,
            timesteps=50,
            first_beta=2e-3,
            last_beta=0.4,
            width=16,
            multipliers=(1, 2),
            blocks=1,
            attention=(4,),
            dropout=0.0,
            mirrored=False,
            learning_rate=2e-3,
            warmup=200,
            ema=0.99,
            draw_steps=50,
            variance="posterior",
        ),
        # Appendix B: 800,000 updates, batches of 128. With the posterior's variance the FID is 4.73, with beta 3.17
        # (Song et al., table 1).
        "paper": DdpmRecipe(dataset="cifar10", steps=800_000, batch_size=128, space="inception", draws=50_000),
    },
    learner=DdpmLearner,
    facts=PictureFacts,
    training_set=PictureBatches,
    benchmark=sample_quality,
    asks=(Ask(metric="classifier_FID", value=54.1),),
    targets=(
        Target(metric="FID", value=3.17, dataset="cifar10", source="table 1, L_simple"),
        Target(metric="IS", value=9.46, dataset="cifar10", source="table 1, L_simple"),
        Target(metric="FID", value=3.25, dataset="cifar10", source="reproduced by others"),
    ),
)

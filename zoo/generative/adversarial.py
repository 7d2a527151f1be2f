"""How every GAN learns: a discriminator tells real pictures from fakes, a generator learns from what it says.

A family gives two networks, two losses and two updaters, and says where its discriminator is bounded, if it is; when
which network moves is written here once. A discriminator whose scores are no probabilities is a critic in WGAN's words.

What the discriminator says is between it and the losses: mostly scores, with EBGAN codes beside energies, with ACGAN
classes beside scores. Where pictures are asked for (a class, a code), the generator is told what, and the discriminator
what each fake was asked to be.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from zoo.contracts import Batch, Learner, Scalars
from zoo.layers.pixels import signed
from zoo.training import Updater


@dataclass(frozen=True, kw_only=True)
class Losses:
    """What each network lowers, from what the discriminator says of real pictures and of fakes: scores, mostly.

    Args:
        discriminator: of (real, fake).
        generator: of fake.
        estimates: what the discriminator's loss estimates the negative of, to be reported in its place.
    """

    discriminator: Callable[[Any, Any], Float[Tensor, ""]]
    generator: Callable[[Any], Float[Tensor, ""]]
    estimates: str = ""

    def reported(self, loss: Tensor) -> dict[str, Tensor]:
        """The discriminator's loss as a scalar of the step."""
        return {self.estimates: -loss.detach()} if self.estimates else {"discriminator": loss.detach()}


class Verdict(NamedTuple):
    """What a discriminator says that also looks for what pictures were asked to be.

    Args:
        score: of how real they are.
        likelihood: logarithm of how likely they are what was asked for; 0 where nothing was.
    """

    score: Float[Tensor, "n"]
    likelihood: Float[Tensor, "n"]


def informed(losses: Losses, *, weight: float = 1.0) -> Losses:
    """Losses of scores, for verdicts: both networks raise the likelihood of what was asked for as well."""
    return Losses(
        discriminator=lambda real, fake: (
            losses.discriminator(real.score, fake.score) - weight * (real.likelihood.mean() + fake.likelihood.mean())
        ),
        generator=lambda fake: losses.generator(fake.score) - weight * fake.likelihood.mean(),
    )


@dataclass(frozen=True, kw_only=True)
class Penalty:
    """A term of the discriminator's loss that bounds the discriminator.

    Args:
        weight: factor on it.
        of: the term itself, of (discriminator, real pictures, fakes).
    """

    weight: float
    of: Callable[[nn.Module, Tensor, Tensor], Float[Tensor, ""]]


Sample = tuple[Tensor, ...]
"""Pictures, and what else the discriminator is told of each of them."""


def nothing(_count: int) -> Sample:
    """What fakes are asked to be where nothing is asked for."""
    return ()


class Alternating(Learner):
    """So many updates of the discriminator, then one of the generator (Goodfellow et al. 2014, algorithm 1).

    Args:
        generator: noise, and what is asked for -> pictures as the discriminator sees them.
        discriminator: pictures, and what it is told of them -> what the losses understand.
        noise: so many rows of what the generator is fed.
        losses: of both.
        move_generator: updater of the generator's weights.
        move_discriminator: updater of the discriminator's weights.
        discriminator_steps: its updates a step, each on a portion of the batch.
        fresh_batches: fakes drawn anew for the generator, in portions; 0: it learns from the discriminator's last ones.
        penalty: what bounds the discriminator through its loss.
        bound: what bounds the discriminator after each of its updates.
        scaled: bytes as the discriminator sees them.
        asked: what so many fakes are asked to be, drawn.
        told: what of a batch the discriminator is told of the real pictures.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        *,
        noise: Callable[[int], Tensor],
        losses: Losses,
        move_generator: Updater,
        move_discriminator: Updater,
        discriminator_steps: int = 1,
        fresh_batches: int = 0,
        penalty: Penalty | None = None,
        bound: Callable[[nn.Module], None] | None = None,
        scaled: Callable[[UInt8[Tensor, "n c h w"]], Float[Tensor, "n c h w"]] = signed,
        asked: Callable[[int], Sample] = nothing,
        told: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.move_generator, self.move_discriminator = move_generator, move_discriminator
        self.noise, self.losses, self.scaled = noise, losses, scaled
        self.discriminator_steps, self.fresh_batches = discriminator_steps, fresh_batches
        self.penalty, self.bound = penalty, bound
        self.asked, self.told = asked, told

    def step(self, batch: Batch) -> Scalars:
        """One generator update; `batch["image"]` is (discriminator_steps * n, c, h, w) uint8."""
        parts = self.scaled(batch["image"]), *(batch[name] for name in self.told)
        for real in zip(*(part.chunk(self.discriminator_steps) for part in parts), strict=True):
            count = len(real[0])
            with torch.set_grad_enabled(not self.fresh_batches):  # for the generator, if these are what it learns from
                fake = self._fakes(count)
            judged = self._discriminate(real, tuple(part.detach() for part in fake))
        if self.fresh_batches:
            fake = self._fakes(self.fresh_batches * count)
        return judged | self._deceive(fake)

    def _fakes(self, count: int) -> Sample:
        asked = self.asked(count)
        return self.generator(self.noise(count), *asked), *asked

    def _discriminate(self, real: Sample, fake: Sample) -> dict[str, Tensor]:
        # Apart, because batch normalisation would tell a mixed batch's halves by each other.
        loss = self.losses.discriminator(self.discriminator(*real), self.discriminator(*fake))
        scalars = self.losses.reported(loss)
        if self.penalty:
            term = self.penalty.of(self.discriminator, real[0], fake[0])
            scalars["penalty"] = term.detach()
            loss = loss + self.penalty.weight * term
        self.move_discriminator(loss)
        if self.bound:
            self.bound(self.discriminator)
        return scalars

    def _deceive(self, fake: Sample) -> dict[str, Tensor]:
        self.discriminator.requires_grad_(False)
        loss = self.losses.generator(self.discriminator(*fake))
        self.move_generator(loss)
        self.discriminator.requires_grad_(True)
        return {"generator": loss.detach()}

    def predictor(self) -> nn.Module:
        return self.generator


def by_adam(
    generator: nn.Module,
    discriminator: nn.Module,
    *,
    learning_rate: float,
    betas: tuple[float, float],
    **options: Any,
) -> Alternating:
    """One update of each a step on the same fakes, both by Adam under the same numbers; options go to `Alternating`."""
    move_generator, move_discriminator = (
        Updater(network.parameters(), torch.optim.Adam, lr=learning_rate, betas=betas)
        for network in (generator, discriminator)
    )
    return Alternating(
        generator, discriminator, move_generator=move_generator, move_discriminator=move_discriminator, **options
    )


WASSERSTEIN = Losses(
    # The critic widens E D(x) - E D(G(z)), the generator narrows it (Arjovsky et al. 2017, algorithm 1).
    discriminator=lambda real, fake: fake.mean() - real.mean(),
    generator=lambda fake: -fake.mean(),
    estimates="wasserstein",
)

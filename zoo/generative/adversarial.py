"""How every GAN learns: a discriminator tells real pictures from fakes, a generator learns from what it says.

A family gives two networks, two losses and two updaters, and says where its discriminator is bounded, if it is; when
which network moves is written here once. A discriminator whose scores are no probabilities is a critic in WGAN's words.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from zoo.contracts import Batch, Learner, Scalars
from zoo.layers.pixels import signed
from zoo.training import Updater


@dataclass(frozen=True, kw_only=True)
class Losses:
    """What each network lowers, from the discriminator's scores of real pictures and of fakes.

    Args:
        discriminator: of (real, fake).
        generator: of fake.
        estimates: what the discriminator's loss estimates the negative of, to be reported in its place.
    """

    discriminator: Callable[[Float[Tensor, "n"], Float[Tensor, "n"]], Float[Tensor, ""]]
    generator: Callable[[Float[Tensor, "n"]], Float[Tensor, ""]]
    estimates: str = ""

    def reported(self, loss: Tensor) -> dict[str, Tensor]:
        """The discriminator's loss as a scalar of the step."""
        return {self.estimates: -loss.detach()} if self.estimates else {"discriminator": loss.detach()}


@dataclass(frozen=True, kw_only=True)
class Penalty:
    """A term of the discriminator's loss that bounds the discriminator.

    Args:
        weight: factor on it.
        of: the term itself, of (discriminator, real pictures, fakes).
    """

    weight: float
    of: Callable[[nn.Module, Tensor, Tensor], Float[Tensor, ""]]


class Alternating(Learner):
    """So many updates of the discriminator, then one of the generator (Goodfellow et al. 2014, algorithm 1).

    Args:
        generator: noise -> pictures in [-1, 1].
        discriminator: pictures -> their scores.
        noise: so many rows of what the generator is fed.
        losses: of both.
        move_generator: updater of the generator's weights.
        move_discriminator: updater of the discriminator's weights.
        discriminator_steps: its updates a step, each on a portion of the batch.
        fresh_batches: fakes drawn anew for the generator, in portions; 0: it learns from the discriminator's last ones.
        penalty: what bounds the discriminator through its loss.
        bound: what bounds the discriminator after each of its updates.
        scaled: bytes as the discriminator sees them.
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
    ) -> None:
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.move_generator, self.move_discriminator = move_generator, move_discriminator
        self.noise, self.losses, self.scaled = noise, losses, scaled
        self.discriminator_steps, self.fresh_batches = discriminator_steps, fresh_batches
        self.penalty, self.bound = penalty, bound

    def step(self, batch: Batch) -> Scalars:
        """One generator update; `batch["image"]` is (discriminator_steps * n, c, h, w) uint8."""
        for real in self.scaled(batch["image"]).chunk(self.discriminator_steps):
            with torch.set_grad_enabled(not self.fresh_batches):  # for the generator, if these are what it learns from
                fake = self.generator(self.noise(len(real)))
            judged = self._discriminate(real, fake.detach())
        if self.fresh_batches:
            fake = self.generator(self.noise(self.fresh_batches * len(real)))
        return judged | self._deceive(fake)

    def _discriminate(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        # Apart, because batch normalisation would tell a mixed batch's halves by each other.
        loss = self.losses.discriminator(self.discriminator(real), self.discriminator(fake))
        scalars = self.losses.reported(loss)
        if self.penalty:
            term = self.penalty.of(self.discriminator, real, fake)
            scalars["penalty"] = term.detach()
            loss = loss + self.penalty.weight * term
        self.move_discriminator(loss)
        if self.bound:
            self.bound(self.discriminator)
        return scalars

    def _deceive(self, fake: Tensor) -> dict[str, Tensor]:
        self.discriminator.requires_grad_(False)
        loss = self.losses.generator(self.discriminator(fake))
        self.move_generator(loss)
        self.discriminator.requires_grad_(True)
        return {"generator": loss.detach()}

    def predictor(self) -> nn.Module:
        return self.generator


WASSERSTEIN = Losses(
    # The critic widens E D(x) - E D(G(z)), the generator narrows it (Arjovsky et al. 2017, algorithm 1).
    discriminator=lambda real, fake: fake.mean() - real.mean(),
    generator=lambda fake: -fake.mean(),
    estimates="wasserstein",
)

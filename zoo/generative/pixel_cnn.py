"""A picture said value by value: convolutions that see only what was said before, so that its probability is exact.

    zoo train pixel-cnn --recipe mini    # 1.95 +- 0.01 bits/dim on digits (seeds 0, 1); a histogram of each pixel 2.363

Two stacks of gated convolutions read a picture: one sees the rows above, the other what lies to the left in the same
row, and is told what the first found. Red is said before green, green before blue.

Drawing keeps what every layer found: a new value costs the layers of one place, not those of the whole picture (57
times less at the size of `paper`, `python tests/bench/drawing.py`).

Differs from the paper (van den Oord et al., Conditional image generation with PixelCNN decoders, 2016): no classes. No
source that could be read tells the depth and width that it had on CIFAR-10, so `paper` takes layers, maps, optimizer
and batch of the plain PixelCNN (van den Oord et al., Pixel recurrent neural networks, 2016, table 1), whose rate was
set by hand; rate and number of updates are ours. `smoke` and `mini` are small, leave out maps at random and publish an
average, because digits has 1,500 pictures; of their 256 values those pictures have 17.
"""

import math
from typing import NamedTuple, cast

import torch
from jaxtyping import Float, Float64, UInt8
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from zoo.contracts import Ask, Batch, Family, Inputs, Learner, Scalars, Target
from zoo.evaluation.density import DensityBenchmark
from zoo.layers.masked import MaskedConvolution, Readout, colours_of, drawn, log_probability
from zoo.layers.pixels import signed
from zoo.tasks.sampling import PictureFacts
from zoo.training import EMA
from zoo.training.optimizers import Optimized
from zoo.training.pictures import PictureBatches


class PixelCnnRecipe(Optimized):
    """Van den Oord et al. 2016, Pixel recurrent neural networks: table 1, CIFAR-10, unless said."""

    layers: int = Field(15, ge=1, description="gated layers after the first")
    maps: int = Field(128, ge=1, description="of each stack")
    hidden: int = Field(1024, ge=1, description="maps of the layer between the stacks and the logits")
    first: int = Field(7, ge=3, description="side of the first kernel; odd")
    kernel: int = Field(3, ge=3, description="side of the others; odd")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of the maps of a gate that is left out; ours")
    ema: float = Field(0.0, ge=0, lt=1, description="decay of the average that is published; ours, 0: the weights")


class Found(NamedTuple):
    """What a layer's two stacks know of some places."""

    above: Float[Tensor, "n maps h w"]  # of their rows and those above
    left: Float[Tensor, "n maps h w"]  # of what was said before them, row by row


class GatedLayer(nn.Module):
    """Both stacks, one layer further (figure 2 of the decoders' paper).

    Args:
        before: maps that come in; of the first layer the picture's colours.
        maps: that go out.
        colours: of a picture.
        kernel: side of the whole kernel, of which the rows above and what lies left are there.
        first: it sees nothing of its own colour and passes nothing on beside its gates.
        dropout: share of the maps that is left out while training.
    """

    def __init__(
        self, before: int, maps: int, *, colours: int, kernel: int, first: bool = False, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.reach, self.first = kernel // 2, first
        own, gates = colours_of(maps, colours), colours_of(maps, colours).repeat(2)
        self.above = nn.Conv2d(before, 2 * maps, (self.reach + 1, kernel), padding=(0, self.reach))
        self.link = nn.Conv2d(2 * maps, 2 * maps, 1)
        self.left = MaskedConvolution(colours_of(before, colours), gates, width=self.reach + 1, own=not first)
        self.out = MaskedConvolution(own, own, own=True)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Found) -> Found:
        """Of whole pictures, above and left of which there is nothing."""
        rows = functional.pad(x.above, (0, 0, self.reach, 0))
        above, linked = self.row(rows)
        linked = functional.pad(linked, (0, 0, 1, 0))[:, :, :-1]  # a place may know the rows above, not its own
        left = self.place(functional.pad(x.left, (self.reach, 0)), linked)
        return Found(above, left)

    def row(
        self, rows: Float[Tensor, "n before k w"]
    ) -> tuple[Float[Tensor, "n maps h w"], Float[Tensor, "n gates h w"]]:
        """What the stack above makes of some rows, and what it tells the places one row further down.

        Args:
            rows: with as many before them as the kernel reaches up.
        """
        both = self.above(rows)
        return self.dropout(gated(both)), self.link(both)

    def place(
        self, places: Float[Tensor, "n before h k"], linked: Float[Tensor, "n gates h w"]
    ) -> Float[Tensor, "n maps h w"]:
        """What the stack to the left makes of some places.

        Args:
            places: with as many before them as the kernel reaches to the left.
            linked: what they are told of the rows above.
        """
        y = self.out(self.dropout(gated(self.left(places) + linked)))
        return y if self.first else y + places[:, :, :, self.reach :]


def gated(x: Float[Tensor, "n gates h w"]) -> Float[Tensor, "n maps h w"]:
    """One half, as far as the other lets it through (equation 2)."""
    a, b = x.chunk(2, dim=1)
    return a.tanh() * b.sigmoid()


class PixelCnn(nn.Module):
    """Implements `zoo.tasks.density.DensityModel` and `zoo.tasks.sampling.Sampler`; arguments as in the recipe."""

    exact = True

    def __init__(
        self,
        shape: tuple[int, int, int],
        *,
        layers: int,
        maps: int,
        hidden: int,
        first: int,
        kernel: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.shape, colours = shape, shape[0]
        self.layers = nn.ModuleList([GatedLayer(colours, maps, colours=colours, kernel=first, first=True)])
        self.layers.extend(
            GatedLayer(maps, maps, colours=colours, kernel=kernel, dropout=dropout) for _ in range(layers)
        )
        self.readout = Readout(maps, hidden=hidden, colours=colours)

    def forward(self, pictures: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 256 c h w"]:
        """Logits of every value, given all that come before it."""
        x = Found(pictures, pictures)
        for layer in self.layers:
            x = layer(x)
        return self.readout(x.left)

    @torch.inference_mode()
    def log_likelihood(self, images: UInt8[Tensor, "n c h w"], *, seed: int) -> Float64[Tensor, "n"]:  # noqa: ARG002
        """In nats; exact, so the seed decides nothing."""
        images = images.to(self.readout.out.weight.device)
        return log_probability(self(signed(images)), images).double().flatten(1).sum(1).cpu()

    def sample(self, count: int, *, seed: int) -> UInt8[Tensor, "count c h w"]:
        return self.drawn(count, seed=seed)[0]

    @torch.inference_mode()
    def drawn(self, count: int, *, seed: int) -> tuple[UInt8[Tensor, "count c h w"], Float64[Tensor, "count"]]:
        """Pictures, and the log-likelihood by which each was drawn."""
        was_training = self.training
        self.eval()
        images = torch.zeros(count, *self.shape, dtype=torch.uint8, device=self.readout.out.weight.device)
        total = drawn(images, seed=seed, logits=Kept(self))
        self.train(was_training)
        return images.cpu(), total.cpu()


class Kept:
    """What the layers found of the places before, so that the next value costs them one place.

    A whole row goes through the stacks above once it is said; of the row that is being said, the stacks to the left
    keep as many places as their kernels reach back to.
    """

    def __init__(self, model: PixelCnn) -> None:
        self.layers = [cast(GatedLayer, layer) for layer in model.layers]
        self.readout = model.readout
        self.above: list[Tensor] = []  # of each layer, the rows that its kernel will need next
        self.linked: list[Tensor] = []  # what each layer's places are told of the rows above, for the row being said
        self.places: list[Tensor] = []  # of each layer, the places that its kernel needs, the present one last

    def __call__(
        self, images: UInt8[Tensor, "n c h w"], *, row: int, column: int, colour: int
    ) -> Float[Tensor, "n 256"]:
        if column == colour == 0:
            self._begin(images, row)
        elif colour == 0:
            self._go_right(images[:, :, row : row + 1, column - 1 : column])
        x = signed(images[:, :, row : row + 1, column : column + 1])
        for i, layer in enumerate(self.layers):
            self.places[i] = torch.cat([self.places[i][:, :, :, :-1], x], dim=3)
            x = layer.place(self.places[i], self.linked[i][:, :, :, column : column + 1])
        return self.readout(x)[:, :, colour, 0, 0]

    def _begin(self, images: UInt8[Tensor, "n c h w"], row: int) -> None:
        """A row: nothing lies left of its first place, and the row above is said."""
        count, _, _, width = images.shape
        empty = self.readout.out.weight.new_zeros
        befores = [layer.above.in_channels for layer in self.layers]
        reaches = [layer.reach for layer in self.layers]
        self.places = [empty(count, before, 1, reach + 1) for before, reach in zip(befores, reaches, strict=True)]
        if row == 0:
            self.above = [empty(count, before, reach, width) for before, reach in zip(befores, reaches, strict=True)]
            self.linked = [empty(count, layer.link.out_channels, 1, width) for layer in self.layers]
            return
        x = signed(images[:, :, row - 1 : row])
        for i, layer in enumerate(self.layers):
            rows = torch.cat([self.above[i], x], dim=2)
            self.above[i] = rows[:, :, 1:]
            x, self.linked[i] = layer.row(rows)

    def _go_right(self, said: UInt8[Tensor, "n c 1 1"]) -> None:
        """Make room for a place. The last colour of the one before is only now known, and only the first layer asks."""
        self.places[0][:, :, :, -1:] = signed(said)
        self.places = [functional.pad(places[:, :, :, 1:], (0, 1)) for places in self.places]


class PixelCnnLearner(Learner):
    """The likelihood itself."""

    def __init__(self, recipe: PixelCnnRecipe, facts: PictureFacts) -> None:
        super().__init__()
        self.model = PixelCnn(
            (facts.channels, facts.height, facts.width),
            layers=recipe.layers,
            maps=recipe.maps,
            hidden=recipe.hidden,
            first=recipe.first,
            kernel=recipe.kernel,
            dropout=recipe.dropout,
        )
        self.average = EMA(self.model, recipe.ema)
        self.update = recipe.updater(self.model)

    def step(self, batch: Batch) -> Scalars:
        images = batch["image"]
        bits = -log_probability(self.model(signed(images)), images).mean() / math.log(2.0)
        self.update(bits)
        self.average.update(self.model)
        return {"bits_per_dim": bits.detach()}

    def predictor(self) -> PixelCnn:
        return cast(PixelCnn, self.average.average)


def _bits(recipe: PixelCnnRecipe, inputs: Inputs) -> DensityBenchmark:
    return DensityBenchmark(recipe.scored, inputs, discrete=True)


FAMILY = Family(
    name="pixel-cnn",
    paper="van den Oord et al., Conditional image generation with PixelCNN decoders, NeurIPS 2016",
    recipes={
        "smoke": PixelCnnRecipe(
            dataset="digits",
            steps=300,
            batch_size=50,
            layers=2,
            maps=16,
            hidden=32,
            first=5,
            learning_rate=3e-3,
            ema=0.9,
        ),
        "mini": PixelCnnRecipe(
            dataset="digits",
            steps=450,
            batch_size=64,
            layers=4,
            maps=32,
            hidden=64,
            first=5,
            learning_rate=3e-3,
            schedule="cosine",
            dropout=0.2,
            ema=0.99,
        ),
        # Table 1: 15 layers, 128 maps, 1024 before the logits, batches of 16 under RMSProp.
        "paper": PixelCnnRecipe(
            dataset="cifar10", steps=1_000_000, batch_size=16, optimizer="rmsprop", learning_rate=1e-4
        ),
    },
    learner=PixelCnnLearner,
    facts=PictureFacts,
    training_set=PictureBatches,
    benchmark=_bits,
    asks=(Ask(metric="bits_per_dim", value=2.30),),
    targets=(
        Target(
            metric="bits_per_dim", value=3.03, dataset="cifar10", source="table 1, gated, as Ho et al. 2020 cite it"
        ),
        Target(metric="bits_per_dim", value=3.14, dataset="cifar10", source="the plain PixelCNN, table 5 of its paper"),
    ),
)

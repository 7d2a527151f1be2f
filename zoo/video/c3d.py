"""Convolutions over space and time: a network of 3x3x3 kernels sees 16 frames at once and names the action.

    zoo train c3d --recipe mini    # 0.643 on collage-action (seed 0; 0.735 +- 0.049 by 900 steps); chance 0.125

Tran, Bourdev, Fergus, Torresani, Paluri, "Learning Spatiotemporal Features with 3D Convolutional Networks", ICCV 2015,
arXiv 1412.0767 ("paper" below); "code" is the authors' release, github.com/facebookarchive/C3D.

Differs from the paper: one mean for each colour is subtracted, where it subtracts that of each pixel of a clip over
the training set, and frames are shrunk without aliasing. `paper` trains the eight-layer network on UCF-101 from
chance, which the paper does not do: it does so with five layers (section 3), and pretrains the eight on Sports-1M.
Rate, decay, weights at the start and number of steps are those of the code for its five layers, which are narrower
from conv4 on and have 2048 units in fc6 and fc7; whether they suit eight is not known. A step sees a random clip of
each of its videos, where the code cuts videos into clips once. `smoke` and `mini` are narrow, see ten small frames
scaled to -1 ... 1, have batch normalisation and a bound on the gradient. `paper` has never been run here. The
published numbers are of pretrained networks, and the paper's is a mean over UCF-101's three splits, of which
`--set split=2` and `--set split=3` are the others.

Cost of a 16 x 112 x 112 clip, in G multiply-adds: conv1 1.04, conv2 11.10, conv3 5.55 and 11.10, conv4 2.77 and 5.55,
conv5 0.69 twice: 38.50; fc6 0.0336 (8192 x 4096), fc7 0.0168 (4096 x 4096), fc8 0.0004 (4096 x 101).
"""

from typing import cast

import torch
from jaxtyping import Float, UInt8
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from zoo.contracts import Ask, Batch, Family, Inputs, Learner, Recipe, Scalars, Target
from zoo.evaluation.action import ActionBenchmark
from zoo.tasks.action import ActionFacts
from zoo.training import Updater
from zoo.video.clips import RandomClips, central, shrunk

MEAN = (114.7748, 107.7354, 99.475)  # of ActivityNet's frames (github.com/kenshohara/3D-ResNets-PyTorch, mean.py)
WIDTHS = ((1,), (2,), (4, 4), (8, 8), (8, 8))  # of the convolutions between two poolings, in those of conv1; figure 3


class C3DRecipe(Recipe):
    """The defaults are the paper's, or the code's for training five layers on UCF-101 from chance
    (conv3d_ucf101_*.prototxt)."""

    split: int = Field(1, ge=1, le=3, description="of UCF-101's three official ones, trained and scored on")
    clip_length: int = Field(16, ge=1, description="frames; section 3.1")
    size: tuple[int, int] = Field((128, 171), description="height and width that a frame is shrunk to; section 3.1")
    crop: int = Field(112, ge=1, description="pixels; random in training, central in testing; section 3.1")
    mirror: bool = Field(True, description="half of the clips; code. Not where left and right are classes")
    width: int = Field(64, ge=1, description="channels of conv1; the others have 2, 4 and 8 times as many; figure 3")
    head: int = Field(4096, ge=1, description="units of fc6 and fc7; figure 3")
    batch_norm: bool = Field(False, description="after each convolution; ours, to learn from chance in minutes")
    dropout: float = Field(0.5, ge=0, lt=1, description="after fc6 and fc7; code")
    learning_rate: float = Field(3e-3, gt=0, description="twice that for biases; code")
    drop_every: int = Field(20_000, ge=1, description="steps, after which the rate falls to a tenth; code")
    momentum: float = Field(0.9, ge=0, lt=1, description="code")
    weight_decay: float = Field(5e-3, ge=0, description="not on biases; code")
    clip: float | None = Field(None, gt=0, description="largest norm of the gradient; none: as it is; code")


class C3D(nn.Module):
    """Eight convolutions, five poolings, two fully connected layers (figure 3).

    Implements `tasks.action.ActionRecogniser`. The first pooling leaves time alone (section 3.3); poolings round up, as
    the code's do, so that the last one gives 1 x 4 x 4. With batch normalisation pixels are scaled to -1 ... 1; without
    it only their mean is subtracted, because the weights at the start and the rate are made for 0 ... 255.
    """

    mean: Tensor

    def __init__(
        self,
        classes: int,
        *,
        clip_length: int = 16,
        size: tuple[int, int] = (128, 171),
        crop: int = 112,
        width: int = 64,
        head: int = 4096,
        batch_norm: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.clip_length, self.size, self.crop, self.batch_norm = clip_length, size, crop, batch_norm
        stages, before = [], 3
        for depth, times in enumerate(WIDTHS):
            layers: list[nn.Module] = []
            for after in (time * width for time in times):
                layers += _convolution(before, after, batch_norm=batch_norm)
                before = after
            stages.append(nn.Sequential(*layers, nn.MaxPool3d((2 if depth else 1, 2, 2), ceil_mode=True)))
        self.stages = nn.Sequential(*stages)
        pooled = -(-clip_length // 2**4) * (-(-crop // 2**5)) ** 2
        self.head = nn.Sequential(
            *(nn.Flatten(), nn.Linear(before * pooled, head), nn.ReLU(inplace=True), nn.Dropout(dropout)),
            *(nn.Linear(head, head), nn.ReLU(inplace=True), nn.Dropout(dropout)),
        )
        self.scores = nn.Linear(head, classes)
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1, 1), persistent=False)
        if not batch_norm:
            self._start()

    def forward(self, clips: UInt8[Tensor, "n 3 t crop crop"]) -> Float[Tensor, "n classes"]:
        """Class scores before the softmax."""
        pixels = clips.float() / 127.5 - 1 if self.batch_norm else clips - self.mean
        return self.scores(self.head(self.stages(pixels)))

    def probabilities(self, clips: UInt8[Tensor, "n 3 t h w"]) -> Float[Tensor, "n classes"]:
        """Class probabilities of clips of any size, by the central crop."""
        frames = central(shrunk(clips, self.size), self.crop)
        return self(frames.to(self.scores.weight.device)).softmax(dim=1)

    def _start(self) -> None:
        """As the code does: Gaussians of 0.01 (fc6, fc7: 0.005), and biases of 1, so that no unit is dead; 0 in the
        first and the last layer."""
        layers = [layer for layer in self.modules() if isinstance(layer, nn.Conv3d | nn.Linear)]
        for layer in layers:
            wide = isinstance(layer, nn.Linear) and layer is not self.scores
            nn.init.normal_(layer.weight, std=0.005 if wide else 0.01)
            nn.init.constant_(cast(Tensor, layer.bias), 0.0 if layer in (layers[0], self.scores) else 1.0)


def _convolution(before: int, after: int, *, batch_norm: bool) -> list[nn.Module]:
    convolution = nn.Conv3d(before, after, 3, padding=1, bias=not batch_norm)
    norm = [nn.BatchNorm3d(after)] if batch_norm else []
    return [convolution, *norm, nn.ReLU(inplace=True)]


class C3DLearner(Learner):
    """Cross entropy under SGD."""

    def __init__(self, recipe: C3DRecipe, facts: ActionFacts) -> None:
        super().__init__()
        self.network = C3D(
            len(facts.classes),
            clip_length=recipe.clip_length,
            size=recipe.size,
            crop=recipe.crop,
            width=recipe.width,
            head=recipe.head,
            batch_norm=recipe.batch_norm,
            dropout=recipe.dropout,
        )
        named = list(self.network.named_parameters())
        self.update = Updater(
            [
                {"params": [p for name, p in named if not name.endswith("bias")], "weight_decay": recipe.weight_decay},
                {"params": [p for name, p in named if name.endswith("bias")], "lr": 2 * recipe.learning_rate},
            ],
            torch.optim.SGD,
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            clip=recipe.clip,
            schedule=lambda done: 0.1 ** (done // recipe.drop_every),
        )

    def step(self, batch: Batch) -> Scalars:
        scores = self.network(batch["clip"])
        loss = functional.cross_entropy(scores, batch["label"])
        self.update(loss)
        return {"loss": loss.detach(), "accuracy": (scores.argmax(1) == batch["label"]).float().mean()}

    def predictor(self) -> nn.Module:
        return self.network


def _benchmark(recipe: C3DRecipe, inputs: Inputs) -> ActionBenchmark:
    return ActionBenchmark(recipe.scored, inputs, split=recipe.split)


def _from_chance(*, steps: int, drop_every: int) -> C3DRecipe:
    """A narrow network on `collage-action`; these numbers are ours, found on four groups held out of its training list.

    Without a bound on the gradient the fully connected layers, which are not normalised, die at any rate at which the
    others learn.
    """
    return C3DRecipe(
        dataset="collage-action",
        steps=steps,
        batch_size=12,
        clip_length=10,
        size=(42, 42),
        crop=32,
        mirror=False,
        width=8,
        head=64,
        batch_norm=True,
        dropout=0.0,
        learning_rate=0.02,
        drop_every=drop_every,
        weight_decay=0.0,
        clip=1.0,
    )


FAMILY = Family(
    name="c3d",
    paper="Tran et al., Learning Spatiotemporal Features with 3D Convolutional Networks, ICCV 2015",
    recipes={
        "smoke": _from_chance(steps=180, drop_every=140),
        "mini": _from_chance(steps=500, drop_every=360),
        "paper": C3DRecipe(dataset="ucf101", steps=60_000, batch_size=30),
    },
    learner=C3DLearner,
    facts=ActionFacts,
    training_set=RandomClips,
    benchmark=_benchmark,
    asks=(Ask(metric="accuracy", value=0.375),),
    targets=(
        Target(metric="accuracy", value=0.823, dataset="ucf101", source="paper, table 3: C3D (1 net) + linear SVM"),
        Target(metric="accuracy", value=0.8308, dataset="ucf101", source="reproduced by others, 10 clips, pretrained"),
    ),
)

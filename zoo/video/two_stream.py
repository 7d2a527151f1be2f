"""Two networks vote on an action: one sees a single frame, the other how everything moves in the flow of ten.

    zoo train two-stream --recipe mini    # 0.670 +- 0.024 on collage-action (seeds 0-2, on one RAFT); chance 0.125

Simonyan and Zisserman, "Two-Stream Convolutional Networks for Action Recognition in Videos", NeurIPS 2014, arXiv
1406.2199 ("paper" below). Its network is CNN-M-2048 of Chatfield, Simonyan, Vedaldi and Zisserman, "Return of the
Devil in the Details", BMVC 2014, table 1 and the published VGG_CNN_M_2048.

Differs from the paper: flow is estimated by an entry of the zoo, RAFT, where it takes Brox et al. 2004; that network
is part of what is published, so that a pulled model needs no other. The streams are fused by the mean of their softmax
scores, which has 0.869 in the paper (table 4; 0.880 by an SVM on them, which is not here). They learn from videos in
random order, not drawn evenly over classes, and from the same crops, without colour jitter. Scored by ten clips and
the centre, where it takes 25 frames and ten crops. In `paper` the spatial stream starts from torchvision's VGG-16,
because CNN-M's ImageNet weights are not published in a form that runs no code, and as in the paper only its last layer
learns (table 1a). `smoke` and `mini` are narrow, start from chance with batch normalisation, and look at every third
frame. `paper` has never been run here. The paper's number is a mean over UCF-101's three splits, of which
`--set split=2` and `--set split=3` are the others.

Without batch normalisation CNN-M starts from Gaussians of deviation 0.01 and biases of 0: section 5 refers to
Krizhevsky et al. 2012, who have that deviation. BMVC 2014 has a variance of 0.01, which must be a slip: from it the
temporal stream's first loss is millions, not log 101.
"""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int8, UInt8
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import vgg16

from zoo.contracts import Ask, Batch, Family, Inputs, Learner, Recipe, Scalars, Target
from zoo.data.actions import open_actions
from zoo.entry import Entry
from zoo.evaluation.action import ActionBenchmark
from zoo.tasks.action import ActionFacts
from zoo.tasks.optical_flow import FlowEstimator
from zoo.training import Updater, shuffled
from zoo.training.weights import published_weights
from zoo.video.clips import Clips, central, shrunk
from zoo.video.flows import between, flows_by, in_pixels, refining

VGG16 = "vgg16-imagenet/vgg16-397923af.pth"
IMAGENET_MEAN = (123.675, 116.28, 103.53)  # torchvision's 0.485, 0.456, 0.406 and
IMAGENET_DEVIATION = (58.395, 57.12, 57.375)  # 0.229, 0.224, 0.225 of 255


class TwoStreamRecipe(Recipe):
    """The defaults are the paper's: section 5 unless said, where it refers to Krizhevsky et al. 2012 theirs."""

    split: int = Field(1, ge=1, le=3, description="of UCF-101's three official ones, trained and scored on")
    size: tuple[int, int] = Field((256, 341), description="height and width that a frame is shrunk to; the smaller 256")
    crop: int = Field(224, ge=1, description="pixels; random in training, central in testing")
    mirror: bool = Field(True, description="half of the clips. Not where left and right are classes")
    stack: int = Field(10, ge=1, description="L, flows that the temporal stream sees (section 3.1, table 1b)")
    gap: int = Field(1, ge=1, description="frames from one picture of a flow to the other")
    flow: str = Field("raft-small.sintel-clean", description="entry that estimates flow; ours")
    reach: float = Field(20.0, gt=0, description="pixels; longer flow is cut off when it is kept in 8 bits; ours")
    flow_updates: int = Field(32, ge=1, description="refinements of the flow (RAFT, section 4)")
    widths: tuple[int, int, int, int, int] = Field((96, 256, 512, 512, 512), description="conv1 to conv5; figure 1")
    head: tuple[int, int] = Field((4096, 2048), description="full6 and full7; figure 1")
    batch_norm: bool = Field(False, description="in place of response normalisation; ours, to learn from chance")
    weights: str = Field("", description="a torchvision VGG-16 file under datasets/; none: both streams from chance")
    spatial_dropout: float = Field(0.5, ge=0, lt=1, description="best where only the last layer learns (table 1a)")
    temporal_dropout: float = Field(0.9, ge=0, lt=1, description="section 6")
    learning_rate: float = Field(1e-2, gt=0)
    drops: tuple[int, ...] = Field((50_000, 70_000), description="steps at which the rate falls to a tenth")
    spatial_steps: int = Field(20_000, ge=1, description="that the spatial stream learns for")
    spatial_drops: tuple[int, ...] = Field((14_000,), description="steps at which its rate falls to a tenth")
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(5e-4, ge=0, description="Krizhevsky et al., section 5")

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.flow,)

    @classmethod
    def upgraded(cls, numbers: Mapping[str, Any]) -> dict[str, Any]:
        """Once the flow entry's own number was repeated here."""
        return {name: value for name, value in numbers.items() if name != "flow_levels"}

    @classmethod
    def older_upstream(cls, numbers: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, dict[str, Any]]:  # noqa: ARG003
        recipe = {"dataset": "collage-flow", "steps": 1, "batch_size": 1}
        recipe |= {"levels": numbers["flow_levels"], "scored_updates": numbers["flow_updates"]}
        family = Entry(numbers["flow"]).family
        return {numbers["flow"]: {"family": family, "recipe_name": "", "recipe": recipe, "facts": {}}}


class CNNM(nn.Module):
    """CNN-M-2048: five convolutions, three poolings, three fully connected layers (figure 1).

    Args:
        normalised: how many convolutions, of the first two, are followed by response normalisation; the temporal
            stream leaves out the second to save memory (section 5).
        batch_norm: batch normalisation after every convolution instead.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        *,
        crop: int,
        widths: tuple[int, ...],
        head: tuple[int, int],
        normalised: int,
        batch_norm: bool,
        dropout: float,
    ) -> None:
        super().__init__()

        def convolution(at: int, kernel: int, *, stride: int = 1, padding: int = 1) -> list[nn.Module]:
            before, after = (channels, *widths)[at : at + 2]
            first = nn.Conv2d(before, after, kernel, stride=stride, padding=padding, bias=not batch_norm)
            if batch_norm:
                return [first, nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
            response = [nn.LocalResponseNorm(5, alpha=5e-4, k=2.0)] if at < normalised else []
            return [first, nn.ReLU(inplace=True), *response]

        self.features = nn.Sequential(
            *(*convolution(0, 7, stride=2, padding=0), _pooling()),
            *(*convolution(1, 5, stride=2), _pooling()),
            *(*convolution(2, 3), *convolution(3, 3), *convolution(4, 3), _pooling()),
            nn.Flatten(),
        )
        with torch.no_grad():
            (seen,) = self.features.eval()(torch.zeros(1, channels, crop, crop))
        self.features.train()
        self.classifier = nn.Sequential(
            *(nn.Linear(len(seen), head[0]), nn.ReLU(inplace=True), nn.Dropout(dropout)),
            *(nn.Linear(*head), nn.ReLU(inplace=True), nn.Dropout(dropout)),
            nn.Linear(head[1], classes),
        )
        if not batch_norm:
            self._start()

    def forward(self, x: Float[Tensor, "n channels crop crop"]) -> Float[Tensor, "n classes"]:
        """Class scores before the softmax."""
        return self.classifier(self.features(x))

    def _start(self) -> None:
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.normal_(layer.weight, std=0.01)  # Krizhevsky et al., section 5
                nn.init.zeros_(cast(Tensor, layer.bias))


def _pooling() -> nn.Module:
    """Rounds up, as Caffe's does."""
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)


class TwoStream(nn.Module):
    """Both streams and the flow between them. Implements `zoo.tasks.action.ActionRecogniser`.

    Args:
        flow: a `zoo.tasks.optical_flow.FlowEstimator`, which never learns.
        stack, gap, reach: of the flows that the temporal stream sees; see `TwoStreamRecipe`.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        *,
        spatial: nn.Module,
        temporal: nn.Module,
        flow: nn.Module,
        size: tuple[int, int],
        crop: int,
        stack: int,
        gap: int,
        reach: float,
    ) -> None:
        super().__init__()
        self.spatial, self.temporal, self.flow = spatial, temporal, flow.requires_grad_(False)
        self.size, self.crop, self.stack, self.gap, self.reach = size, crop, stack, gap, reach
        self.clip_length = stack * gap + 1
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(IMAGENET_DEVIATION).view(3, 1, 1), persistent=False)

    def spatial_scores(self, frames: UInt8[Tensor, "n 3 crop crop"]) -> Float[Tensor, "n classes"]:
        """Class scores of single frames, before the softmax."""
        scores: Tensor = self.spatial((frames - self.mean) / self.deviation)
        return scores

    def temporal_scores(self, flows: Int8[Tensor, "n stack 2 crop crop"]) -> Float[Tensor, "n classes"]:
        """Class scores of stacked flows, before the softmax.

        The mean of each flow, which is mostly the camera's motion, is taken away (section 3.1).
        """
        motion = in_pixels(flows, reach=self.reach)
        scores: Tensor = self.temporal((motion - motion.mean(dim=(-2, -1), keepdim=True)).flatten(1, 2))
        return scores

    def streams(
        self, clips: UInt8[Tensor, "n 3 clip_length h w"]
    ) -> tuple[Float[Tensor, "n classes"], Float[Tensor, "n classes"]]:
        """Class probabilities by each stream, from the central crop; the spatial one's are averaged over frames."""
        frames = shrunk(clips[:, :, :: self.gap], self.size)
        flows = between(frames, cast(FlowEstimator, self.flow), reach=self.reach)
        frames, flows = (central(part, self.crop).to(self.mean.device) for part in (frames, flows))
        single = self.spatial_scores(frames.transpose(1, 2).flatten(0, 1)).softmax(dim=1)
        return single.unflatten(0, (len(clips), -1)).mean(dim=1), self.temporal_scores(flows).softmax(dim=1)

    def probabilities(self, clips: UInt8[Tensor, "n 3 clip_length h w"]) -> Float[Tensor, "n classes"]:
        """The mean of both streams (section 2)."""
        return torch.stack(self.streams(clips)).mean(dim=0)


class TwoStreamLearner(Learner):
    """Cross entropy of each stream by itself, under SGD (section 5)."""

    def __init__(self, recipe: TwoStreamRecipe, facts: ActionFacts, upstream: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.recipe = recipe
        self.network = TwoStream(
            spatial=_spatial(recipe, len(facts.classes)),
            temporal=_cnn_m(
                recipe, 2 * recipe.stack, len(facts.classes), normalised=1, dropout=recipe.temporal_dropout
            ),
            flow=refining(upstream[recipe.flow], recipe.flow_updates),
            size=recipe.size,
            crop=recipe.crop,
            stack=recipe.stack,
            gap=recipe.gap,
            reach=recipe.reach,
        )
        self.update_spatial = self._updater(self.network.spatial, recipe.spatial_drops)
        self.update_temporal = self._updater(self.network.temporal, recipe.drops)

    def begin(self, inputs: Inputs) -> None:
        """Load the published VGG-16 that the recipe names."""
        if self.recipe.weights:
            published = published_weights(inputs.datasets / self.recipe.weights)
            own = {name: value for name, value in published.items() if not name.startswith("classifier.6.")}
            self.network.spatial.load_state_dict(own, strict=False)

    def step(self, batch: Batch) -> Scalars:
        label = batch["label"]
        spatial = self.network.spatial_scores(batch["frame"])
        temporal = self.network.temporal_scores(batch["flow"])
        spatial_loss, temporal_loss = (functional.cross_entropy(scores, label) for scores in (spatial, temporal))
        if self.update_spatial.updates < self.recipe.spatial_steps:
            self.update_spatial(spatial_loss)
        self.update_temporal(temporal_loss)
        return {
            "spatial_loss": spatial_loss.detach(),
            "temporal_loss": temporal_loss.detach(),
            "spatial_accuracy": (spatial.argmax(1) == label).float().mean(),
            "temporal_accuracy": (temporal.argmax(1) == label).float().mean(),
        }

    def predictor(self) -> TwoStream:
        return self.network

    def _updater(self, stream: nn.Module, drops: tuple[int, ...]) -> Updater:
        recipe = self.recipe
        return Updater(
            [parameter for parameter in stream.parameters() if parameter.requires_grad],
            torch.optim.SGD,
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            schedule=lambda done: 0.1 ** sum(done >= drop for drop in drops),
        )


def _spatial(recipe: TwoStreamRecipe, classes: int) -> nn.Module:
    """A CNN-M of its own, or VGG-16 with a last layer of its own, which alone learns."""
    if not recipe.weights:
        return _cnn_m(recipe, 3, classes, normalised=2, dropout=recipe.spatial_dropout)
    network = vgg16(dropout=recipe.spatial_dropout).requires_grad_(False)
    network.classifier[-1] = nn.Linear(4096, classes)
    return cast(nn.Module, network)


def _cnn_m(recipe: TwoStreamRecipe, channels: int, classes: int, *, normalised: int, dropout: float) -> CNNM:
    return CNNM(
        channels,
        classes,
        crop=recipe.crop,
        widths=recipe.widths,
        head=recipe.head,
        normalised=normalised,
        batch_norm=recipe.batch_norm,
        dropout=dropout,
    )


class TwoStreamBatches:
    """Consecutive flows of each video and a random frame of those between which they lie, cropped and mirrored."""

    def __init__(self, recipe: TwoStreamRecipe, inputs: Inputs) -> None:
        split = open_actions(inputs.dataset(recipe.dataset), "train", split=recipe.split)
        self.recipe = recipe
        self.videos = split.videos
        self.frames = Clips(split.videos, size=recipe.size, cache=inputs.cache)
        self.flows = flows_by(
            inputs.upstream[recipe.flow],
            split.videos,
            updates=recipe.flow_updates,
            size=recipe.size,
            gap=recipe.gap,
            reach=recipe.reach,
            cache=inputs.cache,
        )
        self.facts = ActionFacts(classes=split.classes)

    def __call__(self, step: int) -> Batch:
        recipe = self.recipe
        rng = np.random.default_rng([recipe.seed, step])
        chosen = shuffled(len(self.videos), recipe.batch_size, seed=recipe.seed, step=step).tolist()
        frames, flows = zip(*(self._seen(i, rng) for i in chosen), strict=True)
        labels = torch.tensor([self.videos[i].label for i in chosen])
        return {"frame": torch.stack(frames), "flow": torch.stack(flows), "label": labels}

    def _seen(
        self, i: int, rng: np.random.Generator
    ) -> tuple[UInt8[Tensor, "3 crop crop"], Int8[Tensor, "stack 2 crop crop"]]:
        recipe = self.recipe
        start = int(rng.integers(max(self.flows.count(i) - recipe.stack, 0) + 1))
        shown = start + int(rng.integers(recipe.stack + 1))
        frame = self.frames(i, start=shown * recipe.gap, length=1)[:, 0]
        flows = self.flows(i, start=start, length=recipe.stack)
        top, left = (int(rng.integers(side - recipe.crop + 1)) for side in recipe.size)
        crop = (..., slice(top, top + recipe.crop), slice(left, left + recipe.crop))
        frame, flows = frame[crop], flows[crop]
        return mirrored(frame, flows) if recipe.mirror and rng.random() < 0.5 else (frame, flows)


def mirrored(
    frame: UInt8[Tensor, "3 h w"], flows: Int8[Tensor, "stack 2 h w"]
) -> tuple[UInt8[Tensor, "3 h w"], Int8[Tensor, "stack 2 h w"]]:
    """Left and right exchanged, also in where things go."""
    sign = torch.tensor([-1, 1], dtype=torch.int8).view(2, 1, 1)
    return frame.flip(-1), flows.flip(-1) * sign


def _benchmark(recipe: TwoStreamRecipe, inputs: Inputs) -> ActionBenchmark:
    return ActionBenchmark(recipe.scored, inputs, split=recipe.split)


def _from_chance(*, steps: int, batch_size: int) -> TwoStreamRecipe:
    """Narrow networks on `collage-action`; these numbers are ours, found on its training videos."""
    return TwoStreamRecipe(
        dataset="collage-action",
        steps=steps,
        batch_size=batch_size,
        size=(64, 64),
        crop=60,
        mirror=False,
        stack=6,
        gap=3,
        flow="raft-small.collage-flow",
        flow_updates=4,
        widths=(16, 32, 64, 64, 64),
        head=(64, 64),
        batch_norm=True,
        spatial_dropout=0.5,
        temporal_dropout=0.5,
        learning_rate=1e-2,
        drops=(steps * 3 // 4,),
        spatial_steps=steps,
        spatial_drops=(steps * 3 // 4,),
    )


FAMILY = Family(
    name="two-stream",
    paper="Simonyan and Zisserman, Two-stream convolutional networks for action recognition in videos, NeurIPS 2014",
    recipes={
        "smoke": _from_chance(steps=100, batch_size=16),
        "mini": _from_chance(steps=400, batch_size=32),
        "paper": TwoStreamRecipe(dataset="ucf101", steps=80_000, batch_size=256, weights=VGG16),
    },
    learner=TwoStreamLearner,
    facts=ActionFacts,
    training_set=TwoStreamBatches,
    benchmark=_benchmark,
    asks=(Ask(metric="accuracy", value=0.375),),
    targets=(
        Target(metric="accuracy", value=0.869, dataset="ucf101", source="paper, table 4, averaged, mean of 3 splits"),
        Target(metric="accuracy", value=0.885, dataset="ucf101", source="reproduced by others, ResNet-101, split 1"),
    ),
)

"""RAFT: correlate all pixels of one picture with all of the next, then refine a flow by looking it up again and again.

    zoo train raft-small --recipe mini  # EPE 3.30 +- 0.09 px on collage-flow (seeds 0-2); 7.00 if nothing moves
    zoo train raft --recipe paper       # both stages, hours of a GPU

There OpenCV's DIS has 1.51 px (to the finest scale), Farneback 3.76 and each pair's own median flow 2.21: `mini` finds
how the photograph moves and blurs the objects. Its goal, set before, was half of zero flow's error. `raft`'s `mini`,
whose goal was a tenth below zero flow, has 5.78 +- 0.26 px, and 5.65 +- 0.31 by 400 steps with four refinements: a pair
costs the large network almost five times as much, and it sees a fifth as many. `smoke` of the small one has 4.13, 4.71
and 6.54 px: some seeds begin to learn late. That of the large one shows that all runs, not that it learns.

Teed and Deng, "RAFT: Recurrent All-Pairs Field Transforms for Optical Flow", ECCV 2020, arXiv 2003.12039 ("paper"
below); "code" is the authors' release, github.com/princeton-vl/RAFT. The network is torchvision's.

`chairs` is the first stage, on FlyingChairs; `paper` goes on from its weights on FlyingThings3D (C+T in the paper's
table 1) and is scored on Sintel's clean pass, `sintel-final` and `kitti2015` on the other sets of that table. The
stages after it train on these sets and are compared by servers that keep the truth to themselves; they are not here.

Differs from the paper: the learning rate rises from 0, not from a 25th of its peak; the loss sums both components and
averages over the pixels whose flow is known, where the code averages over components and all pixels: half as large, or
less. `smoke` and `mini` look at fewer correlation levels, because their pictures are too small for four, refine fewer
times, change pairs in scale and light only (`plain`), and start from features without a common part (`centre`), to
learn something within seconds.

Published Sintel numbers average over all pixels, ours leave out those that Sintel marks invalid: 0.02 % in alley_1.
Sintel's passes are two data sets, `zoo data fetch sintel-clean` and `sintel-final`; FlyingThings3D is `zoo data add
flyingthings3d PATH`.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal, Self, cast

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.optical_flow import raft_large, raft_small
from torchvision.models.optical_flow.raft import CorrBlock

from zoo.contracts import Ask, Batch, Facts, Family, Inputs, Learner, Recipe, Scalars, Scores, Target
from zoo.data.flow import FlowPair, open_flow
from zoo.evaluation.flow import FlowBenchmark
from zoo.optical_flow.augmentation import augmented, cropped, mirrored, scaled
from zoo.training import Updater, shuffled
from zoo.training.weights import start_from

STRIDE = 8  # of the features; section 3.1
NETWORKS = {"large": (raft_large, 4), "small": (raft_small, 3)}  # and the radius of a lookup; appendix A


class RAFTRecipe(Recipe):
    """The numbers of RAFT; the defaults are those of the paper's first stage (code, train_standard.sh)."""

    start: str = Field("", description="entry whose weights a run starts from: the stage before")
    scored_split: Scores[str] = Field("val", description="as zoo.data.flow names it")
    levels: int = Field(4, ge=1, le=4, description="of the correlation pyramid (section 3.2)")
    updates: int = Field(12, ge=1, description="refinements in training (code, train.py: iters)")
    scored_updates: Scores[int] = Field(32, ge=1, description="refinements in evaluation; on KITTI 24 (section 4)")
    centred: float | None = Field(None, gt=0, description="gain of encoders that begin centred; ours, see `centre`")
    frozen_statistics: bool = Field(
        False, description="batch normalisation keeps the averages it starts with (code, train.py: freeze_bn)"
    )
    gamma: float = Field(0.8, gt=0, le=1, description="weight of each refinement relative to the next (section 3.4)")
    learning_rate: float = Field(4e-4, gt=0, description="at its peak")
    warm_up: float = Field(0.05, gt=0, lt=1, description="share of the steps before the peak (code, train.py)")
    weight_decay: float = Field(1e-4, ge=0)
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient (code, train.py)")
    largest: float = Field(400.0, gt=0, description="pixels; longer true flow is left out (code, train.py: MAX_FLOW)")
    crop: tuple[int, int] = Field((368, 496), description="height, width of what a step sees; multiples of 8")
    zoom: tuple[float, float] = Field(
        (2**-0.1, 2.0), description="range of the crops' scale (code, datasets.py: min_scale, max_scale)"
    )
    augmentation: Literal["code", "plain"] = Field("code", description="as the code changes pairs, or scale and light")
    upright: float = Field(0.9, ge=0, le=1, description="plain: share that is not turned upside down")
    light: float = Field(0.4, ge=0, lt=1, description="plain: largest change of gain and of contrast")

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.start,) if self.start else ()

    @property
    def starts_from(self) -> tuple[str, ...]:
        return self.needs

    @classmethod
    def upgraded(cls, numbers: Mapping[str, Any]) -> dict[str, Any]:
        """Numbers from before pairs could be changed as the code does."""
        return {"augmentation": "plain", **numbers}


class Correlation(CorrBlock):  # type: ignore[misc]  # torchvision has no types
    """All-pairs correlation in 32 bits, whatever the networks around it run in (code, raft.py): its values are sums
    over 128 or 256 channels, and where they are looked up decides between neighbours that bf16 makes equal."""

    def build_pyramid(self, fmap1: Float[Tensor, "n c h w"], fmap2: Float[Tensor, "n c h w"]) -> None:
        with torch.autocast(fmap1.device.type, enabled=False):
            super().build_pyramid(fmap1.float(), fmap2.float())


class RAFTEstimator(nn.Module):
    """Behind `zoo.tasks.optical_flow.FlowEstimator`: pads pictures to what the network takes, and crops its flow back.

    Args:
        updates: refinements before the answer.
    """

    def __init__(self, network: nn.Module, *, updates: int, least: int) -> None:
        super().__init__()
        self.network = network
        self.updates = updates
        self.least = least

    @torch.inference_mode()
    def flow(self, first: UInt8[Tensor, "n 3 h w"], second: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n 2 h w"]:
        """Right and down, in pixels."""
        height, width = first.shape[-2:]
        device = next(self.network.parameters()).device
        sides = [max(self.least, -(-side // STRIDE) * STRIDE) for side in (height, width)]
        top, left = ((side - had) // 2 for side, had in zip(sides, (height, width), strict=True))
        around = (left, sides[1] - width - left, top, sides[0] - height - top)
        padded = (functional.pad(normalised(images.to(device)), around, mode="replicate") for images in (first, second))
        flow = cast(Tensor, self.network(*padded, num_flow_updates=self.updates)[-1])
        return flow[..., top : top + height, left : left + width]


def normalised(images: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """Between -1 and 1 (code, raft.py)."""
    return images / 127.5 - 1


def sequence_loss(
    refined: list[Tensor], flow: Float[Tensor, "n 2 h w"], valid: Bool[Tensor, "n h w"], *, gamma: float
) -> Float[Tensor, ""]:
    """L1 distance of every refinement from the truth, the last one weighing 1 and each earlier one `gamma` times the
    next (equation 7), averaged over the pixels whose flow is known."""
    known = valid.sum().clamp(min=1)
    losses = [((estimate - flow).abs().sum(1) * valid).sum() / known for estimate in refined]
    return torch.stack([gamma ** (len(losses) - 1 - i) * loss for i, loss in enumerate(losses)]).sum()


class RAFTLearner(Learner):
    """The sequence loss under AdamW with a clipped gradient and a rate that rises and falls linearly (section 4)."""

    def __init__(self, recipe: RAFTRecipe, _facts: Facts, *, size: str) -> None:
        super().__init__()
        self.recipe = recipe
        build, radius = NETWORKS[size]
        self.network = build(weights=None, corr_block=Correlation(num_levels=recipe.levels, radius=radius))
        if recipe.centred is not None:
            for encoder in (self.network.feature_encoder, self.network.context_encoder):
                centre(encoder.conv, gain=recipe.centred)
        self.update = Updater(
            self.network.parameters(),
            torch.optim.AdamW,
            lr=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            eps=1e-8,
            clip=recipe.clip,
            schedule=lambda done: one_cycle((done + 1) / (recipe.steps + 1), warm_up=recipe.warm_up),
        )

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        if self.recipe.frozen_statistics:
            for layer in self.network.modules():
                if isinstance(layer, nn.BatchNorm2d):
                    layer.eval()
        return self

    def begin(self, inputs: Inputs) -> None:
        """Take over the weights of the stage before."""
        if self.recipe.start:
            start_from(self.predictor(), inputs.upstream[self.recipe.start])

    def step(self, batch: Batch) -> Scalars:
        first, second, flow = batch["first"], batch["second"], batch["flow"]
        valid = batch["valid"] & (flow.norm(dim=1) < self.recipe.largest)
        refined = self.network(normalised(first), normalised(second), num_flow_updates=self.recipe.updates)
        loss = sequence_loss(refined, flow, valid, gamma=self.recipe.gamma)
        self.update(loss)
        self.network.corr_block.corr_pyramid = []  # else the step's graph lives on in it, and no copy can be made
        error = (refined[-1].detach() - flow).norm(dim=1)
        return {"loss": loss.detach(), "epe": (error * valid).sum() / valid.sum().clamp(min=1)}

    def predictor(self) -> RAFTEstimator:
        least = STRIDE * 2**self.recipe.levels  # the coarsest level of the pyramid is 2 x 2 or more
        return RAFTEstimator(self.network, updates=self.recipe.scored_updates, least=least)


@torch.no_grad()
def centre(last: nn.Conv2d, *, gain: float) -> None:
    """Let what all its inputs share, at the start, add nothing to its output, and scale the rest.

    An encoder's last layer sees rectified values, whose mean alone makes three quarters of a fresh feature's size:
    any two pixels then correlate, and hundreds of steps go by before the network can tell them apart.
    """
    last.weight.sub_(last.weight.mean(dim=1, keepdim=True)).mul_(gain)


def one_cycle(done: float, *, warm_up: float) -> float:
    """Up from 0 to 1 in the share `warm_up` of a run, then down to 0."""
    return min(done / warm_up, (1 - done) / (1 - warm_up))


class FlowBatches:
    """Crops of pairs, changed at random (section 4 and code, augmentor.py)."""

    facts = Facts()

    def __init__(self, recipe: RAFTRecipe, inputs: Inputs) -> None:
        self.recipe = recipe
        self.pairs = open_flow(inputs.dataset(recipe.dataset), "train")

    def __call__(self, step: int) -> Batch:
        recipe = self.recipe
        rng = np.random.default_rng([recipe.seed, step])
        chosen = shuffled(len(self.pairs), recipe.batch_size, seed=recipe.seed, step=step)
        pairs = [self._changed(self.pairs[int(i)], rng=rng) for i in chosen]
        first, second, flow, valid = (torch.from_numpy(np.stack(part)) for part in zip(*pairs, strict=True))
        channels_first = {"first": first, "second": second, "flow": flow}
        batch = {name: value.permute(0, 3, 1, 2).contiguous() for name, value in channels_first.items()}
        return batch | {"valid": valid}

    def _changed(self, pair: FlowPair, *, rng: np.random.Generator) -> FlowPair:
        if self.recipe.augmentation == "plain":
            return varied(pair, self.recipe, rng=rng)
        return augmented(pair, crop=self.recipe.crop, zoom=self.recipe.zoom, rng=rng)


def varied(pair: FlowPair, recipe: RAFTRecipe, *, rng: np.random.Generator) -> FlowPair:
    """A crop of a pair at a random scale, mirrored half of the time, sometimes upside down, and in another light."""
    least = max(side / had for side, had in zip(recipe.crop, pair.valid.shape, strict=True))
    scale = max(least, np.exp(rng.uniform(*np.log(recipe.zoom))))
    pair = cropped(scaled(pair, (scale, scale)), recipe.crop, rng=rng)
    if rng.random() < 0.5:
        pair = mirrored(pair, axis=1)
    if rng.random() >= recipe.upright:
        pair = mirrored(pair, axis=0)
    gain, contrast = 1 + rng.uniform(-recipe.light, recipe.light, size=2)
    first, second = (relit(picture, gain, contrast) for picture in (pair.first, pair.second))
    return pair._replace(first=first, second=second)


def relit(picture: UInt8[np.ndarray, "h w 3"], gain: float, contrast: float) -> UInt8[np.ndarray, "h w 3"]:
    """A picture under another light, and with its values spread about their mean."""
    lit = picture * np.float32(gain)
    mean = lit.mean()
    return np.clip((lit - mean) * np.float32(contrast) + mean, 0, 255).astype(np.uint8)


def _benchmark(recipe: RAFTRecipe, inputs: Inputs) -> FlowBenchmark:
    return FlowBenchmark(recipe.scored, inputs, split=recipe.scored_split)


def _small_pictures(*, steps: int, batch_size: int, updates: int, learning_rate: float, centred: float) -> RAFTRecipe:
    """Most of each pair of `collage-flow`; these numbers are ours, found on its training pairs."""
    return RAFTRecipe(
        dataset="collage-flow",
        steps=steps,
        batch_size=batch_size,
        levels=2,
        updates=updates,
        scored_updates=updates,
        centred=centred,
        learning_rate=learning_rate,
        crop=(64, 80),
        zoom=(1.0, 1.0),
        augmentation="plain",
    )


def _stages(name: str) -> dict[str, RAFTRecipe]:
    """The two stages of table 1 (code, train_standard.sh, datasets.py), the second on each set that it is scored on."""
    things = RAFTRecipe(
        dataset="flyingthings3d",
        scored_on="sintel-clean",
        scored_split="training",
        start=f"{name}.flyingchairs",
        steps=100_000,
        batch_size=6,
        learning_rate=1.25e-4,
        crop=(400, 720),
        zoom=(2**-0.4, 2**0.8),
        frozen_statistics=True,
    )
    return {
        "chairs": RAFTRecipe(dataset="flyingchairs", steps=100_000, batch_size=10, scored_updates=24),
        "paper": things,
        "sintel-final": things.but(scored_on="sintel-final"),
        "kitti2015": things.but(scored_on="kitti2015", scored_updates=24),
    }


def _published_errors(clean: float, final: float, kitti: float, fl_all: float, *, source: str) -> tuple[Target, ...]:
    """After FlyingChairs and FlyingThings3D; both passes of Sintel by 32 refinements, KITTI by 24."""
    kitti_protocol = "kitti2015-training/kitti-epe@1"
    return (
        Target(metric="EPE", value=clean, dataset="sintel-clean", source=f"{source}, Sintel train, clean"),
        Target(metric="EPE", value=final, dataset="sintel-final", source=f"{source}, Sintel train, final"),
        Target(metric="EPE", value=kitti, dataset="kitti2015", source=source, protocol=kitti_protocol),
        Target(metric="Fl_all", value=fl_all, dataset="kitti2015", source=source, protocol=kitti_protocol),
    )


PAPER = "Teed and Deng, RAFT: Recurrent All-Pairs Field Transforms for Optical Flow, ECCV 2020"

RAFT_SMALL = Family(
    name="raft-small",
    paper=PAPER,
    recipes={
        "smoke": _small_pictures(steps=250, batch_size=2, updates=3, learning_rate=1e-3, centred=2.0),
        "mini": _small_pictures(steps=900, batch_size=2, updates=3, learning_rate=1e-3, centred=0.5),
        **_stages("raft-small"),
    },
    learner=partial(RAFTLearner, size="small"),
    training_set=FlowBatches,
    benchmark=_benchmark,
    asks=(Ask(metric="EPE", value=3.5),),
    targets=(
        *_published_errors(2.21, 3.35, 7.51, 0.269, source="paper, table 1, C+T, small"),
        *_published_errors(1.9901, 3.2831, 7.5978, 0.2524, source="torchvision, Raft_Small_Weights.C_T_V2"),
    ),
)
RAFT = Family(
    name="raft",
    paper=PAPER,
    recipes={
        "smoke": _small_pictures(steps=20, batch_size=2, updates=4, learning_rate=5e-4, centred=2.0),
        "mini": _small_pictures(steps=280, batch_size=1, updates=3, learning_rate=5e-4, centred=2.0),
        **_stages("raft"),
    },
    learner=partial(RAFTLearner, size="large"),
    training_set=FlowBatches,
    benchmark=_benchmark,
    asks=(Ask(metric="EPE", value=6.3),),
    targets=(
        *_published_errors(1.43, 2.71, 5.04, 0.174, source="paper, table 1, C+T"),
        *_published_errors(1.3822, 2.7161, 4.5118, 0.1607, source="torchvision, Raft_Large_Weights.C_T_V2"),
    ),
)

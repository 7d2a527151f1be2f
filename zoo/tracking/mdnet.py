"""MDNet: a network that tells object from background learns from many videos at once, each with a last layer of its
own; what they share tracks a new video, whose own last layer is learned while it plays.

    zoo train mdnet --recipe mini

18 s of one core, success AUC 0.506 +- 0.027 on collage-track (three seeds; 0.169 if the first box never moves), at 25
frames a second of one core. The same weights on OTB's Crossing and DragonBaby: 0.192 +- 0.075, and 0.211 +- 0.073 at 5
frames a second with the published numbers of boxes, as `otb` has them: hardly more than the floor (0.152), for the
pedestrian of Crossing is soon lost.

Nam, Han, "Learning Multi-Domain Convolutional Neural Networks for Visual Tracking", CVPR 2016, arXiv 1510.07945
("paper" below); "code" is the authors' release for MATLAB, github.com/hyeonseobnam/MDNet, whose numbers these are.

Differs from the paper: as in the code, a frame is a success where the five best candidates' own scores are over 0 on
average, not where their probabilities are over one half. Differs from the code: a batch's boxes are drawn anew, equally
many of each of its frames; boxes are not rounded to pixels, and negatives from all over the first picture lie on no
grid; an object smaller than 10 pixels is looked for at its own size; the whitening of regression's targets is left out,
as it changes nothing. `paper` starts from VGG-M's convolutions (`zoo data fetch vgg-m-imagenet`) and trains on the 58
sequences of VOT 2013 to 2015 that are not OTB's (`zoo data convert vot VOT vot-otb`). `smoke`, `mini` and `otb` learn a
narrow network from scratch, on sequences that share no photograph with those that are scored.

How a video is followed is in `zoo.tracking.mdnet_track`, and the boxes of both in `zoo.tracking.regions`.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np
import torch
from jaxtyping import UInt8
from pydantic import Field, model_validator
from scipy.io import loadmat
from torch import Tensor
from torch.nn import functional

from zoo.contracts import Ask, Batch, Family, Inputs, Learner, Recipe, Scalars, Target
from zoo.data.otb import open_otb
from zoo.data.video import Video
from zoo.evaluation.tracking import one_pass_evaluation
from zoo.facts import Facts
from zoo.tasks.tracking import Box
from zoo.tracking.mdnet_track import (
    SCALE_STEP,
    MDNetTracker,
    Online,
    SharedLayers,
    as_images,
    groups,
    last_layer,
    sgd,
)
from zoo.tracking.regions import Draw, crops, far, near
from zoo.training.order import shuffled

CACHED_BYTES = 2**30  # of decoded frames; a data set that fits is decoded once
VGG_M = "vgg-m-imagenet/imagenet-vgg-m.mat"
VGG_M_MD5 = "29294d5f62578c96a3533859514235f2"  # matconvnet, doc/site/docs/pretrained.md


class MDNetRecipe(Online, Recipe):
    """The numbers of MDNet; the defaults are those of the code."""

    # The network: VGG-M's conv1 to conv3, which make 3 x 3 features of the input, and fc4 and fc5 (section 3.1)
    size: int = Field(107, ge=16, description="pixels of a crop")
    padding: int = Field(16, ge=0, description="of them on each side of the box")
    channels: tuple[int, int, int] = (96, 256, 512)
    kernel: int = Field(7, description="of conv1")
    stride: tuple[int, int] = Field((2, 2), description="of conv1 and conv2")
    hidden: int = Field(512, description="outputs of fc4 and of fc5")
    deviation: float = Field(0.01, gt=0, description="of fully connected weights at first; mdnet_prepare_model.m")
    weights: str = Field("", description="VGG-M for MatConvNet, a file under datasets/; none: learned from scratch")

    # Offline: code, mdnet_pretrain.m and seq2roidb.m
    frames: int = Field(8, ge=1, description="a batch, all of one video")
    negatives: int = Field(3, ge=1, description="for each positive of a batch: 96 for 32")
    positive_overlap: float = Field(0.7, ge=0, lt=1, description="that a positive has more of")
    negative_overlap: float = Field(0.5, gt=0, le=1, description="that a negative has less of")
    learning_rate: float = Field(1e-4, gt=0, description="of the convolutions")
    new_rate: float = Field(10.0, gt=0, description="of fc4 to fc6, times that rate")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.batch_size < 2:
            raise ValueError("expected a positive and a negative at least in a batch, got a batch of 1")
        if self.weights and (self.channels, self.kernel) != ((96, 256, 512), 7):
            raise ValueError(f"expected VGG-M's channels (96, 256, 512) and kernel 7, as {self.weights} has them")
        if self.mined < self.batch_negatives:
            raise ValueError(f"expected to choose {self.batch_negatives} hard negatives of more, got {self.mined}")
        return self


class Domains(Facts):
    """How many videos there are to learn from."""

    domains: int = Field(ge=1)


class Regions:
    """Crops of one video a step, videos in turn: around the object in some frames, and beside it (section 3.2)."""

    def __init__(self, videos: Sequence[Video], recipe: MDNetRecipe) -> None:
        annotated = [(video, np.flatnonzero((video.boxes[:, 2:] > 0).all(axis=1))) for video in videos]
        self.videos = [(video, frames) for video, frames in annotated if len(frames)]
        if not self.videos:
            raise ValueError(
                f"{recipe.dataset}: expected a sequence with a box in some frame, got none in {len(videos)} sequences. "
                "Check its groundtruth files."
            )
        self.facts = Domains(domains=len(self.videos))
        self.recipe = recipe
        frames = CACHED_BYTES // videos[0].frame(0).nbytes
        self._frame = lru_cache(frames)(lambda video, i: self.videos[video][0].frame(i))

    def __call__(self, step: int) -> Batch:
        recipe, count = self.recipe, self.recipe.batch_size
        cycle, domain = divmod(step, len(self.videos))
        annotated = self.videos[domain][1]
        chosen = annotated[shuffled(len(annotated), recipe.frames, seed=recipe.seed, step=cycle)]
        rng = np.random.default_rng([recipe.seed, step])
        objects_in_all = max(1, count // (1 + recipe.negatives))
        positives, negatives = (_shares(n, recipe.frames) for n in (objects_in_all, count - objects_in_all))
        images, objects = [], []
        for i, here, elsewhere in zip(chosen.tolist(), positives, negatives, strict=True):
            images.append(self._crops(domain, i, rng, here, elsewhere))
            objects.extend([True] * here + [False] * elsewhere)
        return {
            "images": as_images(np.concatenate(images)),
            "object": torch.tensor(objects),
            "domain": torch.full((count,), domain),
        }

    def _crops(
        self, domain: int, i: int, rng: np.random.Generator, positives: int, negatives: int
    ) -> UInt8[np.ndarray, "n h w 3"]:
        recipe, video, frame = self.recipe, self.videos[domain][0], self._frame(domain, i)
        box = Box(*video.boxes[i].tolist())
        draw = Draw(rng, frame.shape[1::-1], step=SCALE_STEP, room=5)  # code, seq2roidb.m
        around = draw.uniform_by_side(box, max(1, 5 * positives), shift=0.1, power=5, inside=False)
        beside = draw.uniform_by_side(box, max(1, 10 * negatives), shift=2, power=10, inside=True)
        close = near(box, around, positives, least=recipe.positive_overlap)
        apart = far(box, beside, negatives, most=recipe.negative_overlap)
        boxes = np.concatenate([np.resize(close, (positives, 4)), np.resize(apart, (negatives, 4))])
        return crops(frame, boxes, size=recipe.size, padding=recipe.padding)


def _shares(count: int, parts: int) -> list[int]:
    """A number in parts that are as equal as can be."""
    return [len(part) for part in np.array_split(np.arange(count), parts)]


class MDNetLearner(Learner):
    """Stochastic gradient descent on one video after the other, each under its own last layer (section 3.2)."""

    def __init__(self, recipe: MDNetRecipe, facts: Domains) -> None:
        super().__init__()
        self.recipe = recipe
        self.round = facts.domains
        self.network = SharedLayers(
            recipe.channels,
            kernel=recipe.kernel,
            stride=recipe.stride,
            hidden=recipe.hidden,
            deviation=recipe.deviation,
        )
        self.branches = last_layer(recipe.hidden, domains=facts.domains)
        new = [*self.network.connected, self.branches]
        self.update = sgd(
            groups(self.network.convolutions, rate=recipe.learning_rate)
            + groups(new, rate=recipe.new_rate * recipe.learning_rate),
            rate=recipe.learning_rate,
        )

    def begin(self, inputs: Inputs) -> None:
        """Take VGG-M's convolutions, where the recipe names them.

        Raises:
            ValueError: they are not there, damaged, or another network's than the recipe describes.
        """
        if self.recipe.weights:
            self.network.convolutions.load_state_dict(vgg_m(inputs.datasets / self.recipe.weights))

    def step(self, batch: Batch) -> Scalars:
        every = self.branches(self.network(batch["images"])).unflatten(1, (-1, 2))
        own = torch.arange(self.round, device=every.device) == batch["domain"][:, None]
        scores = (every * own[..., None]).sum(1)  # an index would have no deterministic gradient on a GPU
        target = batch["object"].long()
        loss = functional.cross_entropy(scores.float(), target)
        self.update(loss)
        right = scores.detach().argmax(1) == target
        return {"loss": loss.detach(), "objects_found": right[batch["object"]].float().mean()}

    def predictor(self) -> MDNetTracker:
        recipe = self.recipe
        online = Online(**{name: getattr(recipe, name) for name in Online.model_fields})
        return MDNetTracker(self.network, online=online, size=recipe.size, padding=recipe.padding)


VGG_M = "vgg-m-imagenet/imagenet-vgg-m.mat"
VGG_M_MD5 = "29294d5f62578c96a3533859514235f2"  # matconvnet's doc/site/docs/pretrained.md


def vgg_m(path: Path) -> dict[str, Tensor]:
    """conv1 to conv3 of VGG-M (Chatfield et al. 2014) as MatConvNet publishes it, named as in `SharedLayers`.

    Raises:
        ValueError: no such file, or another one.
    """
    if not path.is_file():
        raise ValueError(
            f"{path}: expected the ImageNet weights of VGG-M that this recipe starts from, but there is no such file. "
            f"Run `zoo data fetch {path.parent.name}`."
        )
    with path.open("rb") as content:
        found = hashlib.file_digest(content, "md5").hexdigest()
    if found != VGG_M_MD5:
        raise ValueError(f"{path}: expected the MD5 {VGG_M_MD5}, got {found}. The file is damaged; fetch it again.")
    return convolutions_of(path)


def convolutions_of(path: Path) -> dict[str, Tensor]:
    """The first three convolutions of a network of MatConvNet, which has height, width, inputs, outputs in this order.

    Only of a file that is known: scipy may crash on a damaged one. It runs nothing that is in it.
    """
    layers = {layer["name"]: layer for layer in loadmat(path, simplify_cells=True)["layers"]}
    named: dict[str, Tensor] = {}
    for index, name in ((0, "conv1"), (4, "conv2"), (8, "conv3")):
        weight, bias = (np.asarray(value, dtype=np.float32) for value in layers[name]["weights"])
        named[f"{index}.weight"] = torch.from_numpy(weight.transpose(3, 2, 0, 1).copy())
        named[f"{index}.bias"] = torch.from_numpy(bias.reshape(-1))
    return named


def _regions(recipe: MDNetRecipe, inputs: Inputs) -> Regions:
    """Crops of the training sequences."""
    return Regions(open_otb(inputs.dataset(recipe.dataset), "train"), recipe)


def _narrow(*, steps: int, channels: tuple[int, int, int], scored_on: str = "") -> MDNetRecipe:
    """A narrow network at three fifths of the resolution, whose later sizes are the published ones. Learned from
    scratch it needs larger weights to begin with and higher rates (chosen on held-out training sequences)."""
    return MDNetRecipe(
        dataset="collage-track",
        scored_on=scored_on,
        precision="fp32",  # so narrow a network gains nothing by another, and to time it takes a round of domains
        steps=steps,
        batch_size=64,
        frames=4,
        size=65,
        padding=10,
        channels=channels,
        kernel=5,
        stride=(2, 1),
        hidden=64,
        deviation=0.05,
        learning_rate=1e-3,
        new_rate=3.0,
    )


FAMILY = Family(
    name="mdnet",
    paper="Nam and Han, Learning Multi-Domain Convolutional Neural Networks for Visual Tracking, CVPR 2016",
    recipes={
        "smoke": _narrow(steps=48, channels=(8, 16, 32)).but(
            candidates=32,
            first_positives=40,
            first_negatives=100,
            first_iterations=10,
            regression_boxes=40,
            positives_a_frame=8,
            negatives_a_frame=16,
            update_iterations=4,
            batch_positives=16,
            batch_negatives=32,
            mined=64,
        ),
        "mini": _narrow(steps=400, channels=(16, 32, 64)).but(
            candidates=64,
            first_positives=100,
            first_negatives=400,
            regression_boxes=100,
            positives_a_frame=16,
            negatives_a_frame=32,
            mined=256,
        ),
        "otb": _narrow(steps=400, channels=(16, 32, 64), scored_on="otb"),  # tracks with the published numbers
        # 100 cycles over the 58 sequences of VOT 2013 to 2015 that are not OTB's
        "paper": MDNetRecipe(dataset="vot-otb", scored_on="otb-2013", steps=5800, batch_size=128, weights=VGG_M),
    },
    learner=MDNetLearner,
    training_set=_regions,
    facts=Domains,
    benchmark=one_pass_evaluation,
    asks=(Ask(metric="success_auc", value=0.37),),
    targets=(
        Target(metric="success_auc", value=0.708, dataset="otb-2013", source="paper, one pass, 50 sequences"),
        Target(metric="precision_20px", value=0.948, dataset="otb-2013", source="paper, one pass, 50 sequences"),
        Target(metric="success_auc", value=0.678, dataset="otb-100", source="paper, one pass, 100 sequences"),
        Target(metric="precision_20px", value=0.909, dataset="otb-100", source="paper, one pass, 100 sequences"),
        Target(metric="success_auc", value=0.698, dataset="otb-2013", source="py-MDNet, trained on VOT"),
        Target(metric="success_auc", value=0.676, dataset="otb-100", source="py-MDNet, trained on VOT"),
    ),
)

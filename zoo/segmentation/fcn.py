"""A classifier made of convolutions alone names the class of every pixel; skips from shallow layers sharpen it.

    zoo train fcn8s --recipe mini     # 45 s of one core: mIoU 0.297 +- 0.027 (seeds 0-2) on collage-seg; floor 0.083
    zoo train fcn8s --recipe camvid   # mIoU 0.21 (one seed), 40 frames learned, 9 scored; floor 0.03

There FCN-16s has 0.316 +- 0.003, and FCN-32s, which scores three by three places of a picture of 96 x 96, 0.183 +-
0.027 in twice the steps, of crops that are never shrunk; shrunken ones gave 0.152 +- 0.010. By 900 steps FCN-8s and
FCN-16s had 0.44 +- 0.02 and 0.425 +- 0.001. `smoke` (20 s) of FCN-8s reaches 0.15 (one seed). `paper` has never been
run here: it needs a GPU, SBD and VGG-16.

Differs from the paper: convolutions pad to keep their size and pooling rounds up, where the paper pads the picture by
100 pixels and crops by an offset; the result is aligned with the picture at any size. FCN-16s and FCN-8s are trained at
once (the authors' `voc-fcn8s-atonce`: 65.4 mIoU, where FCN-8s in stages has 65.5), not one after the other. As in the
paper the last upsampling is fixed bilinear and the ones before it start bilinear and learn. `smoke`, `mini` and
`camvid` start from chance: they are narrow, have batch normalisation and see scaled, mirrored crops.

`paper` starts from torchvision's VGG-16, not from Caffe's, though skip scales and rate are tuned to the activations of
Caffe's: expect an mIoU of 0.59 to 0.62, as others found (github.com/wkentaro/pytorch-fcn, issues 52 and 84), not the
paper's. With Caffe's weights they had 0.635 to 0.65. Their file has torchvision's names, and its colours begin with
blue; put the first digits of its SHA-256 into its name:

    zoo train fcn8s --recipe paper --set pixels=caffe --set weights=vgg16-caffe/vgg16-0123abcd.pth

Numbers that the paper leaves open are those of the authors' own code, github.com/shelhamer/fcn.berkeleyvision.org.
"""

from functools import partial
from typing import Literal, Self, cast

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from zoo.contracts import Ask, Batch, Family, Inputs, Learner, Recipe, Scalars, Target
from zoo.data.segmentation import VOID, open_segmentation
from zoo.evaluation.segmentation import SegmentationBenchmark
from zoo.tasks.segmentation import SegmentationFacts
from zoo.training import Updater, shuffled
from zoo.training.updater import polynomial_decay
from zoo.training.weights import published_weights

Pixels = Literal["torchvision", "caffe"]
MEAN_AND_DEVIATION: dict[Pixels, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "torchvision": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),  # 0.485 ... 0.406 and 0.229 ... 0.225 of 255
    "caffe": ((122.67892, 116.66877, 104.00699), (1.0, 1.0, 1.0)),  # code, voc_layers.py; red first here
}
DEPTHS = (2, 2, 3, 3, 3)  # convolutions a stage: VGG-16, Simonyan and Zisserman 2015, table 1, column D


class FCNRecipe(Recipe):
    """The defaults are the authors'."""

    width: int = Field(64, ge=1, description="channels of the first stage; later ones 2, 4, 8 and 8 times (VGG-16)")
    head: int = Field(4096, ge=1, description="channels of fc6 and fc7 (VGG-16)")
    batch_norm: bool = Field(False, description="after each convolution of the stages; ours, to learn from chance")
    dropout: float = Field(0.5, ge=0, lt=1, description="after fc6 and fc7 (section 4.3)")
    skip_scales: tuple[float, float] = Field((0.01, 0.0001), description="on pool4, pool3 (voc-fcn8s-atonce/net.py)")
    learning_rate: float = Field(1e-10, gt=0, description="for a loss summed over pixels (solver.prototxt)")
    momentum: float = Field(0.99, ge=0, lt=1, description="solver.prototxt")
    weight_decay: float = Field(5e-4, ge=0, description="not on biases (solver.prototxt, net.py)")
    decay_power: float = Field(0.0, ge=0, description="of the rate's polynomial decay; 0: fixed (section 4.3)")
    crop: int | None = Field(
        None, ge=1, description="side of scaled, mirrored crops; none: whole pictures (section 4.3)"
    )
    zoom: tuple[float, float] = Field((0.75, 1.5), description="range of the crops' scale; ours")
    light: float = Field(0.0, ge=0, lt=1, description="largest change of each colour's gain in a crop; ours")
    weights: str = Field("", description="a VGG-16 file under datasets/ with torchvision's names; none: from chance")
    pixels: Pixels = Field("torchvision", description="scale and order of the colours that those weights take")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.crop is None and self.batch_size > 1:
            raise ValueError(f"whole pictures differ in size: expected batch_size=1 or a crop, got {self.batch_size}")
        if self.weights and (self.width, self.head, self.batch_norm) != (64, 4096, False):
            raise ValueError("VGG-16's weights fit width=64, head=4096, batch_norm=False only; got another network")
        return self


class FCN(nn.Module):
    """VGG-16 without its classifier's last layer, made convolutional, with class scores at stride 32, and at 16 and 8
    by skips (section 4.2, figure 3). Implements `zoo.tasks.segmentation.Segmenter`.

    Args:
        classes: how many.
        stride: 32, 16 or 8: where the finest scores are computed, before fixed bilinear upsampling.
        pixels: how the colours of a picture are scaled, and in which order published weights have them.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        classes: int,
        *,
        stride: int,
        width: int = 64,
        head: int = 4096,
        batch_norm: bool = False,
        dropout: float = 0.5,
        skip_scales: tuple[float, float] = (0.01, 0.0001),
        pixels: Pixels = "torchvision",
    ) -> None:
        super().__init__()
        widths = [3, width, 2 * width, 4 * width, 8 * width, 8 * width]
        self.stages = nn.ModuleList(
            _stage(before, after, depth, batch_norm=batch_norm)
            for before, after, depth in zip(widths[:-1], widths[1:], DEPTHS, strict=True)
        )
        self.head = nn.Sequential(
            *(nn.Conv2d(widths[5], head, 7, padding=3), nn.ReLU(inplace=True), nn.Dropout(dropout)),
            *(nn.Conv2d(head, head, 1), nn.ReLU(inplace=True), nn.Dropout(dropout)),
        )
        for layer in self.head:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        self.score = _score(head, classes)
        shallow = zip(widths[4:2:-1], skip_scales, (16, 8), strict=True)  # pool4, pool3
        self.skips = nn.ModuleList(Skip(w, classes, scale=s) for w, s, at in shallow if at >= stride)
        self.stride, self.pixels = stride, pixels
        mean, deviation = MEAN_AND_DEVIATION[pixels]
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).view(3, 1, 1), persistent=False)

    def forward(self, images: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n classes h w"]:
        """Class scores of every pixel, before the softmax."""
        x = (images - self.mean) / self.deviation
        pools = []
        for stage in self.stages:
            x = stage(x)
            pools.append(x)
        scores = self.score(self.head(x))
        for skip, pool in zip(self.skips, pools[3:1:-1], strict=False):
            scores = skip(scores, pool)
        scores = functional.interpolate(scores, scale_factor=self.stride, mode="bilinear", align_corners=False)
        return _cropped(scores, images)

    @torch.inference_mode()
    def segment(self, images: UInt8[Tensor, "n 3 h w"]) -> Int64[Tensor, "n h w"]:
        """The class of every pixel."""
        return cast(Tensor, self(images.to(self.score.weight.device))).argmax(dim=1)

    def start_from(self, published: dict[str, Tensor]) -> None:
        """Take the 15 layers that a VGG-16 under torchvision's names shares with this network (section 4.1): fully
        connected ones become convolutions by a change of shape, and Caffe's first layer comes to see red first."""
        ours = [
            module for part in (self.stages, self.head) for module in part.modules() if isinstance(module, nn.Conv2d)
        ]
        theirs = [name.removesuffix(".weight") for name in published if name.endswith(".weight")]
        with torch.no_grad():
            for layer, name in zip(ours, theirs[: len(ours)], strict=True):
                layer.weight.copy_(published[f"{name}.weight"].view_as(layer.weight))
                cast(Tensor, layer.bias).copy_(published[f"{name}.bias"])
            if self.pixels == "caffe":
                ours[0].weight.copy_(ours[0].weight.flip(1))


class Skip(nn.Module):
    """Coarse scores, upsampled twice, plus the scores of a shallower layer; the upsampling starts bilinear."""

    def __init__(self, width: int, classes: int, *, scale: float) -> None:
        super().__init__()
        self.score = _score(width, classes)
        self.upsample = nn.ConvTranspose2d(classes, classes, 4, stride=2, padding=1, bias=False)
        self.scale = scale
        tent = torch.tensor([0.25, 0.75, 0.75, 0.25])
        with torch.no_grad():
            self.upsample.weight.copy_(torch.eye(classes)[:, :, None, None] * torch.outer(tent, tent))

    def forward(
        self, coarse: Float[Tensor, "n classes _h _w"], pool: Float[Tensor, "n width h w"]
    ) -> Float[Tensor, "n classes h w"]:
        return _cropped(self.upsample(coarse), pool) + self.score(pool * self.scale)


def _stage(before: int, after: int, depth: int, *, batch_norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (before, *[after] * (depth - 1)):
        convolution = nn.Conv2d(channels, after, 3, padding=1, bias=not batch_norm)
        nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
        norm = [nn.BatchNorm2d(after)] if batch_norm else []
        layers += [convolution, *norm, nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.MaxPool2d(2, ceil_mode=True))


def _score(width: int, classes: int) -> nn.Conv2d:
    """A 1x1 convolution that starts at zero (section 4.3)."""
    layer = nn.Conv2d(width, classes, 1)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(cast(Tensor, layer.bias))
    return layer


def _cropped(larger: Tensor, like: Tensor) -> Tensor:
    return larger[..., : like.shape[-2], : like.shape[-1]]


class FCNLearner(Learner):
    """Cross entropy summed over the labelled pixels, under SGD; biases learn at twice the rate (section 4.3)."""

    def __init__(self, recipe: FCNRecipe, facts: SegmentationFacts, *, stride: int) -> None:
        super().__init__()
        self.recipe = recipe
        self.network = FCN(
            len(facts.classes),
            stride=stride,
            width=recipe.width,
            head=recipe.head,
            batch_norm=recipe.batch_norm,
            dropout=recipe.dropout,
            skip_scales=recipe.skip_scales,
            pixels=recipe.pixels,
        )
        named = list(self.network.named_parameters())
        rate = recipe.learning_rate
        self.update = Updater(
            [
                {"params": [p for name, p in named if not name.endswith("bias")], "weight_decay": recipe.weight_decay},
                {"params": [p for name, p in named if name.endswith("bias")], "lr": 2 * rate},
            ],
            torch.optim.SGD,
            lr=rate,
            momentum=recipe.momentum,
            schedule=polynomial_decay(recipe.steps, recipe.decay_power),
        )

    def begin(self, inputs: Inputs) -> None:
        """Load the published VGG-16 that the recipe names."""
        if self.recipe.weights:
            self.network.start_from(published_weights(inputs.datasets / self.recipe.weights))

    def step(self, batch: Batch) -> Scalars:
        scores, label = self.network(batch["image"]), batch["label"]
        loss = summed_loss(scores, label)
        self.update(loss)
        labelled = (label != VOID).sum().clamp(min=1)
        return {"loss": loss.detach() / labelled, "pixel_accuracy": (scores.argmax(1) == label).sum() / labelled}

    def predictor(self) -> nn.Module:
        return self.network


def summed_loss(scores: Float[Tensor, "n classes h w"], label: Int64[Tensor, "n h w"]) -> Float[Tensor, ""]:
    """Cross entropy, summed over the pixels that have a label.

    Pixels are rows of a matrix: of labels in two dimensions PyTorch has no kernel that is deterministic on a GPU.
    """
    rows = functional.log_softmax(scores.float(), dim=1).movedim(1, -1).flatten(0, 2)
    return functional.nll_loss(rows, label.flatten(), ignore_index=VOID, reduction="sum")


class FCNBatches:
    """Training pictures with labels: whole, or as crops that are scaled and mirrored at random."""

    def __init__(self, recipe: FCNRecipe, inputs: Inputs) -> None:
        self.recipe = recipe
        self.split = open_segmentation(inputs.dataset(recipe.dataset), "train")
        self.facts = SegmentationFacts(classes=self.split.classes)

    def __call__(self, step: int) -> Batch:
        recipe = self.recipe
        rng = np.random.default_rng([recipe.seed, step])
        pairs = [self.split[i] for i in shuffled(len(self.split), recipe.batch_size, seed=recipe.seed, step=step)]
        if recipe.crop is not None:
            pairs = [scaled_crop(*pair, side=recipe.crop, zoom=recipe.zoom, rng=rng) for pair in pairs]
            pairs = [(relit(image, recipe.light, rng=rng), label) for image, label in pairs]
        images, labels = (np.stack(part) for part in zip(*pairs, strict=True))
        return {
            "image": torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(),
            "label": torch.from_numpy(labels).long(),
        }


def scaled_crop(
    image: UInt8[np.ndarray, "h w 3"],
    label: UInt8[np.ndarray, "h w"],
    *,
    side: int,
    zoom: tuple[float, float],
    rng: np.random.Generator,
) -> tuple[UInt8[np.ndarray, "{side} {side} 3"], UInt8[np.ndarray, "{side} {side}"]]:
    """A random square of a picture at a random scale, mirrored half of the time; void where it leaves the picture."""
    scale = np.exp(rng.uniform(*np.log(zoom)))
    window = side / scale  # in pixels of the picture
    room = np.array(label.shape[::-1]) - window
    x, y = rng.uniform(np.minimum(room, 0), np.maximum(room, 0)) + (0.5 / scale - 0.5)
    across = 1 / scale
    if rng.random() < 0.5:
        x, across = x + (side - 1) / scale, -across
    to_picture = np.array([[across, 0, x], [0, 1 / scale, y]])
    return (
        cv2.warpAffine(image, to_picture, (side, side), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP),
        cv2.warpAffine(
            label, to_picture, (side, side), flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP, borderValue=VOID
        ),
    )


def relit(image: UInt8[np.ndarray, "h w 3"], light: float, *, rng: np.random.Generator) -> UInt8[np.ndarray, "h w 3"]:
    """A picture in another light: each colour times a gain within `light` of 1."""
    return np.clip(image * rng.uniform(1 - light, 1 + light, size=3), 0, 255).astype(np.uint8)


PAPER = "Long, Shelhamer and Darrell, Fully convolutional networks for semantic segmentation, CVPR 2015; PAMI 2017"
VGG16 = "vgg16-imagenet/vgg16-397923af.pth"


def _from_chance(
    dataset: str,
    *,
    steps: int,
    crop: int,
    dropout: float = 0.5,
    light: float = 0.3,
    rate: float = 0.05,
    zoom: tuple[float, float] = (0.75, 1.5),
) -> FCNRecipe:
    """A narrow network with batch normalisation; these numbers are ours, compared on collage-seg's val at seed 0."""
    return FCNRecipe(
        dataset=dataset,
        steps=steps,
        batch_size=4,
        width=16,
        head=128,
        batch_norm=True,
        dropout=dropout,
        skip_scales=(1.0, 1.0),
        learning_rate=rate / (4 * crop**2),
        momentum=0.9,
        weight_decay=0.0,
        decay_power=0.9,
        crop=crop,
        zoom=zoom,
        light=light,
    )


def _benchmark(recipe: FCNRecipe, inputs: Inputs) -> SegmentationBenchmark:
    return SegmentationBenchmark(recipe.scored, inputs)


def _published_scores(*scores: tuple[float, str]) -> tuple[Target, ...]:
    """mIoU on VOC 2011's seg11valid, after training on SBD from Caffe's VGG-16."""
    return tuple(Target(metric="mIoU", value=value, dataset="voc-sbd", source=source) for value, source in scores)


AUTHORS, OTHERS = "PAMI 2017 and the authors' code", "github.com/wkentaro/pytorch-fcn"

FCN32S = Family(
    name="fcn32s",
    paper=PAPER,
    recipes={
        "smoke": _from_chance("collage-seg", steps=150, crop=96, dropout=0.0, light=0.15),
        # Scores a stride of 32 apart say little of what shrinks below it: no crop does.
        "mini": _from_chance("collage-seg", steps=900, crop=96, dropout=0.0, rate=0.02, zoom=(1.0, 1.25)),
        # voc-fcn32s/solver.prototxt, on SBD's training pictures.
        "paper": FCNRecipe(dataset="voc-sbd", steps=100_000, batch_size=1, weights=VGG16),
    },
    learner=partial(FCNLearner, stride=32),
    facts=SegmentationFacts,
    training_set=FCNBatches,
    benchmark=_benchmark,
    asks=(Ask(metric="mIoU", value=0.166),),
    targets=_published_scores((0.636, AUTHORS), (0.6284, OTHERS)),
)
FCN16S = Family(
    name="fcn16s",
    paper=PAPER,
    recipes={
        "smoke": _from_chance("collage-seg", steps=150, crop=96, dropout=0.0, light=0.15),
        "mini": _from_chance("collage-seg", steps=450, crop=96, dropout=0.0, rate=0.02),
        # voc-fcn8s-atonce/solver.prototxt, on SBD's training pictures.
        "paper": FCNRecipe(dataset="voc-sbd", steps=300_000, batch_size=1, weights=VGG16),
    },
    learner=partial(FCNLearner, stride=16),
    facts=SegmentationFacts,
    training_set=FCNBatches,
    benchmark=_benchmark,
    asks=(Ask(metric="mIoU", value=0.249),),
    targets=_published_scores((0.65, f"{AUTHORS}, in stages"), (0.6491, f"{OTHERS}, in stages")),
)
FCN8S = Family(
    name="fcn8s",
    paper=PAPER,
    recipes={
        "smoke": _from_chance("collage-seg", steps=150, crop=96, dropout=0.0, light=0.15),
        "mini": _from_chance("collage-seg", steps=450, crop=96),
        "camvid": _from_chance("camvid", steps=300, crop=224),
        # voc-fcn8s-atonce/solver.prototxt, on SBD's training pictures.
        "paper": FCNRecipe(dataset="voc-sbd", steps=300_000, batch_size=1, weights=VGG16),
    },
    learner=partial(FCNLearner, stride=8),
    facts=SegmentationFacts,
    training_set=FCNBatches,
    benchmark=_benchmark,
    asks=(Ask(metric="mIoU", value=0.249),),
    targets=_published_scores(
        (0.654, f"{AUTHORS}, at once, as here"),
        (0.6474, f"{OTHERS}, at once, as here"),
        (0.655, f"{AUTHORS}, in stages"),
        (0.6549, f"{OTHERS}, in stages"),
    ),
)

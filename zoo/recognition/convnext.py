"""ConvNeXt: a convolutional network in a Transformer's proportions, of depthwise 7x7 kernels and pointwise perceptrons.

    zoo train convnext --recipe mini       # accuracy 0.961 +- 0.005 on digits (seeds 0-2); majority class 0.101
    zoo train convnext --recipe cifar10    # pictures of 32 x 32

Liu, Mao, Wu, Feichtenhofer, Darrell, Xie, "A ConvNet for the 2020s", CVPR 2022, arXiv 2201.03545 ("paper" below);
"code" is the authors', github.com/facebookresearch/ConvNeXt (TRAINING.md, main.py, datasets.py). The network is
torchvision's; its file of weights fits `network.`.

`paper` is ConvNeXt-T on ImageNet at 224. It has never been run here. Bring ImageNet of 2012, as zoo/data/imagenet.py
has it, by `zoo data add imagenet PATH`, and a GPU: 93,835 steps of 4,096 pictures, of which `at_once` are in memory
together (`--set at_once=256`, or as many as fit). What is scored is the moving average of the weights, as the authors'
file is: 0.821. torchvision's 0.82520 is another recipe's.

Differs from the code: the rate falls to 0, not to 1e-6; RandAugment's fifteen operations are torchvision's, where the
code's are Pillow's, and interpolate bilinearly alone; mixed pictures are rounded to bytes; erased pixels are noise
around the colours' mean, cut at the ends of their range; an epoch's last batch is filled up by the next one's first
pictures. `smoke`, `mini` and `cifar10` are narrow, have two stages and layer scales that start from 1, without which so
few steps leave the blocks next to nothing, and publish the weights themselves. Pictures are enlarged to `side`, because
the stem alone shrinks them by 4; grey ones are shown as three equal colours.
"""

from collections.abc import Mapping
from typing import cast

import torch
from jaxtyping import Float, UInt8
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.convnext import ConvNeXt as Network

from zoo.contracts import Ask, Family, Picture, Target
from zoo.drawing.classification import filters
from zoo.evaluation.imagenet import classification
from zoo.recognition.cross_entropy import CrossEntropy
from zoo.tasks.classification import ClassificationFacts
from zoo.training.augmented import Augmented, augmented_batches
from zoo.training.optimizers import Optimized

EPOCH = 1_281_167  # pictures of ImageNet's training set
MEAN, DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # of ImageNet's colours; code, datasets.py


class ConvNeXtRecipe(Optimized, Augmented):
    """The defaults are ConvNeXt-T's (section 2; code)."""

    depths: tuple[int, ...] = Field((3, 3, 9, 3), min_length=1, description="blocks of each stage")
    widths: tuple[int, ...] = Field((96, 192, 384, 768), min_length=1, description="channels of each stage")
    side: int = Field(224, ge=4, description="pixels to which pictures of another size are brought")
    layer_scale: float = Field(1e-6, gt=0, description="that a block's gains start from")
    stochastic_depth: float = Field(0.1, ge=0, lt=1, description="chance that the last block is left out in training")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="share of a label that is spread over all classes")
    average: float | None = Field(0.9999, ge=0, lt=1, description="decay of what is published; none: the weights")
    at_once: int | None = Field(None, ge=1, description="pictures in memory together; none: a batch; ours")


class ConvNeXt(nn.Module):
    """torchvision's network, told pictures as people have them.

    Implements `zoo.evaluation.sampling.FeatureSpace`: the normalised mean over places describes a picture.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        classes: int,
        *,
        depths: tuple[int, ...] = (3, 3, 9, 3),
        widths: tuple[int, ...] = (96, 192, 384, 768),
        side: int = 224,
        layer_scale: float = 1e-6,
        stochastic_depth: float = 0.0,
    ) -> None:
        super().__init__()
        if len(depths) != len(widths) or sum(depths) < 2:
            raise ValueError(f"expected a depth for each width, two blocks at least, got {depths} and {widths}.")
        stages = [
            CNBlockConfig(width, after, depth)
            for width, after, depth in zip(widths, (*widths[1:], None), depths, strict=True)
        ]
        self.network = Network(stages, stochastic_depth, layer_scale, num_classes=classes)
        self.side = side
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(3, 1, 1), persistent=False)

    def forward(self, images: UInt8[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        """Class scores before the softmax."""
        return self.network.classifier[2](self.features(images))

    def features(self, images: UInt8[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        maps = self.network.features(self._pixels(images))
        return self.network.classifier[:2](self.network.avgpool(maps))

    def probabilities(self, images: UInt8[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        return self(images).softmax(dim=1)

    def _pixels(self, images: UInt8[Tensor, "n c h w"]) -> Float[Tensor, "n 3 side side"]:
        pixels = (images - self.mean) / self.deviation
        if pixels.shape[-2:] == (self.side, self.side):
            return pixels
        return functional.interpolate(pixels, size=(self.side, self.side), mode="bilinear", antialias=True)


def _first_filters(network: ConvNeXt, _shown: Tensor) -> Mapping[str, Picture]:
    first = cast(nn.Conv2d, network.network.features[0][0])
    return {"first_filters": filters(first.weight.cpu().numpy())}


def _learner(recipe: ConvNeXtRecipe, facts: ClassificationFacts) -> CrossEntropy:
    network = ConvNeXt(
        len(facts.classes),
        depths=recipe.depths,
        widths=recipe.widths,
        side=recipe.side,
        layer_scale=recipe.layer_scale,
        stochastic_depth=recipe.stochastic_depth,
    )
    return CrossEntropy(
        network,
        recipe,
        facts,
        smoothing=recipe.label_smoothing,
        average=recipe.average,
        at_once=recipe.at_once,
        draw=_first_filters,
    )


def _narrow(*, steps: int, dataset: str = "digits", side: int = 32, mirror: bool = False) -> ConvNeXtRecipe:
    """Ours: a network that learns from few small pictures in a minute."""
    return ConvNeXtRecipe(
        dataset=dataset,
        steps=steps,
        batch_size=64,
        depths=(2, 2),
        widths=(32, 64),
        side=side,
        layer_scale=1.0,
        stochastic_depth=0.1,
        average=None,
        shift=1,
        mirror=mirror,
        optimizer="adamw",
        learning_rate=2e-3,
        weight_decay=0.05,
        schedule="cosine",
        warmup=steps // 10,
    )


FAMILY = Family(
    name="convnext",
    paper="Liu et al., A ConvNet for the 2020s, CVPR 2022",
    recipes={
        "smoke": _narrow(steps=60),
        "mini": _narrow(steps=900),
        "cifar10": _narrow(steps=150, dataset="cifar10", mirror=True),
        # TRAINING.md: 300 epochs in batches of 4,096, 20 of them warm up
        "paper": ConvNeXtRecipe(
            dataset="imagenet",
            steps=300 * EPOCH // 4096,
            batch_size=4096,
            mirror=True,
            rand_augment=(9.0, 0.5),
            erase=0.25,
            mixup=0.8,
            cutmix=1.0,
            optimizer="adamw",
            learning_rate=4e-3,
            weight_decay=0.05,
            schedule="cosine",
            warmup=20 * EPOCH // 4096,
        ),
    },
    learner=_learner,
    facts=ClassificationFacts,
    training_set=augmented_batches,
    benchmark=classification,
    asks=(Ask(metric="accuracy", value=0.95),),
    targets=(
        Target(metric="accuracy", value=0.821, dataset="imagenet", source="paper, table 1; code, README.md: EMA"),
        Target(metric="accuracy", value=0.82520, dataset="imagenet", source="torchvision, IMAGENET1K_V1: its recipe"),
        Target(metric="top5_accuracy", value=0.96146, dataset="imagenet", source="torchvision, IMAGENET1K_V1"),
    ),
)

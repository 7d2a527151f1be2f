"""A convolutional network with group normalisation: what it says of a picture does not depend on the batch.

    zoo train cnn --recipe mini    # accuracy 0.975 +- 0.002 on digits (seeds 0-2); majority class 0.101

Wu and He, "Group Normalization", ECCV 2018, arXiv 1803.08494: channels are cut into groups of neighbours, and each
picture's groups are normalised over their channels and places by their own mean and biased variance, in training as in
use; gain and offset are a channel's own.

The plan is ours: stages of two 3x3 convolutions, each followed by group normalisation and ReLU, then pooling by half;
the mean over places, and one affine map. The paper has no network of this size and no number on CIFAR-10, so `paper` is
held against what the second assignment of CS231n asks of any network after ten passes (PyTorch.ipynb, open-ended
challenge: 0.70 of the validation pictures). It needs no more than the data, `zoo data fetch cifar10`.

What each optimizer makes of the same network, docs/optimizers.md shows.
"""

from collections.abc import Mapping
from typing import Self, cast

from jaxtyping import Float, UInt8
from pydantic import Field, model_validator
from torch import Tensor, nn

from zoo.contracts import Ask, Family, Picture, Target
from zoo.drawing.classification import filters
from zoo.evaluation.classification import accuracy_in_test
from zoo.recognition.cross_entropy import CrossEntropy
from zoo.tasks.classification import ClassificationFacts
from zoo.training.labelled import Moved, labelled_batches
from zoo.training.optimizers import Optimized


class CNNRecipe(Optimized, Moved):
    """Ours throughout."""

    widths: tuple[int, ...] = Field((64, 128, 256), min_length=1, description="channels of each stage")
    groups: int = Field(8, ge=1, description="of channels, normalised together")

    @model_validator(mode="after")
    def _whole_groups(self) -> Self:
        if any(width % self.groups for width in self.widths):
            raise ValueError(f"expected widths that {self.groups} groups divide, got {self.widths}")
        return self


class CNN(nn.Module):
    """Implements `zoo.evaluation.sampling.FeatureSpace`: the last stage's mean describes a picture."""

    def __init__(self, facts: ClassificationFacts, *, widths: tuple[int, ...], groups: int) -> None:
        super().__init__()
        if min(facts.height, facts.width) < 2 ** len(widths):
            raise ValueError(
                f"expected pictures of at least {2 ** len(widths)} pixels a side, which {len(widths)} stages halve, "
                f"got {facts.height} x {facts.width}. Give fewer widths."
            )
        stages, before = [], facts.channels
        for width in widths:
            stages.append(_stage(before, width, groups=groups))
            before = width
        self.stages = nn.Sequential(*stages)
        self.scores = nn.Linear(before, len(facts.classes))

    def features(self, images: UInt8[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        return cast(Tensor, self.stages(images.float() / 127.5 - 1)).mean(dim=(2, 3))

    def forward(self, images: UInt8[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        """Class scores before the softmax."""
        return cast(Tensor, self.scores(self.features(images)))

    def probabilities(self, images: UInt8[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        return self(images).softmax(dim=1)


def _stage(before: int, width: int, *, groups: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (before, width):
        convolution = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
        layers += [convolution, nn.GroupNorm(groups, width), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.MaxPool2d(2))


def _first_filters(network: CNN, _shown: Tensor) -> Mapping[str, Picture]:
    first = cast(nn.Conv2d, cast(nn.Sequential, network.stages[0])[0])
    return {"first_filters": filters(first.weight.cpu().numpy())}


def _learner(recipe: CNNRecipe, facts: ClassificationFacts) -> CrossEntropy:
    network = CNN(facts, widths=recipe.widths, groups=recipe.groups)
    return CrossEntropy(network, recipe, facts, draw=_first_filters)


def _narrow(*, steps: int, dataset: str = "digits", mirror: bool = False) -> CNNRecipe:
    return CNNRecipe(
        dataset=dataset,
        steps=steps,
        batch_size=64,
        widths=(32, 64),
        shift=1,
        mirror=mirror,
        optimizer="adamw",
        learning_rate=3e-3,
        weight_decay=0.05,
        schedule="cosine",
    )


FAMILY = Family(
    name="cnn",
    paper="Wu and He, Group Normalization, ECCV 2018",
    recipes={
        "smoke": _narrow(steps=100),
        "mini": _narrow(steps=1200),
        "cifar10": _narrow(steps=300, dataset="cifar10", mirror=True),
        "paper": CNNRecipe(
            dataset="cifar10", steps=10 * 50_000 // 64, batch_size=64, shift=4, mirror=True, schedule="cosine"
        ),
    },
    learner=_learner,
    facts=ClassificationFacts,
    training_set=labelled_batches,
    benchmark=accuracy_in_test,
    asks=(Ask(metric="accuracy", value=0.96),),
    targets=(
        Target(metric="accuracy", value=0.70, dataset="cifar10", source="CS231n, PyTorch.ipynb, ten passes, at least"),
    ),
)

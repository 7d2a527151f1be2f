"""HCF: on features of a network that others trained, learn in every frame where in a window the object is, by ridge
regression solved in the Fourier domain; a deep layer finds the object, shallow ones say where exactly.

    zoo train hcf --recipe mini

Trains nothing, and scores success AUC 0.485 on collage-track in 10 s of one core (seed 0 of the SiamFC below it, as
nothing here is random; 0.169 if the first box never moves, and 0.15 more was asked for). On a SiamFC of 300 steps it
was 0.528 +- 0.036 (three seeds), and on OTB's Crossing and DragonBaby: 0.514 +- 0.037 (floor 0.152), which two
sequences are no evidence for: the SiamFC whose features these are was below the floor on three of five others.

Ma, Huang, Yang, Yang, "Hierarchical Convolutional Features for Visual Tracking", ICCV 2015 ("paper" below); "code" is
the authors' release as of the paper, github.com/jbhuang0604/CF2 at 4b895b5. As in the paper the size of the box never
changes, and nothing is trained offline.

Differs from the paper: as in the code, features are divided by the root of their number, so that the regularization
means the same in any window, and the finer layers search no neighbourhood of the coarser one's peak but all of the
window (section 4.3: the results are not sensitive to it). Numerator and denominator of the filters are averaged over
frames (eq. 4), where the code averages their dual form and the features. A displacement counts in true cells, where
the code takes 4 pixels for each. `paper` starts from torchvision's VGG-19, not from Caffe's. `smoke`,
`mini` and `otb` take the embedding of `siamfc.collage-track`, padded to keep the size of its input: it has seen no
photograph of a test object.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, Self, cast

import cv2
import numpy as np
import torch
from jaxtyping import Complex, Float, UInt8
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.vgg import cfgs, make_layers

from zoo.contracts import Ask, Facts, Family, Inputs, Learner, Recipe, Scores, Target
from zoo.evaluation.tracking import one_pass_evaluation
from zoo.tasks.tracking import Box, Frame
from zoo.tracking.siamfc import SiamFCTracker
from zoo.training.weights import published_weights

IMAGENET_MEAN = (123.675, 116.28, 103.53)  # torchvision's 0.485, 0.456, 0.406 and
IMAGENET_DEVIATION = (58.395, 57.12, 57.375)  # 0.229, 0.224, 0.225 of 255
VGG19 = "vgg19-imagenet/vgg19-dcbb9e9d.pth"
LARGE = 0.05  # share of the frame from which an object is large; code, get_search_window.m
TALL = 2.0  # height over width from which an object is tall; code, get_search_window.m


class HCFRecipe(Recipe):
    """The defaults are the paper's, section 5 (implementation details), unless said."""

    steps: int = Field(0, ge=0, le=0, description="nothing is trained")
    batch_size: int = Field(1, ge=1, description="nothing is trained")

    # Where the features come from: exactly one of the two
    weights: str = Field("", description="a torchvision VGG-19 file under datasets/")
    features: str = Field("", description="a siamfc entry of the zoo")
    layers: tuple[int, int, int] = Field(
        (17, 26, 35), description="conv3-4, conv4-4, conv5-4, each after its ReLU, in torchvision's numbering"
    )
    side: Scores[int] = Field(
        224, ge=16, description="pixels; every window is resized to this square; code, get_features.m"
    )

    gamma: Scores[tuple[float, float, float]] = Field(
        (0.02, 0.5, 1.0), description="weight of each layer's response (eq. 5)"
    )
    cell: Scores[int] = Field(4, ge=1, description="pixels of the frame a cell of the features, about")
    regularization: Scores[float] = Field(1e-4, gt=0, description="lambda (eq. 1)")
    label_width: Scores[float] = Field(
        0.1, gt=0, description="standard deviation of the label, in objects (their root area)"
    )
    rate: Scores[float] = Field(0.01, ge=0, le=1, description="share of a new frame in the filters (eta, eq. 4)")
    margins: Scores[tuple[float, float, float]] = Field(
        (1.8, 1.0, 0.4),
        description="of the window around an object, in its sides: of most, of a large one, above and below a tall one "
        "(code, run_CF2.m)",
    )

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.features,) if self.features else ()

    @classmethod
    def upgraded(cls, numbers: Mapping[str, Any]) -> dict[str, Any]:
        """Once the siamfc entry's own numbers were repeated here."""
        return {name: value for name, value in numbers.items() if name not in ("channels", "kernel", "stride")}

    @classmethod
    def older_upstream(cls, numbers: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        if not numbers["features"]:
            return {}
        recipe = {"dataset": "collage-track", "steps": 1, "batch_size": 1}
        recipe |= {name: numbers[name] for name in ("channels", "kernel", "stride")}
        return {numbers["features"]: {"family": "siamfc", "recipe_name": "", "recipe": recipe, "facts": dict(facts)}}

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if bool(self.weights) == bool(self.features):
            raise ValueError(f"expected either weights or features, got {self.weights!r} and {self.features!r}")
        return self


class Hierarchy(nn.Module):
    """Layers in a row, some of which are looked at, shallow ones first.

    Args:
        seen: indices of those layers.
        mean: of the pictures, 0 to 255, which is subtracted.
        deviation: of the pictures, by which is divided.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, layers: nn.Sequential, seen: Sequence[int], *, mean: Sequence[float], deviation: Sequence[float]
    ) -> None:
        super().__init__()
        self.layers = layers[: max(seen) + 1]
        self.seen = frozenset(seen)
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).view(3, 1, 1), persistent=False)

    def forward(self, images: UInt8[Tensor, "n 3 h w"]) -> list[Float[Tensor, "n _c _h _w"]]:
        x = (images - self.mean) / self.deviation
        maps = []
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i in self.seen:
                maps.append(x.clone())  # the next layer may work in place
        return maps

    def start_from(self, weights: Mapping[str, Tensor], *, prefix: str) -> None:
        """Take over those weights whose name begins with `prefix`; layers after the last one seen are left out.

        Raises:
            RuntimeError: they are another network's.
        """
        named = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
        self.layers.load_state_dict({k: v for k, v in named.items() if int(k.partition(".")[0]) < len(self.layers)})


def vgg19(seen: Sequence[int]) -> Hierarchy:
    """The convolutions of VGG-19 (Simonyan and Zisserman 2015, table 1, column E): 20,024,384 parameters."""
    return Hierarchy(make_layers(cfgs["E"]), seen, mean=IMAGENET_MEAN, deviation=IMAGENET_DEVIATION)


def siamese(seen: Sequence[int], embedding: nn.Sequential) -> Hierarchy:
    """A copy of SiamFC's embedding, padded, so that the maps of all layers show all of the window."""
    layers = deepcopy(embedding)
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            across = layer.kernel_size if isinstance(layer.kernel_size, int) else layer.kernel_size[0]
            layer.padding = across // 2 if isinstance(layer, nn.MaxPool2d) else (across // 2, across // 2)
    return Hierarchy(layers, seen, mean=(127.5,) * 3, deviation=(255.0,) * 3)


class CorrelationFilter:
    """The filter that answers features with a label: ridge regression over all their cyclic shifts (eq. 1), whose
    solution has a numerator and a denominator for each frequency (eq. 2).

    Args:
        features: of the first frame.
        label: the response that is wanted to them.
    """

    def __init__(
        self,
        features: Float[Tensor, "c rows columns"],
        label: Float[Tensor, "rows columns"],
        *,
        regularization: float,
    ) -> None:
        self.shape = label.shape
        self.label = torch.fft.rfft2(label)
        self.regularization = regularization
        self.numerator, self.denominator = self._fractions(features)

    def update(self, features: Float[Tensor, "c rows columns"], *, rate: float) -> None:
        """Learn a new frame's features: its share of the filter is `rate`, of all before it 1 - `rate` (eq. 4)."""
        numerator, denominator = self._fractions(features)
        self.numerator = (1 - rate) * self.numerator + rate * numerator
        self.denominator = (1 - rate) * self.denominator + rate * denominator

    def respond(self, features: Float[Tensor, "c rows columns"]) -> Float[Tensor, "rows columns"]:
        """What the filter answers (eq. 3): features that are shifted get a response that is shifted alike."""
        response = (self.numerator * torch.fft.rfft2(features)).sum(0) / (self.denominator + self.regularization)
        return torch.fft.irfft2(response, s=self.shape)

    def _fractions(
        self, features: Float[Tensor, "c rows columns"]
    ) -> tuple[Complex[Tensor, "c rows half"], Float[Tensor, "rows half"]]:
        spectrum = torch.fft.rfft2(features)
        return self.label * spectrum.conj(), spectrum.abs().square().sum(0)


def cosine_window(rows: int, columns: int) -> Float[Tensor, "{rows} {columns}"]:
    """Falls to 0 at the border, so that a cyclic shift makes no edge there."""
    return torch.outer(torch.hann_window(rows, periodic=False), torch.hann_window(columns, periodic=False))


def gaussian_label(rows: int, columns: int, *, deviation: float) -> Float[Tensor, "{rows} {columns}"]:
    """exp(-distance^2 / (2 deviation^2)) from the cell (rows // 2, columns // 2), in cells (section 4.2)."""
    y, x = torch.arange(rows) - rows // 2, torch.arange(columns) - columns // 2
    return torch.exp(-(y[:, None] ** 2 + x[None, :] ** 2) / (2 * deviation**2))


@dataclass(frozen=True)
class Window:
    """A part of a frame in whole pixels; outside the frame its border goes on (code, get_subwindow.m)."""

    left: int
    top: int
    width: int
    height: int

    @staticmethod
    def around(box: Box, frame: Frame, *, margins: tuple[float, float, float]) -> "Window":
        """Where an object is looked for (code, get_search_window.m); `margins` as in the recipe."""
        usual, large, tall = margins
        across = along = usual
        if box.height > TALL * box.width:
            along = tall
        elif box.width * box.height > LARGE * frame.shape[0] * frame.shape[1]:
            across = along = large
        width, height = int(box.width * (1 + across)), int(box.height * (1 + along))
        left, top = round(box.left + (box.width - width) / 2), round(box.top + (box.height - height) / 2)
        return Window(left, top, width, height)

    def shown(self, frame: Frame, *, side: int) -> UInt8[Tensor, "3 {side} {side}"]:
        """This part of a frame, as the network sees it."""
        rows = np.arange(self.top, self.top + self.height).clip(0, frame.shape[0] - 1)
        columns = np.arange(self.left, self.left + self.width).clip(0, frame.shape[1] - 1)
        how = cv2.INTER_AREA if max(self.width, self.height) > side else cv2.INTER_LINEAR
        picture = cv2.resize(frame[rows[:, None], columns], (side, side), interpolation=how)
        return torch.from_numpy(picture).permute(2, 0, 1)


class HCFTracker(nn.Module):
    """Moves a window so that the object stays in its middle, behind `zoo.tasks.tracking.Tracker`.

    The running track is no part of `state_dict()`.
    """

    def __init__(
        self,
        network: Hierarchy,
        *,
        side: int,
        cell: int,
        gamma: Sequence[float],
        regularization: float,
        label_width: float,
        rate: float,
        margins: tuple[float, float, float],
    ) -> None:
        super().__init__()
        self.network = network
        self.side, self.cell, self.margins = side, cell, margins
        self.gamma, self.regularization, self.label_width, self.rate = gamma, regularization, label_width, rate

    @torch.inference_mode()
    def start(self, frame: Frame, box: Box) -> None:
        device = self.network.mean.device
        self.box = box
        self.window = Window.around(box, frame, margins=self.margins)
        rows, columns = (max(3, side // self.cell) for side in (self.window.height, self.window.width))
        self.fading = cosine_window(rows, columns).to(device)
        deviation = self.label_width * (box.width * box.height) ** 0.5 / self.cell
        label = gaussian_label(rows, columns, deviation=deviation).to(device)
        self.filters = [
            CorrelationFilter(features, label, regularization=self.regularization) for features in self._seen(frame)
        ]

    @torch.inference_mode()
    def follow(self, frame: Frame) -> Box:
        features = self._seen(frame)
        right, down = self._displacement(features)
        if right or down:
            self.box = self.box._replace(left=self.box.left + right, top=self.box.top + down)
            self.window = replace(self.window, left=self.window.left + right, top=self.window.top + down)
            features = self._seen(frame)
        for known, new in zip(self.filters, features, strict=True):
            known.update(new, rate=self.rate)
        return self.box

    def _displacement(self, features: Sequence[Float[Tensor, "_c rows columns"]]) -> tuple[int, int]:
        """How far right and down the object is from the middle of the window, in pixels: where the sum of the layers'
        weighted responses is highest (eq. 5)."""
        weighted = zip(self.gamma, self.filters, features, strict=True)
        response = torch.stack([weight * known.respond(seen) for weight, known, seen in weighted]).sum(0)
        rows, columns = response.shape
        y, x = divmod(int(response.argmax()), columns)
        return (
            round((x - columns // 2) * self.window.width / columns),
            round((y - rows // 2) * self.window.height / rows),
        )

    def _seen(self, frame: Frame) -> list[Float[Tensor, "_c rows columns"]]:
        """Features of the window, layer by layer, on one grid, fading towards the border (section 4.1)."""
        picture = self.window.shown(frame, side=self.side)[None].to(self.fading.device)
        maps = self.network(picture)
        on_grid = (functional.interpolate(each, self.fading.shape, mode="bilinear", antialias=True)[0] for each in maps)
        return [features * self.fading / features.numel() ** 0.5 for features in on_grid]


class HCFLearner(Learner):
    """Nothing is learned before a track begins: the weights are VGG-19's, or those of an entry of the zoo."""

    def __init__(self, recipe: HCFRecipe, _facts: Facts, upstream: Mapping[str, nn.Module] | None = None) -> None:
        super().__init__()
        self.recipe = recipe
        if upstream is None:
            network = vgg19(recipe.layers)
        else:
            tracker = cast(SiamFCTracker, upstream[recipe.features])
            network = siamese(recipe.layers, tracker.network.embedding)
        self.network = network.requires_grad_(False)

    def begin(self, inputs: Inputs) -> None:
        """Take the published weights, where the recipe names them.

        Raises:
            ValueError: they are not there, damaged, or another network's than the recipe describes.
        """
        if self.recipe.weights:
            self.network.start_from(published_weights(inputs.datasets / self.recipe.weights), prefix="features.")

    def predictor(self) -> HCFTracker:
        recipe = self.recipe
        return HCFTracker(
            self.network,
            side=recipe.side,
            cell=recipe.cell,
            gamma=recipe.gamma,
            regularization=recipe.regularization,
            label_width=recipe.label_width,
            rate=recipe.rate,
            margins=recipe.margins,
        )


def _on_siamfc(dataset: str) -> HCFRecipe:
    """On SiamFC at half the resolution: conv1, conv2 and conv5, which see 5, 15 and 43 pixels at strides 1, 2 and 4."""
    return HCFRecipe(
        dataset=dataset,
        features="siamfc.collage-track",
        layers=(2, 6, 14),
        side=96,
    )


FAMILY = Family(
    name="hcf",
    paper="Ma et al., Hierarchical Convolutional Features for Visual Tracking, ICCV 2015",
    recipes={
        "smoke": _on_siamfc("collage-track"),
        "mini": _on_siamfc("collage-track"),
        "otb": _on_siamfc("otb"),
        "paper": HCFRecipe(dataset="otb-2013", weights=VGG19),
    },
    learner=HCFLearner,
    benchmark=one_pass_evaluation,
    asks=(Ask(metric="success_auc", value=0.319),),
    targets=(
        Target(metric="success_auc", value=0.605, dataset="otb-2013", source="paper, one pass, 50 sequences"),
        Target(metric="precision_20px", value=0.891, dataset="otb-2013", source="paper, one pass, 50 sequences"),
        Target(metric="success_auc", value=0.562, dataset="otb-100", source="paper, one pass, 100 sequences"),
        Target(metric="precision_20px", value=0.837, dataset="otb-100", source="paper, one pass, 100 sequences"),
    ),
)

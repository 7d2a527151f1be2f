"""Lay a contour around each box that a detector found, and deform it, point by point, until it is the outline.

    zoo train deep-snake --recipe mini   # mask AP 0.120 on collage-coco (seed 0), 33 s of a core; floor 0.000

Mask R-CNN's own masks, on the same boxes, have 0.121. Asked for beforehand: 0.10.

Peng et al., "Deep Snake for Real-Time Instance Segmentation", CVPR 2020, arXiv 2001.01629 ("paper" below), and the
authors' code, zju3dv/snake ("code").

Differs from the paper: boxes are those of a Mask R-CNN entry, which stays as it is, where the paper learns CenterNet on
DLA-34 at the same time; what the contours see is the finest level of a feature pyramid that starts as that
detector's. Cells of the map are looked at around their middles, where the code shifts them by up to half a cell. Each
part of a thing is learned as a thing of its own, as the code does on SBD; a box is answered with one contour, so what
the paper says of things in several parts on Cityscapes is not here. `smoke` and `mini` are narrow, and have a loss
after each deformation, as the paper's text has it; in the code only the last one has.

`paper` is the authors' recipe for Cityscapes (`zoo data convert cityscapes`), on the boxes of `mask-rcnn`'s recipe of
that name. It needs a GPU and has never been run here.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Self, cast

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from pydantic import Field, PositiveFloat
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.ops import box_convert

from zoo.contracts import Ask, Batch, Family, Inputs, Learner, Picture, Recipe, Scalars, Target
from zoo.data.coco import CocoSplit, open_coco, outlined
from zoo.drawing.contours import stages
from zoo.evaluation.detection import DetectionBenchmark
from zoo.segmentation.contours import described, diamonds, octagons, parts, resampled
from zoo.segmentation.mask_rcnn import MaskRCNN
from zoo.tasks.detection import DetectionFacts, Detections
from zoo.training import Updater, shuffled
from zoo.training.updater import Schedule

STRIDE = 4  # of the map that contours see (code, snake_config.py)
DILATIONS = (1, 1, 1, 2, 2, 4, 4)  # of the residual layers (code, snake.py)
REACH = 4  # points to either side that a circular convolution sees (section 3.1: kernel size nine)
DRAWS = 50  # of a crop, until there is a thing in it

Contours = Float[Tensor, "n points 2"]


class DeepSnakeRecipe(Recipe):
    """The defaults are the authors' for Cityscapes."""

    detector: str = Field(description="entry whose boxes the contours start from")
    seen: int = Field(64, ge=1, description="channels of the map (code, dla.py)")
    width: int = Field(128, ge=1, description="channels of the circular convolutions (code, snake.py)")
    fused: int = Field(256, ge=1, description="channels of what is known of the whole contour (code, snake.py)")
    points: int = Field(128, ge=4, description="of a contour (section 3.3)")
    diamond: int = Field(40, ge=4, multiple_of=4, description="points of the contour that finds the extremes (code)")
    iterations: int = Field(3, ge=1, description="deformations, each with weights of its own (section 3.3)")
    every_loss: bool = Field(False, description="a loss after each deformation; in the code after the last alone")
    side: int = Field(800, ge=32, multiple_of=32, description="of the crops that are learned (code, for Cityscapes)")
    zoom: tuple[PositiveFloat, PositiveFloat] = Field(
        (0.4, 1.6), description="range of the crops' scale (code, for Cityscapes)"
    )
    light: float = Field(0.4, ge=0, lt=1, description="largest change of each colour's gain (code, for brightness)")
    learning_rate: float = Field(1e-4, gt=0, description="Adam's (code)")
    weight_decay: float = Field(5e-4, ge=0, description="added to gradients, as Adam's L2 (code)")
    clip_value: float = Field(40.0, gt=0, description="of each gradient (code)")
    halved: tuple[int, ...] = Field(
        (), description="updates after which the rate is halved (code, city_rcnn_snake.yaml: epochs 80, 120, 150)"
    )

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.detector,)


class Snake(nn.Module):
    """How far to move each point of a contour, from what is seen at all of them (section 3.1, figure 3).

    Args:
        inputs: channels of what is seen at a point.
        width: of the circular convolutions.
        fused: channels that say something of the whole contour.
    """

    def __init__(self, *, inputs: int, width: int, fused: int) -> None:
        super().__init__()
        self.head = _circular(inputs, width, dilation=1)
        self.residual = nn.ModuleList(_circular(width, width, dilation=dilation) for dilation in DILATIONS)
        states = width * (1 + len(DILATIONS))
        self.fusion = nn.Conv1d(states, fused, 1)
        self.offsets = nn.Sequential(
            *(nn.Conv1d(fused + states, fused, 1), nn.ReLU(inplace=True)),
            *(nn.Conv1d(fused, fused // 4, 1), nn.ReLU(inplace=True)),
            nn.Conv1d(fused // 4, 2, 1),
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv1d):  # code, snake.py
                nn.init.normal_(layer.weight, std=0.01)
                nn.init.zeros_(cast(Tensor, layer.bias))

    def forward(self, seen: Float[Tensor, "n inputs points"]) -> Float[Tensor, "n 2 points"]:
        states = [self.head(seen)]
        for layer in self.residual:
            states.append(layer(states[-1]) + states[-1])
        state = torch.cat(states, 1)
        whole = self.fusion(state).amax(-1, keepdim=True).expand(-1, -1, state.shape[-1])
        return cast(Tensor, self.offsets(torch.cat([whole, state], 1)))


def _circular(before: int, after: int, *, dilation: int) -> nn.Sequential:
    """The last point's neighbour is the first; normalised after the ReLU (code, snake.py)."""
    reach = REACH * dilation
    convolution = nn.Conv1d(before, after, 2 * REACH + 1, padding=reach, dilation=dilation, padding_mode="circular")
    return nn.Sequential(convolution, nn.ReLU(inplace=True), nn.BatchNorm1d(after))


class DeepSnake(nn.Module):
    """A detector and what deforms contours on its boxes. Implements `zoo.tasks.detection.Detector`.

    Contours are in pixels of the pictures as the detector scales them.

    Args:
        detector: finds boxes and classes, and is never changed; the pyramid starts as its own.
        seen, width, fused: channels of the map, of the circular convolutions, of what is known of a whole contour.
        points, diamond: of a contour, and of the one that finds the extreme points.
        iterations: deformations.
    """

    def __init__(
        self,
        detector: MaskRCNN,
        *,
        seen: int = 64,
        width: int = 128,
        fused: int = 256,
        points: int = 128,
        diamond: int = 40,
        iterations: int = 3,
    ) -> None:
        super().__init__()
        self.pyramid = deepcopy(cast(BackboneWithFPN, detector.network.backbone))
        self.pyramid.fpn.layer_blocks[1:].requires_grad_(False)  # of the levels that no contour sees
        self.detector = detector.requires_grad_(False)
        self.map = nn.Conv2d(self.pyramid.out_channels, seen, 1)
        self.with_middle = nn.Conv1d(2 * seen, seen, 1)
        self.extremes = Snake(inputs=seen + 2, width=width, fused=fused)
        self.deform = nn.ModuleList(Snake(inputs=seen + 2, width=width, fused=fused) for _ in range(iterations))
        self.points, self.diamond = points, diamond

    def train(self, mode: bool = True) -> Self:
        """The detector's normalisation stays as it is."""
        super().train(mode)
        self.detector.eval()
        return self

    def look(self, images: Sequence[UInt8[Tensor, "3 _h _w"]]) -> tuple[Float[Tensor, "n seen h w"], list[float]]:
        """The map of each picture, at a quarter of its scaled size, and that scale."""
        placed, _ = self.detector.network.transform([image / 255 for image in images])
        scales = [size[0] / image.shape[1] for size, image in zip(placed.image_sizes, images, strict=True)]
        return self.map(self.pyramid(placed.tensors)["0"]), scales

    def find_extremes(
        self, maps: Float[Tensor, "images seen h w"], boxes: Float[Tensor, "n 4"], counts: Sequence[int]
    ) -> Float[Tensor, "n 4 2"]:
        """The topmost, leftmost, bottommost and rightmost point of the thing in each box (left, top, right, bottom).

        Args:
            counts: boxes of each picture.
        """
        start = resampled(diamonds(boxes), self.diamond)
        middles = start.mean(1, keepdim=True).expand_as(start)
        seen = self.with_middle(torch.cat([_seen(maps, start, counts), _seen(maps, middles, counts)], 1))
        moved = self.extremes(torch.cat([seen, _positions(start) / STRIDE], 1)) * STRIDE
        return cast(Tensor, (start + moved.transpose(1, 2))[:, :: self.diamond // 4])

    def deformed(
        self, maps: Float[Tensor, "images seen h w"], extremes: Float[Tensor, "n 4 2"], counts: Sequence[int]
    ) -> list[Contours]:
        """The octagon through extreme points, and the contour after each deformation of it."""
        contours = [resampled(octagons(extremes), self.points)]
        for snake in self.deform:
            contour = contours[-1]
            moved = snake(torch.cat([_seen(maps, contour, counts), _positions(contour)], 1))
            contours.append(contour + moved.transpose(1, 2))
        return contours

    def detect(self, images: UInt8[Tensor, "n 3 h w"]) -> list[Detections]:
        """What is in each picture, surest first: the detector's boxes and classes, with an outline of its own."""
        height, width = images.shape[-2:]
        return [
            each._replace(masks=_filled(contours, height=height, width=width))
            for each, contours in self.outlined(images)
        ]

    def outlined(self, images: UInt8[Tensor, "n 3 h w"]) -> list[tuple[Detections, Float[Tensor, "_ points 2"]]]:
        """What the detector found in each picture, and a contour of each thing, in pixels of the picture."""
        found = self.detector.detect(images)
        counts = [len(each.boxes) for each in found]
        if not sum(counts):
            return [(each, each.boxes.new_zeros(0, self.points, 2)) for each in found]
        maps, scales = self.look(list(images))
        scaled = [each.boxes * scale for each, scale in zip(found, scales, strict=True)]
        corners = box_convert(torch.cat(scaled), "xywh", "xyxy")
        contours = self.deformed(maps, self.find_extremes(maps, corners, counts), counts)[-1]
        return [
            (each, contour / scale) for each, contour, scale in zip(found, contours.split(counts), scales, strict=True)
        ]


def _seen(
    maps: Float[Tensor, "images seen h w"], contours: Contours, counts: Sequence[int]
) -> Float[Tensor, "n seen points"]:
    """What the map of its picture says at each point of a contour, between cells bilinearly."""
    height, width = maps.shape[-2:]
    size = contours.new_tensor([width * STRIDE, height * STRIDE])
    places = (contours / size * 2 - 1).split(list(counts))
    seen = [
        functional.grid_sample(maps[i : i + 1], place[None], align_corners=False)[0].transpose(0, 1)
        for i, place in enumerate(places)
    ]
    return torch.cat(seen)


def _positions(contours: Contours) -> Float[Tensor, "n 2 points"]:
    """Where points are within the contour's box, in pixels: its size tells something (code, evolve.py)."""
    return (contours - contours.amin(1, keepdim=True)).transpose(1, 2)


def _filled(contours: Contours, *, height: int, width: int) -> Tensor:
    """The pixels within each contour, as COCO's own code counts them."""
    outlines = contours.flatten(1).double().cpu().tolist()
    masks = [outlined([outline], height=height, width=width) for outline in outlines]
    return torch.from_numpy(np.array(masks, bool).reshape(-1, height, width)).to(contours.device)


class DeepSnakeLearner(Learner):
    """Extreme points from true boxes, outlines from true octagons (code, trainers/snake.py), under Adam."""

    def __init__(self, recipe: DeepSnakeRecipe, _facts: DetectionFacts, upstream: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.recipe = recipe
        self.network = DeepSnake(
            cast(MaskRCNN, upstream[recipe.detector]),
            seen=recipe.seen,
            width=recipe.width,
            fused=recipe.fused,
            points=recipe.points,
            diamond=recipe.diamond,
            iterations=recipe.iterations,
        )
        self.update = Updater(
            [parameter for parameter in self.network.parameters() if parameter.requires_grad],
            torch.optim.Adam,
            lr=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            schedule=_halved(recipe.halved),
            clip_value=recipe.clip_value,
        )
        self.shown: Mapping[str, Picture] = {}

    def step(self, batch: Batch) -> Scalars:
        counts = batch["count"].tolist()
        maps, scales = self.network.look(list(batch["image"]))
        boxes, truths, outlines = (
            torch.cat([each[:count] * scale for each, count, scale in zip(batch[name], counts, scales, strict=True)])
            for name in ("boxes", "extremes", "outline")
        )
        extremes = self.network.find_extremes(maps, boxes, counts)
        contours = self.network.deformed(maps, truths, counts)
        at_extremes = functional.smooth_l1_loss(extremes / STRIDE, truths / STRIDE)
        each = torch.stack([functional.smooth_l1_loss(contour, outlines) for contour in contours[1:]])
        loss = at_extremes + (each.sum() if self.recipe.every_loss else each[-1])
        self.update(loss)
        if self.update.updates == self.recipe.steps:
            scale = boxes.new_tensor(scales).repeat_interleave(batch["count"])[:, None, None]
            self.shown = stages(batch["image"], [contour.detach() / scale for contour in contours], counts)
        return {"loss": loss.detach(), "extremes": at_extremes.detach(), "outline": each[-1].detach()}

    def predictor(self) -> nn.Module:
        return self.network

    def pictures(self) -> Mapping[str, Picture]:
        """Contours at each stage on pictures of the last batch."""
        return self.shown


def _halved(at: tuple[int, ...]) -> Schedule:
    return lambda done: 0.5 ** sum(done >= each for each in at)


class DeepSnakeBatches:
    """Square crops of training pictures, scaled, mirrored and relit, with the box, the extreme points and the outline
    of each part of each thing in them; things are filled up to a common number, `count` says how many are meant."""

    def __init__(self, recipe: DeepSnakeRecipe, inputs: Inputs) -> None:
        self.recipe = recipe
        self.split: CocoSplit = open_coco(inputs.dataset(recipe.dataset), "train")
        self.usable = [i for i in range(len(self.split)) if len(self.split.boxes(i)[0])]
        self.facts = DetectionFacts(classes=self.split.classes)

    def __call__(self, step: int) -> Batch:
        recipe = self.recipe
        rng = np.random.default_rng([recipe.seed, step])
        order = shuffled(len(self.usable), recipe.batch_size, seed=recipe.seed, step=step)
        examples = [self._example(self.usable[i], rng) for i in order]
        counts = [len(outlines) for _, outlines in examples]
        things = [described(outlines, recipe.points, room=max(counts)) for _, outlines in examples]
        batch = {name: torch.from_numpy(np.stack([each[name] for each in things])) for name in things[0]}
        images = torch.from_numpy(np.stack([image for image, _ in examples])).permute(0, 3, 1, 2).contiguous()
        return batch | {"image": images, "count": torch.tensor(counts)}

    def _example(self, i: int, rng: np.random.Generator) -> tuple[UInt8[np.ndarray, "side side 3"], list[np.ndarray]]:
        """A crop with something in it, and the outlines there.

        Raises:
            ValueError: nothing in the picture is large enough to have an outline.
        """
        image, things = self.split[i]
        side, light = self.recipe.side, self.recipe.light
        for _ in range(DRAWS):
            placed = _placed(rng, image.shape[:2], side=side, zoom=self.recipe.zoom)
            masks = [_warped(mask.astype(np.uint8), placed, side) > 0 for mask in things.masks[~things.crowd]]
            outlines = [outline for mask in masks for outline in parts(mask)]
            if outlines:
                lit = _warped(image, placed, side) * rng.uniform(1 - light, 1 + light, size=3)
                return np.clip(lit, 0, 255).astype(np.uint8), outlines
        raise ValueError(
            f"{self.split.picture(i)}: expected a thing of at least 5 pixels in a crop of it, found none in {DRAWS} "
            "crops. Leave the picture out, or narrow `zoom`."
        )


def _placed(
    rng: np.random.Generator, size: tuple[int, ...], *, side: int, zoom: tuple[float, float]
) -> Float[np.ndarray, "2 3"]:
    """Where a picture's pixels come to lie in a crop: scaled, somewhere within it, half of the time mirrored."""
    height, width = size
    scale = rng.uniform(*zoom)
    free = np.abs(np.array([width, height]) * scale - side) / 2
    x, y = side / 2 - np.array([width, height]) * scale / 2 + rng.uniform(-1, 1, size=2) * free
    placed = np.array([[scale, 0, x], [0, scale, y]])
    if rng.random() < 0.5:
        placed[0] = [-scale, 0, side - 1 - x]
    return placed


def _warped(image: np.ndarray, placed: Float[np.ndarray, "2 3"], side: int) -> np.ndarray:
    nearest = image.ndim == 2
    return cv2.warpAffine(image, placed, (side, side), flags=cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR)


def _narrow(*, steps: int) -> DeepSnakeRecipe:
    return DeepSnakeRecipe(
        dataset="collage-coco",
        detector="mask-rcnn.collage-coco",
        steps=steps,
        batch_size=4,
        seen=32,
        width=32,
        fused=64,
        points=64,
        every_loss=True,
        side=96,
        zoom=(0.9, 1.3),
        light=0.3,
        learning_rate=2e-3,
        weight_decay=0.0,
        halved=(steps // 2, steps * 3 // 4),
    )


EPOCH = 2975 // 32  # updates: Cityscapes' training pictures in batches of 32 (code, city_rcnn_snake.yaml)


def _benchmark(recipe: DeepSnakeRecipe, inputs: Inputs) -> DetectionBenchmark:
    return DetectionBenchmark(recipe.scored, inputs)


FAMILY = Family(
    name="deep-snake",
    paper="Peng et al., Deep Snake for Real-Time Instance Segmentation, CVPR 2020",
    recipes={
        "smoke": _narrow(steps=40),
        "mini": _narrow(steps=300),
        "paper": DeepSnakeRecipe(
            dataset="cityscapes",
            detector="mask-rcnn.cityscapes",
            steps=200 * EPOCH,
            batch_size=32,
            halved=(80 * EPOCH, 120 * EPOCH, 150 * EPOCH),
        ),
    },
    learner=DeepSnakeLearner,
    facts=DetectionFacts,
    training_set=DeepSnakeBatches,
    benchmark=_benchmark,
    asks=(Ask(metric="mask_AP", value=0.10),),
    targets=(
        Target(
            metric="mask_AP", value=0.374, dataset="cityscapes", source="val, by Cityscapes' script, their own boxes"
        ),
    ),
)

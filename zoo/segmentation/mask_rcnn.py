"""Propose regions, then say of each what it is, where it ends and which of its pixels belong to it.

    zoo train mask-rcnn --recipe mini   # 51 s of one core: box AP 0.143 (seed 0) on collage-coco; floor 0.001

Mask AP is 0.121 over a floor of 0.000. Asked for beforehand: a box AP of 0.10 over the floor. With 600 steps three
seeds had a box AP of 0.204 +- 0.023 and a mask AP of 0.175 +- 0.019. `smoke` (7 s) reaches 0.008 (one seed). `paper`
and `1x` have never been run here: they need a GPU, COCO and ResNet-50's weights.

He, Gkioxari, Dollar and Girshick, "Mask R-CNN", ICCV 2017, arXiv 1703.06870 ("paper" below), on a feature pyramid (Lin
et al., CVPR 2017, "FPN"). The network, its losses and the sampling of regions are torchvision's.

Differs from the paper: one GPU holds the whole batch. `1x` is Detectron2's shorter schedule of the same. `smoke` and
`mini` have a narrow backbone with batch normalisation, learned from chance, and small anchors, for things of 10 to 70
pixels; their pictures change in light too. Crowds are not learned, and what lies on them counts as background.

On a GPU a resumed run is not the same to the last bit: the gradient of RoIAlign is summed in any order there.
"""

from bisect import bisect_right
from collections import OrderedDict
from typing import Literal, Self, cast

import numpy as np
import torch
from jaxtyping import UInt8
from pydantic import Field, model_validator
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN as Network
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN, resnet_fpn_backbone
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign

from zoo.contracts import Ask, Batch, Family, Inputs, Learner, Recipe, Scalars, Target
from zoo.data.coco import open_coco
from zoo.evaluation.detection import DetectionBenchmark
from zoo.tasks.detection import DetectionFacts, Detections
from zoo.training import Updater, shuffled
from zoo.training.updater import Schedule
from zoo.training.weights import published_weights

RATIOS = (0.5, 1.0, 2.0)  # height to width of anchors (FPN, section 4.1)
TRAINED_STAGES = 3  # of ResNet's four; Detectron2, MODEL.BACKBONE.FREEZE_AT 2


class MaskRCNNRecipe(Recipe):
    """The defaults are the paper's for ResNet-50-FPN (section 3.1)."""

    backbone: Literal["resnet50", "narrow"] = Field("resnet50", description="narrow: ours, to learn from chance")
    width: int = Field(256, ge=4, multiple_of=4, description="channels of the pyramid and the heads (FPN, section 3)")
    hidden: int = Field(1024, ge=1, description="of the box head's two layers (FPN, section 4.2)")
    anchors: tuple[int, ...] = Field((32, 64, 128, 256, 512), description="sides, a level each (FPN, section 4.1)")
    shorter_side: int = Field(800, ge=1, description="of pictures, in training and test (section 3.1)")
    longer_side: int = Field(1333, ge=1, description="at most (Detectron2, INPUT.MAX_SIZE_TRAIN)")
    anchors_sampled: int = Field(
        256, ge=1, description="a picture, for the proposals' loss (Faster R-CNN, section 3.1)"
    )
    regions_sampled: int = Field(512, ge=1, description="a picture, one in four positive (section 3.1)")
    proposals: tuple[int, int] = Field(
        (2000, 1000),
        description="of a level before and of a picture after suppression, in training and test (FPN, 5.2.1)",
    )
    samples: int = Field(2, ge=1, description="of a region's cell, in x and in y (section 3, RoIAlign: four in all)")
    mask_layers: tuple[int, ...] = Field((256, 256, 256, 256), description="channels of the mask head (figure 4)")
    learning_rate: float = Field(0.02, gt=0, description="(section 3.1)")
    momentum: float = Field(0.9, ge=0, lt=1, description="(section 3.1)")
    weight_decay: float = Field(1e-4, ge=0, description="(section 3.1)")
    warmup: int = Field(1000, ge=1, description="updates until the rate is whole (Detectron2, SOLVER.WARMUP_ITERS)")
    decays: tuple[int, ...] = Field(
        (120_000,), description="updates after which the rate falls to a tenth (section 3.1)"
    )
    light: float = Field(0.0, ge=0, lt=1, description="largest change of each colour's gain in training; ours")
    weights: str = Field("", description="a torchvision ResNet-50 file under datasets/; none: from chance")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if bool(self.weights) != (self.backbone == "resnet50"):
            raise ValueError(
                "expected published weights for resnet50, whose batch normalisation is frozen, and none for narrow; "
                f"got {self.weights!r} for {self.backbone}"
            )
        levels = 5 if self.backbone == "resnet50" else 4
        if len(self.anchors) != levels:
            raise ValueError(f"expected an anchor size for each of {levels} levels, got {len(self.anchors)}")
        return self


class MaskRCNN(nn.Module):
    """torchvision's network, told pictures as people have them. Implements `zoo.tasks.detection.Detector`."""

    def __init__(self, recipe: MaskRCNNRecipe, classes: int) -> None:
        super().__init__()
        width, hidden = recipe.width, recipe.hidden
        backbone = resnet50_fpn() if recipe.backbone == "resnet50" else narrow_fpn(width)
        levels = [str(i) for i in range(len(recipe.anchors) - 1)]  # the last, pooled one is for proposals alone
        self.network = Network(
            backbone,
            min_size=recipe.shorter_side,
            max_size=recipe.longer_side,
            rpn_anchor_generator=AnchorGenerator([(side,) for side in recipe.anchors], [RATIOS] * len(recipe.anchors)),
            rpn_batch_size_per_image=recipe.anchors_sampled,
            rpn_pre_nms_top_n_train=recipe.proposals[0],
            rpn_post_nms_top_n_train=recipe.proposals[0],
            rpn_pre_nms_top_n_test=recipe.proposals[1],
            rpn_post_nms_top_n_test=recipe.proposals[1],
            box_roi_pool=MultiScaleRoIAlign(levels, output_size=7, sampling_ratio=recipe.samples),
            box_head=TwoMLPHead(width * 7 * 7, hidden),
            box_predictor=FastRCNNPredictor(hidden, 1 + classes),
            box_batch_size_per_image=recipe.regions_sampled,
            mask_roi_pool=MultiScaleRoIAlign(levels, output_size=14, sampling_ratio=recipe.samples),
            mask_head=MaskRCNNHeads(width, recipe.mask_layers, 1),
            mask_predictor=MaskRCNNPredictor(recipe.mask_layers[-1], recipe.mask_layers[-1], 1 + classes),
        )

    def forward(self, images: list[Tensor], things: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        """The five losses of uint8 pictures (3, h, w), as torchvision names them.

        Args:
            things: `boxes` (n, 4) left, top, right, bottom; `labels` (n,) from 1; `masks` (n, h, w).
        """
        return cast(dict[str, Tensor], self.network([image / 255 for image in images], things))

    @torch.inference_mode()
    def detect(self, images: UInt8[Tensor, "n 3 h w"]) -> list[Detections]:
        """What is in each picture, surest first."""
        device = next(self.parameters()).device
        answers = self.network([image / 255 for image in images.to(device)])
        return [
            Detections(
                boxes=torch.cat([answer["boxes"][:, :2], answer["boxes"][:, 2:] - answer["boxes"][:, :2]], dim=1),
                scores=answer["scores"],
                classes=answer["labels"] - 1,  # 0 is the background
                masks=answer["masks"][:, 0] >= 0.5,  # paper, section 3.1
            )
            for answer in answers
        ]


def resnet50_fpn() -> BackboneWithFPN:
    """ResNet-50 without its classifier under a pyramid of five levels; batch normalisation stays as published."""
    return resnet_fpn_backbone(
        backbone_name="resnet50", weights=None, norm_layer=FrozenBatchNorm2d, trainable_layers=TRAINED_STAGES
    )


def narrow_fpn(width: int) -> BackboneWithFPN:
    """Four stages of two 3x3 convolutions, each of half the size of the one before, under a pyramid at strides 4, 8
    and 16 and a pooled one at 32."""
    widths = [3, width // 4, width // 2, width, 2 * width]
    stages: OrderedDict[str, nn.Module] = OrderedDict((str(i), _stage(widths[i], widths[i + 1])) for i in range(4))
    return BackboneWithFPN(nn.Sequential(stages), {"1": "0", "2": "1", "3": "2"}, widths[2:], width)


def _stage(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels, stride in ((before, 2), (after, 1)):
        convolution = nn.Conv2d(channels, after, 3, stride=stride, padding=1, bias=False)
        nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
        layers += [convolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class MaskRCNNLearner(Learner):
    """Classes, boxes and masks of sampled regions, and the proposals they come from, all in one loss under SGD."""

    def __init__(self, recipe: MaskRCNNRecipe, facts: DetectionFacts) -> None:
        super().__init__()
        self.recipe = recipe
        self.detector = MaskRCNN(recipe, len(facts.classes))
        self.update = Updater(
            [parameter for parameter in self.detector.parameters() if parameter.requires_grad],
            torch.optim.SGD,
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            schedule=warmed_steps(recipe.warmup, recipe.decays),
        )

    def begin(self, inputs: Inputs) -> None:
        """Load the published ResNet-50 that the recipe names."""
        if self.recipe.weights:
            published = published_weights(inputs.datasets / self.recipe.weights)
            stages = {name: value for name, value in published.items() if not name.startswith("fc.")}
            cast(BackboneWithFPN, self.detector.network.backbone).body.load_state_dict(stages)

    def step(self, batch: Batch) -> Scalars:
        losses = self.detector(*listed(batch))
        loss = torch.stack(list(losses.values())).sum()
        self.update(loss)
        return {"loss": loss.detach()} | {name: value.detach() for name, value in losses.items()}

    def predictor(self) -> nn.Module:
        return self.detector


def warmed_steps(warmup: int, decays: tuple[int, ...]) -> Schedule:
    """Linearly from a thousandth to 1 (Detectron2, SOLVER.WARMUP_FACTOR), then a tenth of it after each decay."""
    return lambda done: min(1.0, 0.001 + 0.999 * done / warmup) * 0.1 ** bisect_right(decays, done)


class MaskRCNNBatches:
    """Training pictures with their things, half of them mirrored, filled up to a common size and number.

    Pictures without things are left out, as torchvision's reference training does: they teach the background only.
    """

    def __init__(self, recipe: MaskRCNNRecipe, inputs: Inputs) -> None:
        self.recipe = recipe
        self.split = open_coco(inputs.dataset(recipe.dataset), "train")
        self.usable = [i for i in range(len(self.split)) if len(self.split.boxes(i)[0])]
        self.facts = DetectionFacts(classes=self.split.classes)

    def __call__(self, step: int) -> Batch:
        recipe = self.recipe
        rng = np.random.default_rng([recipe.seed, step])
        order = shuffled(len(self.usable), recipe.batch_size, seed=recipe.seed, step=step)
        return padded([self._example(self.usable[i], rng) for i in order])

    def _example(self, i: int, rng: np.random.Generator) -> dict[str, Tensor]:
        image, things = self.split[i]
        kept = ~things.crowd & (things.boxes[:, 2:] > 0).all(axis=1)
        corners = np.concatenate([things.boxes[:, :2], things.boxes[:, :2] + things.boxes[:, 2:]], axis=1)[kept]
        masks = things.masks[kept]
        if rng.random() < 0.5:
            image, masks = image[:, ::-1], masks[..., ::-1]
            corners[:, [0, 2]] = image.shape[1] - corners[:, [2, 0]]
        gains = rng.uniform(1 - self.recipe.light, 1 + self.recipe.light, size=3)
        image = np.clip(image * gains, 0, 255).astype(np.uint8)
        return {
            "image": torch.from_numpy(image).permute(2, 0, 1),
            "boxes": torch.from_numpy(corners.astype(np.float32)),
            "labels": torch.from_numpy(things.classes[kept] + 1),
            "masks": torch.from_numpy(masks.astype(np.uint8)),
        }


def padded(examples: list[dict[str, Tensor]]) -> Batch:
    """Pictures of several sizes with several things each as tensors, zero where there is nothing; `size` (height,
    width) and `count` say how much of each is meant."""
    sizes = torch.tensor([example["image"].shape[1:] for example in examples])
    counts = torch.tensor([len(example["labels"]) for example in examples])
    (height, width), most = sizes.amax(0).tolist(), int(counts.max())
    shapes = {"image": (3, height, width), "boxes": (most, 4), "labels": (most,), "masks": (most, height, width)}
    batch = {name: torch.zeros(len(examples), *shapes[name], dtype=examples[0][name].dtype) for name in shapes}
    for i, example in enumerate(examples):
        for name, value in example.items():
            batch[name][i][tuple(slice(side) for side in value.shape)] = value
    return batch | {"size": sizes, "count": counts}


def listed(batch: Batch) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
    """The pictures and things that were padded, as torchvision takes them."""
    images, things = [], []
    for i, ((height, width), count) in enumerate(zip(batch["size"].tolist(), batch["count"].tolist(), strict=True)):
        images.append(batch["image"][i, :, :height, :width])
        named = {name: batch[name][i, :count] for name in ("boxes", "labels", "masks")}
        things.append(named | {"masks": named["masks"][..., :height, :width]})
    return images, things


PAPER = "He, Gkioxari, Dollar and Girshick, Mask R-CNN, ICCV 2017"
RESNET50 = "resnet50-imagenet/resnet50-0676ba61.pth"


def _narrow(*, steps: int) -> MaskRCNNRecipe:
    """Ours; rate and batch size compared by the loss on collage-coco's training pictures."""
    return MaskRCNNRecipe(
        dataset="collage-coco",
        steps=steps,
        batch_size=4,
        backbone="narrow",
        width=64,
        hidden=128,
        anchors=(16, 32, 64, 96),
        shorter_side=96,
        longer_side=96,
        anchors_sampled=64,
        regions_sampled=32,
        proposals=(200, 100),
        samples=1,
        mask_layers=(32, 32),
        warmup=max(1, steps // 10),
        decays=(steps * 2 // 3, steps * 8 // 9),
        light=0.3,
    )


def _benchmark(recipe: MaskRCNNRecipe, inputs: Inputs) -> DetectionBenchmark:
    return DetectionBenchmark(recipe.scored, inputs)


def _published_scores(source: str, **values: float) -> tuple[Target, ...]:
    """ResNet-50-FPN, trained on COCO 2017 (trainval35k), scored on val2017 (minival)."""
    protocol = "coco-val/coco@2"
    return tuple(
        Target(metric=metric, value=value, dataset="coco", source=source, protocol=protocol)
        for metric, value in values.items()
    )


FAMILY = Family(
    name="mask-rcnn",
    paper=PAPER,
    recipes={
        "smoke": _narrow(steps=60),
        "mini": _narrow(steps=400),
        "paper": MaskRCNNRecipe(dataset="coco", steps=160_000, batch_size=16, weights=RESNET50),
        # Appendix A; Detectron2, configs/Cityscapes/mask_rcnn_R_50_FPN.yaml. Theirs vary the side from 800 on.
        "cityscapes": MaskRCNNRecipe(
            dataset="cityscapes",
            steps=24_000,
            batch_size=8,
            shorter_side=1024,
            longer_side=2048,
            learning_rate=0.01,
            decays=(18_000,),
            weights=RESNET50,
        ),
        # Detectron2, configs/COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml
        "1x": MaskRCNNRecipe(dataset="coco", steps=90_000, batch_size=16, decays=(60_000, 80_000), weights=RESNET50),
    },
    learner=MaskRCNNLearner,
    facts=DetectionFacts,
    training_set=MaskRCNNBatches,
    benchmark=_benchmark,
    asks=(Ask(metric="box_AP", value=0.101),),
    targets=(
        *_published_scores("Detectron2's model zoo, R50-FPN 1x", mask_AP=0.352, box_AP=0.386),
        *_published_scores("torchvision, MaskRCNN_ResNet50_FPN_Weights.COCO_V1", mask_AP=0.346, box_AP=0.379),
    ),
)

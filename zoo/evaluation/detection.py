"""Benchmark for detectors: box and mask AP on a validation split, each picture by itself."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64, UInt8
from pycocotools import mask as coco_mask
from torch import Tensor

from zoo.contracts import Inputs, Picture
from zoo.data.coco import CocoSplit, open_coco
from zoo.drawing.detection import panels
from zoo.evaluation.stage import Stage
from zoo.scoring.detection import DETECTIONS, CocoAP, Found, matched
from zoo.scoring.metrics import CannotScore
from zoo.scoring.units import Evaluated, Units
from zoo.tasks.detection import Detections, Detector

CANDIDATES = 500  # boxes of a class that the floor is chosen among


class DetectionBenchmark:
    """AP on the validation split."""

    def __init__(self, dataset: str, inputs: Inputs) -> None:
        self.scoring = CocoAP()
        self.protocol = f"{dataset}-val/{self.scoring.id}"
        self.train = open_coco(inputs.dataset(dataset), "train")
        self.val = open_coco(inputs.dataset(dataset), "val")

    def evaluate(self, predictor: Detector, stage: Stage) -> Evaluated:
        """The detections in every picture, and which of them are right."""
        count = len(self.val.classes)
        truths, rows = [], []
        for i in stage.track(range(len(self.val)), len(self.val)):
            image, truth = self.val[i]
            truths.append(np.bincount(truth.classes[~truth.crowd], minlength=count))
            rows.append(matched(truth, found_in(image, predictor, classes=count, name=str(self.val.ids[i]))))
        ragged = {name: np.fromiter((row[name] for row in rows), object, count=len(rows)) for name in rows[0]}
        return Evaluated(Units({"image": np.array(self.val.ids), "truths": np.stack(truths)} | ragged))

    def floor(self) -> tuple[str, Detector]:
        """In every picture the same box of each class, filled: of those in the training split the one that overlaps
        most others of its class by half, at the same part of their pictures; that share is its score. A detector that
        does not look can hardly have more right, and never knows in which pictures it has."""
        seen = [_relative_boxes(self.train, i) for i in range(len(self.train))]
        boxes, classes = (np.concatenate(part) for part in zip(*seen, strict=True))
        kinds = [k for k in range(len(self.train.classes)) if (classes == k).any()]
        best = [_most_typical(boxes[classes == k]) for k in kinds]
        order = np.argsort([-share for _, share in best], kind="stable")
        same = _SameEverywhere(
            np.stack([best[i][0] for i in order]),
            np.array([best[i][1] for i in order], np.float32),
            np.array([kinds[i] for i in order]),
        )
        return "one box a class, where it fits most", same

    def pictures(self, model: Evaluated, _floor: Evaluated) -> Mapping[str, Picture]:
        """Truth and sure detections side by side, for a few pictures spread over the split."""
        return panels(self.val, model.units)


def found_in(image: UInt8[np.ndarray, "h w 3"], predictor: Detector, *, classes: int, name: str) -> Found:
    """What a detector says about a picture, checked.

    Args:
        name: of the picture, for the error.

    Raises:
        CannotScore: a score or box is not finite, a class is none, or masks are not of the picture's size.
    """
    batch = torch.from_numpy(image).permute(2, 0, 1)[None].contiguous()
    boxes, scores, labels, masks = (np.asarray(part.numpy()) for part in predictor.detect(batch)[0])
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise CannotScore(f"{name}: expected finite boxes and scores, got others. Look at the model's weights.")
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise CannotScore(
            f"{name}: expected classes 0 to {classes - 1}, got {labels.min()} to {labels.max()}. "
            "Was the model trained on a data set with other classes?"
        )
    if masks.shape[1:] != image.shape[:2]:
        raise CannotScore(
            f"{name}: expected masks of the picture's size {image.shape[:2]}, got {masks.shape[1:]}. "
            "A detector answers at the size of the picture it is given."
        )
    order = np.argsort(-scores, kind="stable")[:DETECTIONS]
    return Found(boxes[order], scores[order], labels[order], masks[order])


@dataclass(frozen=True)
class _SameEverywhere:
    """Finds the same things in every picture."""

    boxes: Float64[np.ndarray, "k 4"]  # in widths and heights of the picture
    scores: Float[np.ndarray, " k"]
    classes: Int64[np.ndarray, " k"]

    def detect(self, images: UInt8[Tensor, "n 3 h w"]) -> list[Detections]:
        height, width = images.shape[-2:]
        boxes = self.boxes * [width, height, width, height]
        left, top, right, bottom = np.rint([*boxes[:, :2].T, *(boxes[:, :2] + boxes[:, 2:]).T])[..., None, None]
        y, x = np.mgrid[:height, :width]
        masks = (left <= x) & (x < right) & (top <= y) & (y < bottom)
        parts = (boxes.astype(np.float32), self.scores, self.classes, masks)
        return [Detections(*(torch.from_numpy(part) for part in parts)) for _ in images]


def _relative_boxes(split: CocoSplit, i: int) -> tuple[Float64[np.ndarray, "n 4"], Int64[np.ndarray, " n"]]:
    """Boxes of a picture's things that are no crowd, in its widths and heights, and their classes."""
    boxes, classes = split.boxes(i)
    image = split.images[i]
    return boxes / [image.width, image.height, image.width, image.height], classes


def _most_typical(boxes: Float64[np.ndarray, "n 4"]) -> tuple[Float64[np.ndarray, "4"], float]:
    """Of these boxes the one that overlaps most others by half, and their share."""
    candidates = boxes[:: -(-len(boxes) // CANDIDATES)]
    overlaps = coco_mask.iou(candidates, boxes, np.zeros(len(boxes), np.uint8))
    shares = (np.asarray(overlaps) >= 0.5).mean(axis=1)
    best = int(shares.argmax())
    return candidates[best], float(shares[best])

"""Benchmark for segmenters: mIoU on the validation split, each picture by itself and at its own size."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from zoo.contracts import Inputs, Picture
from zoo.data.segmentation import VOID, open_segmentation
from zoo.drawing.segmentation import panels
from zoo.drawing.sheets import spread
from zoo.evaluation.stage import Stage
from zoo.scoring.segmentation import MIoU, confusion_matrix
from zoo.scoring.units import Evaluated, Units
from zoo.tasks.segmentation import Segmenter

SHOWN = 4  # pictures
CELLS = 32  # the floor's positions, along each side of a picture of any size


class SegmentationBenchmark:
    """mIoU on the validation split."""

    def __init__(self, dataset: str, inputs: Inputs) -> None:
        self.scoring = MIoU()
        self.protocol = f"{dataset}-val/{self.scoring.id}"
        self.train = open_segmentation(inputs.dataset(dataset), "train")
        self.val = open_segmentation(inputs.dataset(dataset), "val")

    def evaluate(self, predictor: Segmenter, stage: Stage) -> Evaluated:
        """The confusion matrix of every picture."""
        confusion, shown, show = [], {}, spread(len(self.val), SHOWN)
        for i in stage.track(range(len(self.val)), len(self.val)):
            name, (image, truth) = self.val.ids[i], self.val[i]
            prediction = _segmented(predictor, image)
            confusion.append(confusion_matrix(truth, prediction, classes=len(self.val.classes), name=name))
            if i in show:
                shown[name] = prediction.astype(np.uint8)
        return Evaluated(Units({"id": np.array(self.val.ids), "confusion": np.stack(confusion)}), shown)

    def floor(self) -> tuple[str, Segmenter]:
        """At each position the class that is most frequent there in the training split, whatever the picture shows."""
        votes = np.zeros((CELLS**2, len(self.train.classes)), np.int64)
        for i in range(len(self.train)):
            _, label = self.train[i]
            known = label != VOID
            np.add.at(votes, (_cells(*label.shape)[known], label[known]), 1)
        votes[votes.sum(axis=1) == 0] = votes.sum(axis=0)  # no training picture has a label there
        return "most frequent class of each position", _SameEverywhere(votes.argmax(axis=1))

    def pictures(self, model: Evaluated, _floor: Evaluated) -> Mapping[str, Picture]:
        """Photo, truth and prediction side by side, for a few pictures spread over the split."""
        return panels(self.val, model.shown)


class _SameEverywhere:
    """Names the same classes in every picture.

    Args:
        classes: of each cell.
    """

    def __init__(self, classes: Int64[np.ndarray, "cells"]) -> None:
        self.classes = classes

    def segment(self, images: UInt8[Tensor, "n 3 h w"]) -> Int64[Tensor, "n h w"]:
        labels = torch.from_numpy(self.classes[_cells(*images.shape[-2:])])
        return labels.expand(len(images), -1, -1)


def _cells(height: int, width: int) -> Int64[np.ndarray, "{height} {width}"]:
    """The place of each pixel on a board of CELLS x CELLS that is as large as the picture."""
    row, column = (np.arange(size) * CELLS // size for size in (height, width))
    return row[:, None] * CELLS + column


def _segmented(predictor: Segmenter, image: UInt8[np.ndarray, "h w 3"]) -> Int64[np.ndarray, "_ _"]:
    batch = torch.from_numpy(image).permute(2, 0, 1)[None].contiguous()
    return np.asarray(predictor.segment(batch)[0].numpy())

"""Benchmark for segmenters: mIoU on the validation split, each picture by itself and at its own size."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from zoo.contracts import Inputs, Picture
from zoo.data.segmentation import VOID, SegmentationSplit, open_segmentation
from zoo.drawing.segmentation import panels
from zoo.drawing.sheets import spread
from zoo.evaluation.stage import Stage
from zoo.scoring.segmentation import MIoU, confusion_matrix
from zoo.scoring.units import Evaluated, Units
from zoo.tasks import Segmenter

SHOWN = 4  # pictures


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
        """Everywhere the most frequent class of the training split."""
        pixels = sum(np.bincount(label.ravel(), minlength=256)[:VOID] for _, label in _each(self.train))
        return "majority class", _Everywhere(int(np.argmax(pixels)))

    def pictures(self, model: Evaluated, _floor: Evaluated) -> Mapping[str, Picture]:
        """Photo, truth and prediction side by side, for a few pictures spread over the split."""
        return panels(self.val, model.shown)


class _Everywhere:
    """Names one class, wherever."""

    def __init__(self, label: int) -> None:
        self.label = label

    def segment(self, images: Tensor) -> Tensor:
        return torch.full((len(images), *images.shape[-2:]), self.label, dtype=torch.int64)


def _segmented(predictor: Segmenter, image: UInt8[np.ndarray, "h w 3"]) -> Int64[np.ndarray, "_ _"]:
    batch = torch.from_numpy(image).permute(2, 0, 1)[None].contiguous()
    return np.asarray(predictor.segment(batch)[0].numpy())


def _each(split: SegmentationSplit) -> Iterator[tuple[UInt8[np.ndarray, "_ _ 3"], UInt8[np.ndarray, "_ _"]]]:
    return (split[i] for i in range(len(split)))

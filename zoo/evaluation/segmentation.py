"""Mean intersection over union: a confusion matrix per picture, summed over the set.

Long, Shelhamer and Darrell, CVPR 2015, section 5, and VOC's own definition. The scoring needs no torch.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from jaxtyping import Int64, Integer, UInt8
from PIL import Image, ImageDraw

from zoo.data.segmentation import VOID, SegmentationSplit, open_segmentation
from zoo.scoring.metrics import Metric
from zoo.scoring.units import Units

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.contracts import Inputs, Picture
    from zoo.tasks import Segmenter

PICTURES = 4


@dataclass(frozen=True)
class MIoU:
    """Mean intersection over union, pixel accuracy and mean class accuracy.

    Rows: `id` (n,) str, `confusion` (n, classes, classes) int64, pixels by [truth, prediction] without the void ones.
    """

    id: str = "miou@1"
    paired: bool = True
    metrics: tuple[Metric, ...] = (
        Metric(name="mIoU", unit="", higher_is_better=True, lowest=0.0, highest=1.0),
        Metric(name="pixel_accuracy", unit="", higher_is_better=True, lowest=0.0, highest=1.0),
        Metric(name="mean_class_accuracy", unit="", higher_is_better=True, lowest=0.0, highest=1.0),
    )

    def aggregate(self, units: Units, counts: npt.NDArray[np.int64] | None = None) -> dict[str, float]:
        """mIoU over the classes that occur in truth or prediction; class accuracy over those in the truth.

        Raises:
            ValueError: no pixel has a label.
        """
        confusion = units.rows["confusion"]
        summed = confusion.sum(0) if counts is None else np.tensordot(counts, confusion, axes=1)
        right, truth, predicted = summed.diagonal(), summed.sum(1), summed.sum(0)
        if not truth.any():
            raise ValueError("mIoU: expected labelled pixels, but all are void. Look at the labels of the split.")
        union = truth + predicted - right
        return {
            "mIoU": float((right[union > 0] / union[union > 0]).mean()),
            "pixel_accuracy": float(right.sum() / truth.sum()),
            "mean_class_accuracy": float((right[truth > 0] / truth[truth > 0]).mean()),
        }


def confusion_matrix(
    truth: UInt8[np.ndarray, "h w"], prediction: Integer[np.ndarray, "h w"], *, classes: int, name: str
) -> Int64[np.ndarray, "classes classes"]:
    """Pixels by [truth, prediction], void ones left out; up to 255 classes.

    Args:
        name: of the picture, for the error.

    Raises:
        ValueError: sizes differ, or a label is neither a class nor void.
    """
    if truth.shape != prediction.shape:
        raise ValueError(
            f"{name}: expected a prediction of the label's size {truth.shape}, got {prediction.shape}. "
            "A segmenter answers at the size of the picture it is given."
        )
    if prediction.min() < 0 or prediction.max() >= classes:
        raise ValueError(
            f"{name}: expected predicted classes 0 to {classes - 1}, got {prediction.min()} to {prediction.max()}. "
            "Was the model trained on a data set with other classes?"
        )
    pairs = np.bincount((truth.astype(np.intp) << 8 | prediction).ravel(), minlength=1 << 16).reshape(256, 256)
    if pairs[classes:VOID].any():
        strange = np.flatnonzero(pairs[:VOID].sum(1))[-1]
        raise ValueError(
            f"{name}: expected labels 0 to {classes - 1} or {VOID} for void, got {strange}. "
            "The label picture does not belong to these classes."
        )
    return pairs[:classes, :classes]


class SegmentationBenchmark:
    """mIoU on the validation split, each picture by itself and at its own size."""

    def __init__(self, dataset: str, inputs: "Inputs") -> None:
        self.scoring = MIoU()
        self.protocol = f"{dataset}-val/{self.scoring.id}"
        self.train = open_segmentation(inputs.dataset(dataset), "train")
        self.val = open_segmentation(inputs.dataset(dataset), "val")

    def evaluate(self, predictor: "Segmenter") -> Units:
        """The confusion matrix of every picture."""
        count = len(self.val.classes)
        confusion = [
            confusion_matrix(truth, _segmented(predictor, image), classes=count, name=name)
            for name, (image, truth) in zip(self.val.ids, _each(self.val), strict=True)
        ]
        return Units({"id": np.array(self.val.ids), "confusion": np.stack(confusion)})

    def floor(self) -> "tuple[str, Segmenter]":
        """Everywhere the most frequent class of the training split."""
        pixels = sum(np.bincount(label.ravel(), minlength=256)[:VOID] for _, label in _each(self.train))
        return "majority class", _Everywhere(int(np.argmax(pixels)))

    def pictures(self, predictor: "Segmenter") -> "Mapping[str, Picture]":
        """Photo, truth and prediction side by side, for a few pictures spread over the split."""
        shown = np.linspace(0, len(self.val) - 1, num=min(PICTURES, len(self.val)), dtype=int)
        return {self.val.ids[i]: self._panel(int(i), predictor) for i in shown}

    def _panel(self, i: int, predictor: "Segmenter") -> "Picture":
        image, truth = self.val[i]
        prediction = _segmented(predictor, image).astype(np.uint8)
        maps = [voc_colours()[labels] for labels in (truth, prediction)]
        panel = np.concatenate([image, *maps], axis=1)
        occurring = np.union1d(truth[truth != VOID], prediction)
        return np.concatenate([panel, _legend([(k, self.val.classes[k]) for k in occurring], panel.shape[1])])


class _Everywhere:
    """Names one class, wherever."""

    def __init__(self, label: int) -> None:
        self.label = label

    def segment(self, images: "Tensor") -> "Tensor":
        import torch

        return torch.full((len(images), *images.shape[-2:]), self.label, dtype=torch.int64)


def voc_colours() -> UInt8[np.ndarray, "256 3"]:
    """VOC's colour of each label: its bits, dealt to red, green, blue in turn, highest first (VOClabelcolormap.m)."""
    label = np.arange(256)[:, None]
    bits = [((label >> (3 * i + np.arange(3))) & 1) << (7 - i) for i in range(3)]
    return np.sum(bits, axis=0).astype(np.uint8)


def _segmented(predictor: "Segmenter", image: UInt8[np.ndarray, "h w 3"]) -> Int64[np.ndarray, "h w"]:
    import torch

    batch = torch.from_numpy(image).permute(2, 0, 1)[None].contiguous()
    return np.asarray(predictor.segment(batch)[0].cpu().numpy())


def _each(split: SegmentationSplit) -> Iterator[tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w"]]]:
    return (split[i] for i in range(len(split)))


def _legend(entries: list[tuple[int, str]], width: int) -> UInt8[np.ndarray, "h width 3"]:
    """A patch of colour and a name per class, in rows."""
    row, column = 16, 96
    across = max(1, width // column)
    sheet = Image.new("RGB", (width, row * -(-len(entries) // across)), "white")
    draw = ImageDraw.Draw(sheet)
    for place, (label, name) in enumerate(entries):
        x, y = place % across * column, place // across * row
        draw.rectangle((x + 2, y + 3, x + 12, y + 13), fill=tuple(voc_colours()[label].tolist()))
        draw.text((x + 16, y + 2), name, fill="black")
    return np.array(sheet)

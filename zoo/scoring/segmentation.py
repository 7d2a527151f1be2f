"""Mean intersection over union: a confusion matrix per picture, summed over the set.

Long, Shelhamer and Darrell, CVPR 2015, section 5, and VOC's own definition.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Int64, Integer, UInt8

from zoo.scoring.metrics import CannotScore, Metric
from zoo.scoring.units import Units

VOID = 255
"""The label of pixels that count neither as right nor as wrong, as in VOC's label pictures."""
MOST_COUNTED = 1 << 24  # pixels, exactly, in float32


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
    truth: UInt8[np.ndarray, "h w"], prediction: Integer[np.ndarray, "_ _"], *, classes: int, name: str
) -> Int64[np.ndarray, "classes classes"]:
    """Pixels by [truth, prediction], void ones left out; up to 255 classes.

    Args:
        name: of the picture, for the error.

    Raises:
        CannotScore: the prediction is of another size, or names what is no class.
        ValueError: a true label is neither a class nor void.
    """
    if truth.shape != prediction.shape:
        raise CannotScore(
            f"{name}: expected a prediction of the label's size {truth.shape}, got {prediction.shape}. "
            "A segmenter answers at the size of the picture it is given."
        )
    if prediction.min() < 0 or prediction.max() >= classes:
        raise CannotScore(
            f"{name}: expected predicted classes 0 to {classes - 1}, got {prediction.min()} to {prediction.max()}. "
            "Was the model trained on a data set with other classes?"
        )
    pairs = _counted(truth, prediction.astype(np.uint8, copy=False))
    if pairs[classes:VOID].any():
        strange = np.flatnonzero(pairs[:VOID].any(1))[-1]
        raise ValueError(
            f"{name}: expected labels 0 to {classes - 1} or {VOID} for void, got {strange}. "
            "The label picture does not belong to these classes."
        )
    return pairs[:classes, :classes].astype(np.int64)


def _counted(truth: UInt8[np.ndarray, "h w"], prediction: UInt8[np.ndarray, "h w"]) -> Float[np.ndarray, "256 256"]:
    """How often each pair of bytes occurs. OpenCV counts in float32, whose whole numbers end at 2^24: by parts."""
    flat = truth.reshape(1, -1), prediction.reshape(1, -1)
    first, *others = (
        cv2.calcHist(
            [values[:, start : start + MOST_COUNTED] for values in flat], [0, 1], None, [256, 256], [0, 256, 0, 256]
        )
        for start in range(0, truth.size, MOST_COUNTED)
    )
    return sum((part.astype(np.float64) for part in others), first)

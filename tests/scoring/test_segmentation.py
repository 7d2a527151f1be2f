"""mIoU against a hand-worked case and torchmetrics."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_jaccard_index

from zoo.scoring.metrics import CannotScore
from zoo.scoring.segmentation import MIoU, confusion_matrix
from zoo.scoring.units import Units


def units(*confusions: np.ndarray) -> Units:
    return Units({"id": np.array([f"p{i}" for i in range(len(confusions))]), "confusion": np.stack(confusions)})


def test_a_case_worked_by_hand() -> None:
    truth = np.array([[0, 0, 0], [1, 1, 255]], np.uint8)
    prediction = np.array([[0, 0, 1], [1, 0, 2]])
    confusion = confusion_matrix(truth, prediction, classes=4, name="hand")
    assert confusion[:2, :2].tolist() == [[2, 1], [1, 1]]
    assert confusion.sum() == 5  # the void pixel, predicted 2, is nowhere
    # Class 0: 2 of 4, class 1: 1 of 3; classes 2 and 3 occur neither here nor there.
    assert MIoU().aggregate(units(confusion)) == pytest.approx(
        {"mIoU": (2 / 4 + 1 / 3) / 2, "pixel_accuracy": 3 / 5, "mean_class_accuracy": (2 / 3 + 1 / 2) / 2}
    )


def test_a_class_that_is_only_predicted_counts_as_nothing_of_it_being_right() -> None:
    """Half of class 0 taken for class 2, which is nowhere: IoU 1/2, 1 and 0; accuracy of the two classes that are."""
    confusion = np.array([[2, 0, 2], [0, 4, 0], [0, 0, 0]])
    assert MIoU().aggregate(units(confusion)) == pytest.approx(
        {"mIoU": (1 / 2 + 1 + 0) / 3, "pixel_accuracy": 6 / 8, "mean_class_accuracy": (1 / 2 + 1) / 2}
    )


def test_a_class_that_is_only_in_the_truth_counts_too() -> None:
    confusion = np.array([[4, 0, 0], [0, 0, 0], [2, 0, 0]])
    assert MIoU().aggregate(units(confusion)) == pytest.approx(
        {"mIoU": (4 / 6 + 0) / 2, "pixel_accuracy": 4 / 6, "mean_class_accuracy": 1 / 2}
    )


def test_a_class_of_one_pixel_counts_like_any_other() -> None:
    confusion = np.diag([8, 1, 0])
    assert MIoU().aggregate(units(confusion)) == {"mIoU": 1.0, "pixel_accuracy": 1.0, "mean_class_accuracy": 1.0}


def test_no_pixel_of_a_large_picture_is_lost() -> None:
    """2^24 + 5 pixels of one pair: no float32 is so large and odd."""
    truth = np.zeros((1, (1 << 24) + 5), np.uint8)
    for picture in (truth, truth.T):
        assert confusion_matrix(picture, picture, classes=2, name="").tolist() == [[picture.size, 0], [0, 0]]


def test_agrees_with_torchmetrics_on_random_labels() -> None:
    rng = np.random.default_rng(0)
    truth = rng.choice([*range(21), 255], size=(5, 40, 30)).astype(np.uint8)
    guess = rng.integers(0, 21, size=truth.shape)
    prediction = np.where((rng.random(truth.shape) < 0.6) & (truth != 255), truth, guess)
    matrices = [confusion_matrix(t, p, classes=21, name="") for t, p in zip(truth, prediction, strict=True)]
    ours = MIoU().aggregate(units(*matrices))
    options = {"num_classes": 21, "ignore_index": 255}
    labels = torch.from_numpy(prediction), torch.from_numpy(truth).long()
    assert ours["mIoU"] == pytest.approx(multiclass_jaccard_index(*labels, **options).item(), abs=1e-6)
    assert ours["pixel_accuracy"] == pytest.approx(multiclass_accuracy(*labels, average="micro", **options).item())
    assert ours["mean_class_accuracy"] == pytest.approx(multiclass_accuracy(*labels, **options).item(), abs=1e-6)


def test_counts_are_the_same_as_repeated_rows() -> None:
    rng = np.random.default_rng(1)
    matrices = rng.integers(0, 50, size=(3, 4, 4))
    repeated = units(matrices[0], matrices[0], matrices[2])
    assert MIoU().aggregate(units(*matrices), np.array([2, 0, 1])) == MIoU().aggregate(repeated)


def test_units_survive_a_file(tmp_path: Path) -> None:
    kept = units(np.arange(9).reshape(3, 3), np.eye(3, dtype=np.int64))
    kept.write(tmp_path / "units.parquet")
    back = Units.read(tmp_path / "units.parquet")
    assert list(back.rows["id"]) == ["p0", "p1"]
    assert np.array_equal(back.rows["confusion"], kept.rows["confusion"])
    assert MIoU().aggregate(back) == MIoU().aggregate(kept)


def test_nothing_labelled_is_refused() -> None:
    with pytest.raises(ValueError, match="all are void"):
        MIoU().aggregate(units(np.zeros((3, 3), np.int64)))


@pytest.mark.parametrize(
    ("truth", "prediction", "complaint", "fault"),
    [
        ([[0, 3]], [[0, 1]], "street.*labels 0 to 2 or 255 for void, got 3", ValueError),
        ([[0, 1, 254]], [[0, 1, 1]], "street.*labels 0 to 2 or 255 for void, got 254", ValueError),
        ([[0, 1]], [[0, 3]], "street.*predicted classes 0 to 2, got 0 to 3", CannotScore),
        ([[0, 1]], [[-1, 1]], "street.*predicted classes 0 to 2, got -1 to 1", CannotScore),
        ([[0, 1]], [[0]], r"street.*size \(1, 2\), got \(1, 1\)", CannotScore),
    ],
)
def test_labels_that_cannot_be_are_named(truth: list, prediction: list, complaint: str, fault: type) -> None:
    """What the model answers, and what is wrong with the data: no champion is deposed for the latter."""
    with pytest.raises(ValueError, match=complaint) as refused:
        confusion_matrix(np.array(truth, np.uint8), np.array(prediction), classes=3, name="street")
    assert type(refused.value) is fault

"""Pictures in memory with their classes: moved, mirrored, and refused where there is nothing to tell apart."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zoo.catalogue import CATALOGUE, family
from zoo.contracts import Inputs
from zoo.training.labelled import Moved, labelled_batches, shifted

CLASSIFIERS = sorted(name for name, listed in CATALOGUE.items() if listed.area == "recognition")


def recipe(**numbers: object) -> Moved:
    return Moved.model_validate({"dataset": "digits", "steps": 1, "batch_size": 32} | numbers)


def test_pictures_keep_their_labels(datasets: Path) -> None:
    batches = labelled_batches(recipe(), Inputs(datasets=datasets))
    batch = batches(3)
    assert batch["label"].dtype == torch.int64
    for image, label in zip(batch["image"].numpy(), batch["label"].tolist(), strict=True):
        (at,) = np.flatnonzero((batches.images == image).all(axis=(1, 2, 3)) & (batches.labels == label))[:1]
        assert batches.labels[at] == label
    assert batches.facts.classes == tuple("0123456789")


def test_a_shift_moves_each_picture_by_itself_and_black_comes_in() -> None:
    images = torch.arange(1, 26, dtype=torch.uint8).view(1, 1, 5, 5).expand(200, 2, -1, -1)
    moved = shifted(images, 1, np.random.default_rng(0))
    assert moved.shape == images.shape
    assert torch.equal(moved[:, 0], moved[:, 1])  # all colours alike
    padded = torch.nn.functional.pad(images[0, 0], (1, 1, 1, 1))
    windows = {tuple(padded[y : y + 5, x : x + 5].flatten().tolist()) for y in range(3) for x in range(3)}
    assert {tuple(image.flatten().tolist()) for image in moved[:, 0]} == windows


def test_half_of_the_pictures_are_mirrored() -> None:
    images = torch.tensor([1, 2, 3], dtype=torch.uint8).view(1, 1, 1, 3).expand(400, -1, -1, -1)
    rows = [tuple(row) for row in recipe(mirror=True).augment(images, np.random.default_rng(0)).view(-1, 3).tolist()]
    assert set(rows) == {(1, 2, 3), (3, 2, 1)}
    assert 150 < rows.count((3, 2, 1)) < 250
    assert recipe().augment(images, np.random.default_rng(0)) is images


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_data_without_classes_are_refused_before_anything_is_trained(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "faces" / "train" / "pictures"
    folder.mkdir(parents=True)
    for i in range(2):
        Image.fromarray(np.full((8, 8, 3), i, np.uint8)).save(folder / f"{i}.png")
    classifier = family(name)
    with pytest.raises(ValueError, match=r"'faces': expected pictures of at least 2 classes, got pictures\. A"):
        classifier.training_set(classifier.recipe("smoke", dataset="faces"), Inputs(datasets=tmp_path))

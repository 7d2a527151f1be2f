"""Batches of pictures in memory with their classes, as classifiers learn from."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import UInt8
from pydantic import Field
from torch import Tensor

from zoo.contracts import Batch, Inputs, Recipe
from zoo.data.labelled import Labelled, open_labelled
from zoo.tasks.classification import ClassificationFacts
from zoo.training.order import shuffled

Augment = Callable[[UInt8[Tensor, "n c h w"], np.random.Generator], UInt8[Tensor, "n c h w"]]


class Moved(Recipe):
    """How pictures of one size are changed at random before they are learned from."""

    shift: int = Field(0, ge=0, description="pixels that a picture is moved at most, each way; black comes in")
    mirror: bool = Field(False, description="half of the pictures are flipped left to right")

    def augment(self, images: UInt8[Tensor, "n c h w"], rng: np.random.Generator) -> UInt8[Tensor, "n c h w"]:
        """Each picture moved and mirrored by itself."""
        if self.mirror:
            flipped = torch.from_numpy(rng.random(len(images)) < 0.5)
            images = torch.where(flipped.view(-1, 1, 1, 1), images.flip(3), images)
        return shifted(images, self.shift, rng) if self.shift else images


class LabelledBatches:
    """Training pictures (n, c, h, w) uint8, and the number of the class of each.

    Args:
        augment: changes them at random.

    Raises:
        ValueError: the data have no classes to tell apart.
    """

    def __init__(self, recipe: Recipe, inputs: Inputs, *, augment: Augment) -> None:
        self.seed, self.count, self.augment = recipe.seed, recipe.batch_size, augment
        self.images, labels, classes = open_classified(recipe, inputs)
        self.labels = labels.astype(np.int64)
        self.facts = facts_of(self.images, classes)

    def __call__(self, step: int) -> Batch:
        chosen = shuffled(len(self.images), self.count, seed=self.seed, step=step)
        images = self.augment(torch.from_numpy(self.images[chosen]), np.random.default_rng([self.seed, step]))
        return {"image": images, "label": torch.from_numpy(self.labels[chosen])}


def labelled_batches(recipe: Moved, inputs: Inputs) -> LabelledBatches:
    """Training pictures, moved and mirrored as the recipe says."""
    return LabelledBatches(recipe, inputs, augment=recipe.augment)


def open_classified(recipe: Recipe, inputs: Inputs) -> Labelled:
    """The training split of a data set whose pictures have classes.

    Raises:
        ValueError: they have none, or one alone.
    """
    train = open_labelled(inputs.dataset(recipe.dataset), "train")
    check_classes(recipe.dataset, train.classes)
    return train


def check_classes(dataset: str, classes: tuple[str, ...]) -> None:
    """See to it that there is something to tell apart.

    Raises:
        ValueError: there is not.
    """
    if len(classes) < 2:
        raise ValueError(
            f"dataset {dataset!r}: expected pictures of at least 2 classes, got {', '.join(classes) or 'none'}. A "
            "classifier has nothing to tell apart there; sort the pictures into a folder per class."
        )


def facts_of(images: UInt8[np.ndarray, "n c h w"], classes: tuple[str, ...]) -> ClassificationFacts:
    """What pictures in memory tell a network."""
    _, channels, height, width = images.shape
    return ClassificationFacts(channels=channels, height=height, width=width, classes=classes)


def shifted(images: UInt8[Tensor, "n c h w"], most: int, rng: np.random.Generator) -> UInt8[Tensor, "n c h w"]:
    """Each picture moved by up to so many pixels down or up and right or left, black coming in."""
    count, _, height, width = images.shape
    padded = torch.nn.functional.pad(images, (most,) * 4)
    tops, lefts = (torch.from_numpy(rng.integers(2 * most + 1, size=(count, 1))) for _ in range(2))
    rows, columns = tops + torch.arange(height), lefts + torch.arange(width)
    each = torch.arange(count)[:, None, None]
    return padded.permute(0, 2, 3, 1)[each, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


def labelled_pictures(recipe: Recipe, inputs: Inputs) -> LabelledBatches:
    """Training pictures as they are."""
    return LabelledBatches(recipe, inputs, augment=lambda images, _rng: images)

"""Batches of labelled pictures of any size, decoded and changed at random as they are asked for; or out of memory."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from jaxtyping import UInt8
from pydantic import Field
from torch import Tensor

from zoo.contracts import Batch, Inputs
from zoo.data.imagenet import is_imagenet, open_imagenet
from zoo.tasks.classification import ClassificationFacts
from zoo.training.augmentation import erased, mirrored, mixed, rand_augmented, resized_crop
from zoo.training.labelled import LabelledBatches, Moved, check_classes, labelled_batches
from zoo.training.order import shuffled


class Augmented(Moved):
    """How pictures are changed at random: those of one size are moved, those on disk cropped and more; then mixed."""

    crop: int = Field(224, ge=1, description="side in pixels of what is learned from a picture on disk")
    area: tuple[float, float] = Field((0.08, 1.0), description="share of it that a crop has (Szegedy et al. 2015)")
    rand_augment: tuple[float, float] | None = Field(
        None, description="mean and deviation of the magnitude, in tenths; none: no RandAugment"
    )
    erase: float = Field(0.0, ge=0, le=1, description="share of pictures with a rectangle of noise in them")
    mixup: float = Field(0.0, ge=0, description="alpha of the Beta distribution; 0: pictures are not blended")
    cutmix: float = Field(0.0, ge=0, description="alpha of the Beta distribution; 0: pictures are not put together")

    def changed(self, image: UInt8[np.ndarray, "h w 3"], rng: np.random.Generator) -> UInt8[Tensor, "3 side side"]:
        """One picture as it is learned from."""
        tensor = resized_crop(torch.from_numpy(image).permute(2, 0, 1), self.crop, self.area, rng)
        if self.mirror:
            tensor = mirrored(tensor, rng)
        if self.rand_augment is not None:
            tensor = rand_augmented(tensor, *self.rand_augment, rng)
        return erased(tensor, self.erase, rng)


class PicturesOnDisk:
    """Training pictures of ImageNet, each changed by a generator of its own."""

    def __init__(self, recipe: Augmented, inputs: Inputs) -> None:
        self.recipe = recipe
        self.listing = open_imagenet(inputs.dataset(recipe.dataset), "train", cache=inputs.cache)
        check_classes(recipe.dataset, self.listing.classes)
        self.facts = ClassificationFacts(
            channels=3, height=recipe.crop, width=recipe.crop, classes=self.listing.classes
        )

    def __call__(self, step: int) -> Batch:
        recipe = self.recipe
        chosen = shuffled(len(self.listing), recipe.batch_size, seed=recipe.seed, step=step).tolist()

        def shown(place: int) -> UInt8[Tensor, "3 side side"]:
            image, _ = self.listing[chosen[place]]
            return recipe.changed(image, np.random.default_rng([recipe.seed, step, place]))

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            images = torch.stack(list(pool.map(shown, range(len(chosen)))))
        return {"image": images, "label": torch.from_numpy(self.listing.labels[chosen].astype(np.int64))}


class Mixed:
    """Batches whose pictures are mixed, with the share of each class as `target`."""

    def __init__(self, recipe: Augmented, batches: LabelledBatches | PicturesOnDisk) -> None:
        self.recipe, self.batches, self.facts = recipe, batches, batches.facts

    def __call__(self, step: int) -> Batch:
        recipe, batch = self.recipe, self.batches(step)
        images, target = mixed(
            batch["image"],
            batch["label"],
            classes=len(self.facts.classes),
            mixup=recipe.mixup,
            cutmix=recipe.cutmix,
            rng=np.random.default_rng([recipe.seed, step, recipe.batch_size]),  # no picture's own
        )
        return {"image": images, "label": batch["label"], "target": target}


def augmented_batches(recipe: Augmented, inputs: Inputs) -> Mixed:
    """Training pictures out of memory, or from disk where there are as many as ImageNet has."""
    folder = inputs.dataset(recipe.dataset)
    return Mixed(recipe, PicturesOnDisk(recipe, inputs) if is_imagenet(folder) else labelled_batches(recipe, inputs))

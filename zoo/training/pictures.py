"""Batches of unlabelled pictures, as models of their distribution learn from."""

import torch

from zoo.contracts import Batch, Inputs, Recipe
from zoo.data.labelled import open_labelled
from zoo.tasks.sampling import PictureFacts
from zoo.training.order import shuffled


class PictureBatches:
    """Training pictures, (n, c, h, w) uint8.

    Args:
        portions: batches a step, for learners with several updates of a critic.

    Raises:
        ValueError: the pictures are not square.
    """

    def __init__(self, recipe: Recipe, inputs: Inputs, *, portions: int = 1) -> None:
        self.seed, self.count = recipe.seed, recipe.batch_size * portions
        self.images = open_labelled(inputs.dataset(recipe.dataset), "train").images
        _, channels, height, width = self.images.shape
        if height != width:
            raise ValueError(f"dataset {recipe.dataset!r}: expected square pictures, got {height} x {width}.")
        self.facts = PictureFacts(channels=channels, height=height, width=width)

    def __call__(self, step: int) -> Batch:
        chosen = shuffled(len(self.images), self.count, seed=self.seed, step=step)
        return {"image": torch.from_numpy(self.images[chosen])}

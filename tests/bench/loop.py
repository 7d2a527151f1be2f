"""What the training loop costs: steps per second through `zoo.training.train` and through a bare hand-written loop.

    make bench

Same model, same batches, one thread, one process; both ways alternate and the medians are compared. The loop also
seeds every step, watches the losses, writes curves and checkpoints: its ratio is what all that costs (the batches it
prepares ahead pay some of it back where a core is free).
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from zoo.catalogue import family
from zoo.contracts import Family, Inputs, Recipe
from zoo.data.made import MADE, make
from zoo.training import train

FAMILIES = {"fcn8s": 30, "wgan-gp": 60, "siamfc": 40}  # steps a turn: a few seconds
TURNS = 5

Way = Callable[[Family, Recipe, Inputs], None]


def bare(of: Family, recipe: Recipe, inputs: Inputs) -> None:
    """The loop anyone would write."""
    batches = of.training_set(recipe, inputs)
    learner = of.learner(recipe, batches.facts).train()
    for step in range(recipe.steps):
        learner.step(batches(step))


def ours(of: Family, recipe: Recipe, inputs: Inputs) -> None:
    """The same through the loop, its checkpoint at the end included."""
    with tempfile.TemporaryDirectory() as folder:
        train(of, recipe, inputs, Path(folder))


def steps_per_second(way: Way, of: Family, recipe: Recipe, inputs: Inputs) -> float:
    """From opening the data set to the last step."""
    start = time.perf_counter()
    way(of, recipe, inputs)
    return recipe.steps / (time.perf_counter() - start)


def main() -> None:
    """Print a line per family."""
    torch.set_num_threads(1)
    print("family      bare steps/s   loop steps/s   ratio")
    with tempfile.TemporaryDirectory() as folder:
        for name in MADE:
            make(name, Path(folder) / name)
        inputs = Inputs(datasets=Path(folder))
        for name, steps in FAMILIES.items():
            of = family(name)
            recipe = of.recipe("mini", steps=steps)
            bare(of, recipe.but(steps=5), inputs)  # warms up
            turns = [
                (steps_per_second(bare, of, recipe, inputs), steps_per_second(ours, of, recipe, inputs))
                for _ in range(TURNS)
            ]
            by_hand, through = (statistics.median(way) for way in zip(*turns, strict=True))
            print(f"{name:10s} {by_hand:13.2f} {through:14.2f} {through / by_hand:7.3f}")


if __name__ == "__main__":
    main()

"""What drawing costs a PixelCNN of the paper's size: with what the layers found kept, and by whole pictures.

    python tests/bench/drawing.py

A naive draw runs the whole network for each value, which is the same work each time: a few runs are timed, and counted
for all values. Processor time of one thread; one picture, of CIFAR-10's size in `paper`, of that of digits in `mini`.
"""

import statistics
import time
from collections.abc import Callable

import torch

from zoo.generative.pixel_cnn import FAMILY, PixelCnn
from zoo.layers.pixels import signed
from zoo.tasks.sampling import PictureFacts

NAIVE = 5  # runs of the whole network
SIZES = {"paper": PictureFacts(channels=3, height=32, width=32), "mini": PictureFacts(channels=1, height=8, width=8)}


def seconds(work: Callable[[], object]) -> float:
    """Of processor time."""
    start = time.process_time()
    work()
    return time.process_time() - start


def compare(name: str, facts: PictureFacts) -> None:
    """Print a recipe's line."""
    model: PixelCnn = FAMILY.learner(FAMILY.recipe(name), facts).predictor().eval()
    values = facts.channels * facts.height * facts.width
    pictures = signed(torch.randint(256, (1, facts.channels, facts.height, facts.width), dtype=torch.uint8))
    with torch.inference_mode():
        model(pictures)
        naive = values * statistics.median(seconds(lambda: model(pictures)) for _ in range(NAIVE))
        kept = seconds(lambda: model.sample(1, seed=0))
    print(f"{name:8s} {values:8d} {naive:10.1f} {kept:9.1f} {naive / kept:7.1f}", flush=True)


def main() -> None:
    """Print a line per recipe."""
    torch.set_num_threads(1)
    print("recipe     values   naive, s   kept, s   ratio")
    for name, facts in SIZES.items():
        compare(name, facts)


if __name__ == "__main__":
    main()

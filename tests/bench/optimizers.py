"""The same network under each optimizer: docs/optimizers.md.

    .venv/bin/python tests/bench/optimizers.py

The CNN of the zoo on `digits`, from the same weights and over the same batches in each seed; only the rule and its rate
change. Rates are those that the rules' authors or users start with; none was searched for.
"""

import math
import statistics
import tempfile
import time
from pathlib import Path

import torch

from zoo.catalogue import family
from zoo.contracts import Inputs
from zoo.data.made import make
from zoo.evaluation.evaluate import evaluate
from zoo.training import Progress, train
from zoo.training.optimizers import RULES, Rule

STEPS, SEEDS = 200, (0, 1, 2)
RATES: dict[Rule, float] = {
    "sgd": 0.1,
    "momentum": 0.01,
    "nesterov": 0.01,
    "rmsprop": 1e-3,
    "adagrad": 1e-2,
    "adam": 1e-3,
    "adamw": 1e-3,
}


def run(rule: Rule, seed: int, inputs: Inputs, folder: Path) -> tuple[float, float, float]:
    """Accuracy, loss over the last steps and milliseconds of processor time a step."""
    cnn = family("cnn")
    decay = 0.05 if rule == "adamw" else 0.0
    changes = {"optimizer": rule, "learning_rate": RATES[rule], "weight_decay": decay, "schedule": "constant"}
    recipe = cnn.recipe("mini", steps=STEPS, seed=seed, **changes)
    losses: list[float] = []

    def report(progress: Progress) -> None:
        losses.append(progress.scalars["loss"])

    start = time.process_time()
    trained = train(cnn, recipe, inputs, folder, device="cpu", report=report)
    spent = 1000 * (time.process_time() - start) / STEPS
    benchmark = cnn.benchmark(recipe, inputs)
    scored = evaluate(benchmark, trained.learner.predictor())
    return benchmark.scoring.aggregate(scored.units)["accuracy"], statistics.fmean(losses[-30:]), spent


def main() -> None:
    """Print the table, a line a rule."""
    torch.set_num_threads(1)
    print("| optimizer | rate | accuracy | loss, last steps | ms a step |\n| --- | --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        make("digits", Path(folder) / "digits")
        inputs = Inputs(datasets=Path(folder))
        for rule in RULES:
            runs = [run(rule, seed, inputs, Path(folder) / f"{rule}-{seed}") for seed in SEEDS]
            accuracy, loss, spent = zip(*runs, strict=True)
            spread = statistics.stdev(accuracy) if len(runs) > 1 else math.nan
            print(
                f"| `{rule}` | {RATES[rule]:g} | {statistics.fmean(accuracy):.3f} ± {spread:.3f} | "
                f"{statistics.fmean(loss):.3f} | {min(spent):.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

"""The one loop: the learner owns its step, the loop owns time.

Order of batches, random numbers, device, precision, curves, checkpoints and resuming are the same for every family.
Resuming is bit-exact: the batch and the seed of a step are functions of (recipe.seed, step), and a checkpoint holds
the whole learner.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import torch
from torch import Tensor

from zoo.contracts import Batch, Batches, Facts, Family, Inputs, Learner, Recipe
from zoo.durable import write_atomically
from zoo.training.checkpoint import Checkpoints
from zoo.training.curves import Curves
from zoo.training.placement import Placement, choose, loaders_for

WINDOWS = 200  # points of a curve
LONGEST_WINDOW = 50  # steps between two looks at the losses, and so the most that a NaN can waste
SAVING_SHARE = 0.02  # of the time may go into checkpoints
AHEAD = 2  # batches that lie ready, besides those in the hands of the loaders


class Progress(NamedTuple):
    """What the loop tells whoever watches."""

    step: int
    steps: int
    per_second: float
    scalars: Mapping[str, float]


@dataclass(frozen=True)
class Trained:
    """A finished run."""

    learner: Learner
    facts: Facts
    placement: Placement
    seconds: float  # of the processor where it was trained on one, else elapsed; all attempts together


class Stopwatch:
    """What a run costs: the time of the processor that it computes on, which other work beside it hardly changes; on
    another device the time that passes."""

    def __init__(self) -> None:
        self.started, self.worked = time.monotonic(), time.process_time()

    def seconds(self, device: str) -> float:
        """Since it was made."""
        return time.process_time() - self.worked if device == "cpu" else time.monotonic() - self.started


class Diverged(ValueError):
    """A scalar of the learner became NaN or infinite."""


def train(
    family: Family,
    recipe: Recipe,
    inputs: Inputs,
    folder: Path,
    *,
    device: str | None = None,
    loaders: int | None = None,
    report: Callable[[Progress], None] = lambda _: None,
    checkpoint_seconds: float = 15.0,
) -> Trained:
    """Train a recipe to its end, going on from the newest good checkpoint in `folder`.

    Writes `checkpoints/`, `curves.jsonl` (a line per window of steps: step, time in ms, mean of each scalar) and
    `placement.json` under `folder`.

    Args:
        loaders: threads that prepare batches, which decide no weight; none: as many as suit device and machine.
        report: called after each window of steps.
        checkpoint_seconds: least time between two checkpoints; more where saving is slow.

    Raises:
        Diverged: a loss is NaN or infinite; the checkpoints before it stay.
        ValueError: the data set is missing or damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    watch = Stopwatch()
    training_set: Any = family.training_set(recipe, inputs)
    torch.default_generator.manual_seed(_mix(recipe.seed, -1))
    upstream = {entry: deepcopy(needed.predictor) for entry, needed in inputs.upstream.items()}
    learner = family.build(recipe, training_set.facts, upstream)
    placement = _placement(folder / "placement.json", learner, training_set, recipe, device, loaders)
    placement.place(learner)
    checkpoints = Checkpoints(folder / "checkpoints")
    curves = Curves(folder / "curves.jsonl")
    done, before = _resume(checkpoints, learner, placement)
    started = saved_at = time.monotonic()
    if not done:
        learner.begin(inputs)
        learner.fit(training_set)
    curves.rewind(done)

    learner.train()
    window = max(1, min(LONGEST_WINDOW, recipe.steps // WINDOWS))
    pause = checkpoint_seconds
    reported: list[tuple[int, dict[str, Tensor]]] = []
    with _deterministic(placement):
        for step, batch in _ahead(training_set, placement, range(done, recipe.steps)):
            placement.seed(_mix(recipe.seed, step))
            with placement.autocast():
                reported.append((step, dict(learner.step(batch))))
            at_end = step + 1 == recipe.steps
            if len(reported) < window and not at_end:
                continue
            means = _means(reported, checkpoints)
            reported.clear()
            curves.append(step + 1, means)
            now = time.monotonic()
            if at_end or now - saved_at >= pause:
                spent = before + watch.seconds(placement.device)
                checkpoints.save(learner.state_dict(), step=step + 1, seconds=spent)
                saved_at = time.monotonic()
                pause = max(checkpoint_seconds, (saved_at - now) / SAVING_SHARE)
            report(Progress(step + 1, recipe.steps, (step + 1 - done) / max(now - started, 1e-9), means))
    return Trained(learner.eval(), training_set.facts, placement, before + watch.seconds(placement.device))


def _placement(
    path: Path, learner: Learner, batches: Batches, recipe: Recipe, device: str | None, loaders: int | None
) -> Placement:
    """The recorded placement of this run, or a new choice, with the loaders that it has now; recorded."""
    if path.exists():
        placement = Placement.model_validate_json(path.read_bytes())
    else:
        placement = choose(learner, batches, recipe, device=device) if recipe.steps else Placement(device="cpu")
    placement = placement.model_copy(update={"loaders": loaders or loaders_for(placement.device)})
    write_atomically(path, placement.model_dump_json(indent=2).encode())
    return placement


def _resume(checkpoints: Checkpoints, learner: Learner, placement: Placement) -> tuple[int, float]:
    newest = checkpoints.newest(placement.device)
    if newest is None:
        return 0, 0.0
    checkpoint, state = newest
    learner.load_state_dict(state)
    return checkpoint.step, checkpoint.seconds


def _ahead(batches: Batches, placement: Placement, steps: range) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """(step, batch) in order, prepared by threads while the steps before them run."""
    pinned = placement.device.startswith("cuda")

    def prepared(step: int) -> Batch:
        batch = batches(step)
        return {name: value.pin_memory() for name, value in batch.items()} if pinned else batch

    with ThreadPoolExecutor(max_workers=placement.loaders, thread_name_prefix="batches") as pool:
        coming = iter(steps)
        ahead = islice(coming, placement.loaders + AHEAD)
        waiting: deque[Future[Batch]] = deque(pool.submit(prepared, step) for step in ahead)
        try:
            for step in steps:
                batch = waiting.popleft().result()
                waiting.extend(pool.submit(prepared, later) for later in islice(coming, 1))
                yield step, placement.move(batch)
        finally:
            pool.shutdown(cancel_futures=True)


def _means(reported: list[tuple[int, dict[str, Tensor]]], checkpoints: Checkpoints) -> dict[str, float]:
    """Mean of each scalar over those steps of a window that report it, read from the device in one go.

    Raises:
        Diverged: one of them is not finite; the message names the step and the last good checkpoint.
    """
    named = [(step, name, scalar) for step, scalars in reported for name, scalar in scalars.items()]
    values = torch.stack([scalar.float() for _, _, scalar in named]).cpu().double()
    broken = (~values.isfinite()).nonzero()
    if len(broken):
        step, name, _ = named[int(broken[0])]
        listed = checkpoints.listed()
        kept = f"the checkpoint of step {listed[-1].step} is kept" if listed else "no checkpoint was made yet"
        raise Diverged(
            f"{name} is {values[broken[0]].item()} at step {step}: expected a finite value. "
            f"Training stopped; {kept}. Try a lower learning rate, gradient clipping or precision='fp32'."
        )
    by_name: dict[str, list[float]] = {}
    for (_, name, _), value in zip(named, values.tolist(), strict=True):
        by_name.setdefault(name, []).append(value)
    return {name: fmean(each) for name, each in by_name.items()}


def _mix(seed: int, step: int) -> int:
    """A well-spread 63-bit seed from (seed, step); -1 is the step before the first."""
    return (seed * 0x9E3779B97F4A7C15 + (step + 1) * 0xBF58476D1CE4E5B9) & (2**63 - 1)


@contextmanager
def _deterministic(placement: Placement) -> Iterator[None]:
    """Deterministic convolutions while a run trains on a GPU; the caller's setting comes back afterwards."""
    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = before or placement.device.startswith("cuda")
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic = before

"""Where and how a run computes: device, precision and memory layout, chosen once, by measuring, and recorded.

bf16 with channels-last pays 3 to 5 times where there are matrix units (AMX, tensor cores) and nothing elsewhere, and
channels-last alone slows some networks: so where there is a choice, each way is timed on a copy of the learner. A
resumed run keeps the choice of its first start, because another one would give other weights.
"""

import os
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from copy import deepcopy
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from zoo.contracts import Batch, Batches, Learner, Recipe

TIMED_STEPS = 3


class Placement(BaseModel):
    """How a run computes (`placement` in its record)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str
    precision: Literal["fp32", "bf16"] = "fp32"
    channels_last: bool = False
    threads: int = 1  # on the CPU sums depend on it, to the last bit
    measured: dict[str, float] = {}  # steps per second of each way that was tried
    loaders: int = 1  # threads that prepared batches; no weight depends on it

    def place(self, learner: Learner) -> Learner:
        """The learner on this device, in this memory layout."""
        learner.to(self.device)
        if self.channels_last:
            learner.to(memory_format=torch.channels_last)
        return learner

    def move(self, batch: Batch) -> dict[str, Tensor]:
        """A batch on this device, in this memory layout."""
        return {name: self._move(value) for name, value in batch.items()}

    def _move(self, value: Tensor) -> Tensor:
        value = value.to(self.device, non_blocking=True)
        if self.channels_last and value.ndim == 4:
            return value.contiguous(memory_format=torch.channels_last)
        return value

    def autocast(self) -> AbstractContextManager[object]:
        """Under which a step runs."""
        return torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.precision == "bf16")

    def seed(self, number: int) -> None:
        """Seed the generators a step may draw from.

        Not `torch.manual_seed`: while CUDA sleeps it formats a stack trace a call.
        """
        torch.default_generator.manual_seed(number)
        if self.device.startswith("cuda"):
            torch.cuda.manual_seed(number)


def choose(learner: Learner, batches: Batches, recipe: Recipe, *, device: str | None = None) -> Placement:
    """The fastest way to run this learner on this machine that the recipe allows, by whole rounds of typical steps."""
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    threads = torch.get_num_threads()
    plain = Placement(device=device, threads=threads)
    if recipe.precision == "fp32" or not _has_matrix_units(device):
        return plain
    ways = {
        "fp32": plain,
        "bf16": plain.model_copy(update={"precision": "bf16"}),
        "bf16 channels_last": plain.model_copy(update={"precision": "bf16", "channels_last": True}),
    }
    steps = range(learner.typical_step, learner.typical_step + max(TIMED_STEPS, learner.round))
    timed = [batches(step) for step in steps]
    measured = {name: _steps_per_second(learner, timed, way) for name, way in ways.items()}
    best = max(measured, key=lambda name: measured[name])
    return ways[best].model_copy(update={"measured": measured})


def loaders_for(device: str, *, workers: int = 1) -> int:
    """Threads that should prepare batches: for a GPU the cores that this process may use but the one that drives it,
    for the CPU one, because steps and batches share the cores there.

    Args:
        workers: processes of the same kind that share these cores.
    """
    if not device.startswith("cuda"):
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // workers - 1)


def _has_matrix_units(device: str) -> bool:
    if device.startswith("cuda"):
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))


def _steps_per_second(learner: Learner, batches: Sequence[Batch], way: Placement) -> float:
    copy = way.place(deepcopy(learner))
    placed = [way.move(batch) for batch in batches]

    def seconds() -> float:
        start = time.perf_counter()
        for step, batch in enumerate(placed):
            way.seed(step)
            with way.autocast():
                copy.step(batch)
        if way.device.startswith("cuda"):
            torch.cuda.synchronize()
        return time.perf_counter() - start

    seconds()  # warms up
    return len(placed) / seconds()

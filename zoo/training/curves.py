"""What the scalars of a run did: kept line by line while it trains, drawn when it is done."""

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from zoo.contracts import Picture
from zoo.data.pictures import rendered
from zoo.durable import write_atomically

PANELS_A_ROW = 3


class Curves:
    """`curves.jsonl`: a line per window of steps, with its last step, the time in ms, and the mean of each scalar."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def rewind(self, step: int) -> None:
        """Forget what came after a step: it is about to be done again."""
        lines = self.path.read_bytes().splitlines(keepends=True) if self.path.exists() else []
        write_atomically(self.path, b"".join(line for line in lines if _step_of(line) <= step))

    def append(self, step: int, means: Mapping[str, float]) -> None:
        """The means of the window that ended with a step."""
        line = {"step": step, "time": time.time_ns() // 1_000_000, **means}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def drawn(self) -> Picture | None:
        """A panel for each scalar, over steps; None where nothing was trained."""
        lines = [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]
        names = [name for name in lines[0] if name not in ("step", "time")] if lines else []
        return _panels({name: ([line["step"] for line in lines], [line[name] for line in lines]) for name in names})


def _step_of(line: bytes) -> float:
    """The step of a curve's line; infinity for one that a kill cut short."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError):
        return math.inf


def _most(values: list[float]) -> tuple[float, float]:
    """A range that holds all but the few values that would press the others flat."""
    low, high = np.percentile(values, (1, 99))
    margin = 0.1 * (high - low) or 1.0
    return low - margin, high + margin


def _panels(curves: Mapping[str, tuple[list[float], list[float]]]) -> Picture | None:
    from matplotlib.figure import Figure  # half a second, for a picture alone

    if not curves:
        return None
    columns = min(PANELS_A_ROW, len(curves))
    rows = math.ceil(len(curves) / columns)
    figure = Figure(figsize=(4 * columns, 3 * rows), dpi=100, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for (name, (steps, values)), axes in zip(curves.items(), panels, strict=False):
        axes.plot(steps, values, linewidth=1)
        axes.set_ylim(_most(values))
        axes.set(title=name, xlabel="step")
        axes.grid(alpha=0.3)
    for axes in panels:  # those that are left over
        axes.set_axis_off()
    return rendered(figure)

"""What the scalars of a run did, kept line by line while it trains."""

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path

from zoo.durable import write_atomically


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


def _step_of(line: bytes) -> float:
    """The step of a curve's line; infinity for one that a kill cut short."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError):
        return math.inf

"""What a full disk and used-up memory are called, whichever library meets them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from flows.failures import explained
from flows.limits import ROOM, room

WRITES = {
    "checkpoint": "from zoo.training.checkpoint import Checkpoints as C; C(folder).save(state, step=1, seconds=1)",
    "weights": "from safetensors.torch import save_file; save_file(state, folder / 'weights.safetensors')",
    "units": "from zoo.scoring.units import Units as U; U({'a': state['a'].numpy()}).write(folder / 'units.parquet')",
}
FULL = """
import resource, sys, torch
from pathlib import Path
from flows.failures import explained
folder, state = Path(sys.argv[1]), {"a": torch.rand(1_000_000)}
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    WRITE
except Exception as error:
    print(explained(error, folder, {}))
"""


@pytest.mark.parametrize("write", WRITES)
def test_a_disk_that_takes_no_more_is_said_to_be_full(write: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL.replace("WRITE", WRITES[write]), str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.startswith(f"The disk of {tmp_path} is full or its quota used up (")
    assert "free some space" in ran.stdout
    assert len(ran.stdout) < 500


@pytest.mark.parametrize("ask", [lambda: torch.empty(10**15), lambda: np.ones(10**15)], ids=["torch", "numpy"])
def test_memory_that_is_not_there_is_advised_on_with_the_number_to_change(
    ask: Callable[[], object], tmp_path: Path
) -> None:
    with pytest.raises((RuntimeError, MemoryError)) as raised:
        ask()
    told = explained(raised.value, tmp_path, {"batch_size": 64})
    assert told.startswith("Out of memory: lower the recipe's batch_size, now 64, or train it alone")


def test_other_failures_keep_their_own_words(tmp_path: Path) -> None:
    assert explained(ValueError("expected 3, got 4. Do this."), tmp_path, {}) == "expected 3, got 4. Do this."
    told = explained(RuntimeError("first line\nsecond line"), tmp_path, {})
    assert told == f"RuntimeError: first line. See {tmp_path / 'failure.json'}."


def test_nothing_begins_on_a_disk_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room(tmp_path)
    free = type("Usage", (), {"free": ROOM - 1})
    monkeypatch.setattr("flows.limits.shutil.disk_usage", lambda _: free)
    with pytest.raises(ValueError, match=r"has 100\.0 MB free, less than the 100 MB"):
        room(tmp_path)

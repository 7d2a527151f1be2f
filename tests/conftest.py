"""What every test shares: one thread, and where the small real data sets are."""

import os
from pathlib import Path

import pytest
import torch

os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
torch.set_num_threads(1)  # two shared cores: 8 s against 86 s


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of small real data sets in official layouts; skips, saying so, where it is absent."""
    root = Path(__file__).resolve().parent.parent
    folder = Path(os.environ.get("NIGHTZOO_SHARED_DATA", root.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real sample data at {folder}: set NIGHTZOO_SHARED_DATA to check the readers on real data")
    return folder

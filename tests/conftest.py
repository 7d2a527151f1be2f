"""What every test shares: one thread, where the small real data sets are, and the made ones."""

import os
from pathlib import Path

import pytest
import torch

os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
torch.set_num_threads(1)  # two shared cores: 8 s against 86 s


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--accept", action="store_true", help="write what came out to tests/expected instead of comparing")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of small real data sets in official layouts; skips, saying so, where it is absent."""
    root = Path(__file__).resolve().parent.parent
    folder = Path(os.environ.get("NIGHTZOO_SHARED_DATA", root.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real sample data at {folder}: set NIGHTZOO_SHARED_DATA to check the readers on real data")
    return folder


@pytest.fixture(scope="session")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data sets that the zoo makes."""
    from zoo.data.made import MADE, make

    folder = tmp_path_factory.mktemp("made") / "datasets"
    folder.mkdir()
    for name in MADE:
        make(name, folder / name)
    return folder

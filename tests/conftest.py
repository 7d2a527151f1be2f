"""What every test shares: one thread, an empty registry, where the small real data sets are, and the made ones."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from tests.shapes import check_shapes

os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
os.environ["ZOO_CONFIG"] = os.devnull  # a zoo.toml of the person who tests names servers that are not for tests
torch.set_num_threads(1)  # two shared cores: 8 s against 86 s
check_shapes()  # before anything of the zoo is imported


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
def datasets(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder with the data sets that the zoo makes, which all tests and runs in this checkout share: read it only."""
    from flows.datasets.manifest import recorded
    from registry.settings import Settings
    from tests.made_once import made_once, unchanged

    root = request.config.rootpath
    folder = made_once(request.config.cache.mkdir("made"), recorded(Settings(root, root / ".zoo", "")))
    with unchanged(folder):
        yield folder


@pytest.fixture
def made_copy(datasets: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Gives a made data set as a folder that the test may change."""
    return lambda name: Path(shutil.copytree(datasets / name, tmp_path / name, copy_function=shutil.copyfile))


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database with all its tables: making one costs seconds."""
    from registry.client import connect
    from registry.settings import Settings

    home = tmp_path_factory.mktemp("migrated")
    connect(Settings(home, home, f"sqlite:///{home / 'mlflow.db'}")).search_experiments()
    return home / "mlflow.db"

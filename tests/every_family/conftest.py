"""What the promises of all families share: a little of the made data."""

from pathlib import Path

import pytest

from tests.every_family.cut import cut


@pytest.fixture(scope="session")
def little(datasets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the first few items of every made data set."""
    return cut(datasets, tmp_path_factory.mktemp("little") / "datasets")

"""Bringing in the files of a data set from elsewhere, and where they are assembled."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from registry.settings import Settings


@contextmanager
def staging(name: str, settings: Settings) -> Iterator[Path]:
    """A path to fill and then to rename into `datasets/`: what is half made never lies there."""
    incoming = settings.project / ".dvc" / "tmp"
    incoming.mkdir(parents=True, exist_ok=True)
    settings.datasets.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=incoming, prefix="incoming-") as folder:
        yield Path(folder) / name


def copy(source: Path, target: Path) -> None:
    """Contents only: the permissions of where it came from are no part of a data set."""
    for path in sorted(source.rglob("*")):
        within = path.relative_to(source)
        if path.is_file() and not any(part.startswith(".") for part in within.parts):
            (target / within).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / within)
    if not target.is_dir():
        raise ValueError(f"{source}: expected the files of a data set, found none.")

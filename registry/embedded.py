"""The embedded MLflow's database file: there whole or not at all, and never migrated in place.

MLflow migrates a SQLite file where it lies, and SQLite keeps half of a migration that was killed: no later one gets
past it. So the file is made under a temporary name and linked to its own, and an upgrade is made on a copy.
"""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

from zoo.durable import sync_folder, temporary_name

PATIENCE = 60.0  # seconds to wait for who writes to the database, before it is upgraded
REVISION = re.compile(r"^(down_)?revision\b[^=\n]*= *[\"'](\w+)[\"']", re.MULTILINE)


def database(uri: str) -> Path:
    """The file of a SQLAlchemy SQLite URI: `sqlite:///relative` or `sqlite:////absolute`."""
    return Path(unquote(uri.removeprefix("sqlite:///")))


def prepare(path: Path) -> None:
    """Have a database that today's MLflow takes as it is.

    Raises:
        ValueError: a newer MLflow made it, or it could not be upgraded; it is as it was.
    """
    if not path.is_file():
        _make(path)
    elif (found := _revision(path)) and found != _newest():
        _upgrade(path)


def _make(path: Path) -> None:
    from mlflow import MlflowClient

    path.parent.mkdir(parents=True, exist_ok=True)
    with _aside(path) as made:
        uri = f"sqlite:///{made}"
        MlflowClient(tracking_uri=uri, registry_uri=uri).search_experiments(max_results=1)
        _appear(made, path)


def _upgrade(path: Path) -> None:
    """Upgrade a copy while nobody can write, keep what there was beside it, and put the copy in its place."""
    with closing(sqlite3.connect(path, timeout=PATIENCE)) as lock:
        lock.execute("BEGIN IMMEDIATE")
        found = _revision(path)
        if found == _newest():
            return  # another process was faster
        if found not in _revisions():
            raise ValueError(
                f"{path}: expected a database of this MLflow or an older one, got one of schema {found}, which only a "
                "newer MLflow knows. Install the nightzoo that made it, or move the file away to begin anew."
            )
        with _aside(path) as copy:
            _copied(path, copy)
            _appear(copy, path.with_name(f"{path.name}.{found}"))  # the way back
            copy.unlink()
            _copied(path, copy)
            command = [sys.executable, "-P", "-m", "mlflow", "db", "upgrade", f"sqlite:///{copy}"]
            ran = subprocess.run(command, capture_output=True, text=True, check=False)
            if ran.returncode:
                raise ValueError(
                    f"{path}: MLflow could not upgrade a copy of it: {ran.stderr.strip().splitlines()[-1]}. "
                    "The database itself is as it was; the nightzoo that made it still reads it."
                )
            copy.replace(path)
            sync_folder(path.parent)


@contextmanager
def _aside(path: Path) -> Iterator[Path]:
    """A file beside a database that goes when the block ends, or with `zoo.durable.clear` if that was killed."""
    folder = temporary_name(path)
    shutil.rmtree(folder, ignore_errors=True)  # of a killed process that had the same number
    folder.mkdir()
    try:
        yield folder / path.name
    finally:
        shutil.rmtree(folder)


def _copied(path: Path, copy: Path) -> None:
    """Copy a database as SQLite does: opening and closing it by hand would drop the locks that this process holds."""
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)


def _appear(made: Path, path: Path) -> None:
    """Give a file its name unless another process was faster: then that one's stays."""
    with made.open("rb") as file:
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        os.link(made, path)
    sync_folder(path.parent)


def _revision(path: Path) -> str:
    """The revision of a database's schema; empty where SQLite or Alembic does not know, as MLflow will tell."""
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.DatabaseError:
            return ""
    return str(row[0]) if row else ""


@cache
def _revisions() -> dict[str, str]:
    """The revision before each one that this MLflow knows, read from its migrations without importing it."""
    spec = find_spec("mlflow")
    folder = Path(next(iter(spec.submodule_search_locations or ()), "")) if spec else Path()
    files = (file.read_text(encoding="utf-8") for file in folder.glob("store/db_migrations/versions/*_*.py"))
    told = ({bool(down): revision for down, revision in REVISION.findall(text)} for text in files)
    return {named[False]: named.get(True, "") for named in told if False in named}


def _newest() -> str:
    """The revision that no other one of this MLflow comes after."""
    (newest,) = _revisions().keys() - _revisions().values()
    return newest

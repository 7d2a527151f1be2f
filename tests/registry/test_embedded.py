"""The embedded database is there whole or not at all, is upgraded on a copy, and refused where it is too new."""

import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from registry import embedded
from registry.client import connect
from registry.embedded import prepare
from registry.settings import Settings
from zoo.durable import clear

OLDER = 3  # revisions before the newest
KILLER = """
import os, signal, sys, time
from pathlib import Path
import mlflow, mlflow.store.tracking.sqlalchemy_store, mlflow.store.model_registry.sqlalchemy_store
from registry.embedded import prepare
for line in sys.stdin:  # "SECONDS FILE": make the database in a fork, and kill it after so long
    seconds, file = line.rstrip().split(" ", 1)
    began = time.monotonic()
    child = os.fork()
    if not child:
        prepare(Path(file))
        os._exit(0)
    ended = (0, 0)
    while time.monotonic() < began + float(seconds) and ended == (0, 0):
        ended = os.waitpid(child, os.WNOHANG)
        time.sleep(0.001)
    took = time.monotonic() - began
    if ended == (0, 0):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    print(took, flush=True)
"""


def revision(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


@pytest.mark.slow
def test_killed_while_it_is_made_it_is_not_there_and_made_again(tmp_path: Path, migrated: Path) -> None:
    """25 kills at times spread over the making of a database, and nothing stays behind."""
    file, chance = tmp_path / "mlflow.db", random.Random(0)
    with subprocess.Popen(
        [sys.executable, "-c", KILLER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as killer:
        assert killer.stdin is not None
        assert killer.stdout is not None

        def made(seconds: float) -> float:
            print(seconds, file, file=killer.stdin, flush=True)
            return float(killer.stdout.readline())  # type: ignore[union-attr]

        whole = made(60.0)
        assert tables(file) == tables(migrated)
        broken_off = 0
        for _ in range(25):
            file.unlink()
            made(chance.uniform(0, whole))
            broken_off += not file.exists()
            clear(tmp_path)
            assert {path.name for path in tmp_path.iterdir()} <= {file.name}
            made(60.0)
            assert tables(file) == tables(migrated)
        assert broken_off >= 10, "hardly any kill came in time"


def test_two_that_make_it_at_once_share_it(tmp_path: Path, migrated: Path) -> None:
    (tmp_path / "first").mkdir()
    first, second = (Path(shutil.copy(migrated, tmp_path / "first" / name)) for name in ("made", "mlflow.db"))
    before = second.stat().st_ino
    embedded._appear(first, second)
    assert second.stat().st_ino == before


@pytest.mark.slow
def test_an_older_one_is_upgraded_on_a_copy_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, older = tmp_path / "mlflow.db", _made_by_an_older_mlflow(tmp_path / "mlflow.db")
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(
            "INSERT INTO experiments (experiment_id, name, lifecycle_stage) VALUES (7, 'digits', 'active')"
        )
        connection.commit()
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho no disk left >&2; exit 1\n")
    broken.chmod(0o755)
    with monkeypatch.context() as changed:
        changed.setattr(sys, "executable", str(broken))
        with pytest.raises(ValueError, match="could not upgrade a copy of it: no disk"):
            prepare(file)
    broken.unlink()
    assert revision(file) == older
    assert connect(Settings(tmp_path, tmp_path, f"sqlite:///{file}")).get_experiment("7").name == "digits"
    assert revision(file) == embedded._newest()
    assert revision(tmp_path / f"mlflow.db.{older}") == older
    assert len(list(tmp_path.iterdir())) == 2


def test_one_of_a_newer_mlflow_is_refused_and_left_alone(tmp_path: Path, migrated: Path) -> None:
    file = Path(shutil.copy(migrated, tmp_path / "mlflow.db"))
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'fedcba987654'")
        connection.commit()
    before = file.read_bytes()
    with pytest.raises(ValueError, match="which only a newer MLflow knows"):
        prepare(file)
    assert file.read_bytes() == before


def test_the_newest_revision_is_the_one_that_mlflow_makes(migrated: Path) -> None:
    assert revision(migrated) == embedded._newest()


def _made_by_an_older_mlflow(file: Path) -> str:
    """A database as an MLflow of some revisions ago leaves it; returns its revision."""
    from alembic import command
    from mlflow.store.db import utils

    older = embedded._newest()
    for _ in range(OLDER):
        older = embedded._revisions()[older]
    engine = utils.create_sqlalchemy_engine(f"sqlite:///{file}")
    utils.InitialBase.metadata.create_all(engine)
    config = utils._get_alembic_config(str(engine.url))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, older)
    engine.dispose()
    return older

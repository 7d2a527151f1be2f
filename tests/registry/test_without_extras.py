"""What `pip install nightzoo` alone can do, and whose packages the command runs."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from registry.settings import Settings
from zoo.catalogue import CATALOGUE
from zoo.start import ABOVE, EXTRAS

ROOT = Path(__file__).parents[2]
ABSENT = ("alembic", "boto3", "dvc", "fastapi", "mlflow", "prefect", "psycopg", "skimage", "sklearn", "sqlalchemy")
WITHOUT = f"""
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in {ABSENT!r} else self.finder.find_spec(name, path, target)

sys.meta_path[:] = map(Without, sys.meta_path)
"""
COMMAND = "from zoo.start import main\nmain()"


def python(script: str, *words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("MLFLOW_TRACKING_URI", "PYTHONPATH")}
    command = [sys.executable, "-P", "-c", script, *words]
    return subprocess.run(command, cwd=folder, env=kept | environment, capture_output=True, text=True)


@pytest.mark.slow
def test_the_base_alone_lists_shows_pulls_and_predicts(registered: str, settings: Settings, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "zero.png")
    for words, said in (
        (("list",), "digit-classifier"),
        (("show", "digit-classifier"), "small cnn"),
        (("leaderboard",), "digit-classifier"),
        (("versions", "digit-classifier.digits"), "smoke"),
        (("pull", registered, "model"), "model"),
        (("predict", "model", "zero.png"), "zero"),
        (("predict", registered, "zero.png", "--json"), '"probabilities"'),
    ):
        ran = python(WITHOUT + COMMAND, *words, folder=tmp_path, ZOO_HOME=str(settings.home))
        assert ran.returncode == 0, (words, ran.stderr)
        assert said in ran.stdout.lower(), (words, ran.stdout)


@pytest.mark.slow
def test_every_family_can_be_imported_by_the_base_alone(tmp_path: Path) -> None:
    script = (
        f"import zoo\nfrom zoo.catalogue import family\nfor name in {list(CATALOGUE)!r}:\n    family(name)\nzoo.use"
    )
    ran = python(WITHOUT + script, folder=tmp_path)
    assert ran.returncode == 0, ran.stderr


def test_a_command_that_needs_an_extra_says_so_in_a_line(tmp_path: Path) -> None:
    ran = python(WITHOUT + COMMAND, "data", "make", "digits", folder=tmp_path, ZOO_PROJECT=str(tmp_path))
    assert ran.returncode == 1
    last = ran.stderr.splitlines()[-1]
    assert last == "zoo: this command needs sklearn, which is not installed: pip install 'nightzoo[train]'"


@pytest.mark.parametrize("name", ABOVE)
def test_a_project_with_a_package_of_our_name_is_not_run(name: str, tmp_path: Path) -> None:
    theirs = tmp_path / name
    theirs.mkdir()
    (theirs / "__init__.py").write_text("print('theirs ran')\n")
    away = python(COMMAND, "--version", folder=tmp_path)
    assert away.returncode == 0, away.stderr
    before = python(COMMAND, "--version", folder=tmp_path, PYTHONPATH=str(tmp_path))
    assert before.returncode == 1
    assert before.stdout == ""
    (line,) = before.stderr.splitlines()
    assert str(ROOT / name / "__init__.py") in line
    assert str(theirs / "__init__.py") in line


def test_the_extras_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    assert set(EXTRAS.values()) == set(extras)
    assert set(project["dependency-groups"]["servers"]) <= set(extras["server"])

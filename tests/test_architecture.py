"""The import contracts hold, and a planted violation of each one is caught by name."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("cli", "flows", "registry", "zoo")

PLANTED = {
    "cli -> flows -> registry -> zoo": ("registry/store.py", "import flows.plan"),
    "the areas of the zoo never import each other": ("zoo/tracking/siamfc.py", "import zoo.segmentation.fcn"),
    "scoring needs numpy alone": ("zoo/scoring/units.py", "import torch"),
    "what learns knows neither benchmarks nor pictures": ("zoo/training/loop.py", "import zoo.drawing.plots"),
    "the zoo knows no platform": ("zoo/training/loop.py", "import mlflow"),
    "only the flows know Prefect and DVC": ("cli/data.py", "import prefect"),
    "only the registry knows MLflow": ("flows/plan.py", "import mlflow"),
    "only the command line knows Typer": ("registry/pull.py", "import typer"),
}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]
    return subprocess.run(command, cwd=folder, env={"PYTHONPATH": str(folder)}, capture_output=True, text=True)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_contracts_hold(copy: Path) -> None:
    checked = lint(copy)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("contract", PLANTED)
def test_a_planted_violation_is_caught(contract: str, copy: Path) -> None:
    place, line = PLANTED[contract]
    path = copy / place
    path.write_text(f"{path.read_text()}\n{line}\n")
    checked = lint(copy)
    assert checked.returncode == 1
    broken = [text for text in checked.stdout.splitlines() if " BROKEN" in text]
    assert any(text.startswith(contract) for text in broken), checked.stdout


def test_every_contract_has_its_planted_violation() -> None:
    names = [
        line.partition('"')[2]
        for line in (ROOT / "pyproject.toml").read_text().splitlines()
        if line.startswith("name = ")
    ]
    contracts = [name for name in names if any(name.startswith(planted) for planted in PLANTED)]
    assert (
        len(contracts) == len(PLANTED) == (ROOT / "pyproject.toml").read_text().count("[[tool.importlinter.contracts]]")
    )

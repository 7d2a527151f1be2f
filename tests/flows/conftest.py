"""Projects with real data, a real Prefect server, and nights in processes of their own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from flows.datasets.commands import make
from flows.fingerprint import Description, describe
from flows.server import prefect_api
from registry.settings import Settings
from registry.store import connect
from zoo.catalogue import CATALOGUE

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("cli", "flows", "registry", "zoo")
CLASSIFIER, GAN = "digit-classifier.digits", "wgan-gp.digits"

NIGHT = """
import json, sys
from flows.lineups import Slot
from flows.night import night
from registry.settings import settings

def say(entry, event):
    print(f"{entry}: {event.kind} {event.step} {event.text}", file=sys.stderr, flush=True)

slots = (Slot("digit-classifier", "smoke"), Slot("wgan-gp", "smoke"))
summary = night(slots, settings=settings(), say=say, **json.loads(sys.argv[1]))
print(json.dumps(summary.model_dump(mode="json") | {"imported": [n for n in PLATFORMS if n in sys.modules]}))
""".replace("PLATFORMS", '("torch", "prefect", "mlflow", "dvc")')


@dataclass
class Place:
    """A project of its own: data, home, and the source that its nights run."""

    project: Path
    source: Path = REPOSITORY
    prefect: str = ""
    changes: dict[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        home = self.project / ".zoo"
        return Settings(self.project, home, f"sqlite:///{home / 'mlflow.db'}")

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k not in ("MLFLOW_TRACKING_URI", "ZOO_HOME", "PREFECT_API_URL")}
        mine = {"ZOO_PROJECT": str(self.project), "PYTHONPATH": str(self.source), "CUDA_VISIBLE_DEVICES": ""}
        return kept | mine | ({"PREFECT_API_URL": self.prefect} if self.prefect else {}) | self.changes

    def begin(self, **options: Any) -> subprocess.Popen[str]:
        """Start a night on the digits: the classifier, and the GAN that is scored in its features."""
        command = [sys.executable, "-P", "-c", NIGHT, json.dumps(options)]
        return subprocess.Popen(
            command, cwd=self.project, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def night(self, **options: Any) -> dict[str, Any]:
        """A whole night; its outcomes by entry, and which platforms it imported."""
        with self.begin(**options) as process:
            out, err = process.communicate(timeout=500)
        assert process.returncode == 0, err
        told = json.loads(out.splitlines()[-1])
        return {outcome["entry"]: outcome for outcome in told["outcomes"]} | {"imported": told["imported"]}

    def edit(self, where: Path, file: str, old: str, new: str) -> None:
        """From now on run a copy of the source with one text changed."""
        if self.source == REPOSITORY:
            for package in PACKAGES:
                shutil.copytree(REPOSITORY / package, where / package, ignore=shutil.ignore_patterns("__pycache__"))
            self.source = where
        path = self.source / file
        text = path.read_text()
        assert old in text, f"{file} holds no {old!r} any more"
        path.write_text(text.replace(old, new, 1))


@pytest.fixture(scope="session")
def memo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What remembers what every family says of itself: asking them costs seconds."""
    folder = tmp_path_factory.mktemp("memo")
    describe(CATALOGUE, memo=folder)
    return folder


@pytest.fixture(scope="session")
def described(memo: Path) -> dict[str, Description]:
    """What every family says of itself."""
    return describe(CATALOGUE, memo=memo)


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One real server for all tests; starting one costs ten seconds."""
    home = tmp_path_factory.mktemp("prefect")
    before = dict(os.environ)
    os.environ.pop("PREFECT_API_URL", None)
    with prefect_api(home, log=home / "server.log", say=print):
        url = os.environ["PREFECT_API_URL"]
        os.environ.clear()
        os.environ.update(before)
        yield url


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the digits recorded and an empty registry, to copy: making either costs seconds."""
    project = tmp_path_factory.mktemp("template")
    settings = Place(project).settings
    make(["digits"], settings)
    connect(settings).search_experiments()
    return project


@pytest.fixture
def bare(tmp_path: Path, template: Path) -> Place:
    """A project with data and an empty registry, and no Prefect server."""
    project = tmp_path / "project"
    shutil.copytree(template, project, symlinks=True)
    for package in PACKAGES:  # what lies where a night is started is not what the night is
        (project / package).mkdir()
        (project / package / "__init__.py").write_text("raise SystemExit('code of the working directory was run')\n")
    return Place(project)


@pytest.fixture
def place(bare: Place, prefect_server: str) -> Place:
    """Likewise, with a Prefect server."""
    bare.prefect = prefect_server
    return bare

"""Where this zoo lives: the project folder, its home for everything that is made, and the tracking server."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """The places a command works on.

    `project` holds `datasets/` and `datasets.dvc`; `home` ($ZOO_HOME, by default `.zoo` in the project) holds what
    nights make: run folders, the embedded MLflow and Prefect, the folder that serves as DVC remote.
    """

    project: Path
    home: Path
    tracking_uri: str

    @property
    def datasets(self) -> Path:
        return self.project / "datasets"

    @property
    def runs(self) -> Path:
        return self.home / "runs"

    @property
    def leases(self) -> Path:
        """Who works in which slot of this machine: a file for each, locked as long as somebody does."""
        return self.home / "slots"

    @property
    def cache(self) -> Path:
        """What runs keep for later ones; it may be deleted at any time when none is running."""
        return self.home / "cache"

    @property
    def embedded(self) -> bool:
        """Whether MLflow is the embedded SQLite file rather than a server."""
        return self.tracking_uri.startswith("sqlite:")


def settings() -> Settings:
    """The settings of this process: from $ZOO_PROJECT, $ZOO_HOME and $MLFLOW_TRACKING_URI, else from where we stand.

    The project is the nearest folder upwards that holds a `datasets.dvc`, else the current folder.
    """
    here = Path.cwd()
    named = os.environ.get("ZOO_PROJECT")
    project = (
        Path(named).resolve()
        if named
        else next((p for p in (here, *here.parents) if (p / "datasets.dvc").is_file()), here)
    )
    home = Path(os.environ.get("ZOO_HOME") or project / ".zoo").resolve()
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home / 'mlflow.db'}"
    return Settings(project, home, uri)

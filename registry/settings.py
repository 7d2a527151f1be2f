"""Where this zoo lives: the project folder, its home for everything that is made, and the tracking server."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """The places a command works on.

    `project` holds `datasets/` and `datasets.dvc`; `home` ($ZOO_HOME, by default `.zoo` in the project) holds what
    nights make: run folders, the embedded MLflow and Prefect, the folder that serves as DVC remote. `shared_cache`
    ($ZOO_CACHE) is where what was pulled from a server is kept, for all projects of a person; none: in `home`.
    """

    project: Path
    home: Path
    tracking_uri: str
    shared_cache: Path | None = None

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
    def pulled_files(self) -> Path:
        """What was pulled from a server, by content; `zoo cache prune` deletes what was long not used."""
        return self.shared_cache or self.home / "cache" / "pulled-files"

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
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Settings(project, home, uri, Path(os.environ.get("ZOO_CACHE") or caches / "nightzoo").resolve())

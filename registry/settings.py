"""Where this zoo lives: the project folder, its home for everything that is made, and the servers; and why there.

The environment decides, else a `zoo.toml`, else what is found from the current folder upwards. All keys may be absent:

    project = "~/zoo"                  # where commands work; by default the folder of this file
    home = "/data/zoo"                 # instead of .zoo in the project
    [servers]
    mlflow = "http://mlflow:5000"
    prefect = "http://prefect:4200/api"
    [lineups.long]                     # what a night of your own trains: see flows.lineups

A file of the person's own, ~/.config/nightzoo/zoo.toml or what $ZOO_CONFIG names, counts in every folder where nothing
else decides.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

FILE = "zoo.toml"
MARKS = (FILE, "datasets.dvc", ".zoo")
"""What a project's folder holds one of."""
KEYS = {"": ("project", "home", "servers", "lineups"), "servers": ("mlflow", "prefect")}
"""What a `zoo.toml` may say, by table; the names of line-ups are free."""


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
    def registry(self) -> str:
        """The tracking server as it may be shown: without a password."""
        return re.sub(r"(?<=://)[^/@]+@", "***@", self.tracking_uri)

    @property
    def nothing_registered(self) -> str:
        """What to say to a person who finds no model."""
        return (
            f"Nothing is registered in {self.registry}, where the project {self.project} keeps its models. `zoo where` "
            "says why there; `zoo night --lineup quick` trains something."
        )

    @property
    def pulled_files(self) -> Path:
        """What was pulled from a server, by content; `zoo cache prune` deletes what was long not used."""
        return self.shared_cache or self.home / "cache" / "pulled-files"

    @property
    def embedded(self) -> bool:
        """Whether MLflow is the embedded SQLite file rather than a server."""
        return self.tracking_uri.startswith("sqlite:")


@dataclass(frozen=True, kw_only=True)
class Decided:
    """A place, and how it was decided."""

    value: str
    because: str


@dataclass(frozen=True, kw_only=True)
class Whereabouts:
    """The places that a command started here works on, and how each was decided."""

    project: Decided
    home: Decided
    registry: Decided  # MLflow's tracking URI
    prefect: Decided  # the URL of its API; empty: a night starts a server of its own
    files: tuple[Path, ...] = ()  # the zoo.toml that were read; what several say, the first decides
    lineups: Mapping[str, tuple[Path, Any]] = field(default_factory=dict)  # by name: its file, and what that says

    @property
    def settings(self) -> Settings:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        shared = Path(os.environ.get("ZOO_CACHE") or caches / "nightzoo").resolve()
        return Settings(Path(self.project.value), Path(self.home.value), self.registry.value, shared)


def settings() -> Settings:
    """The settings of this process.

    Raises:
        ValueError: a `zoo.toml` is damaged.
    """
    return whereabouts().settings


def whereabouts() -> Whereabouts:
    """Where a command that is started in the current folder works.

    Raises:
        ValueError: a `zoo.toml` is damaged.
    """
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "nightzoo"
    own = _read(Path(os.environ.get("ZOO_CONFIG") or folder / FILE))
    project, pointing = _project(own)
    files = [*pointing, *_read(Path(project.value) / FILE), *own]
    files = [file for i, file in enumerate(files) if file not in files[:i]]
    beside = Decided(value=str(Path(project.value, ".zoo")), because=".zoo in the project")
    home = _named("ZOO_HOME") or _said(files, "home") or beside
    home = Decided(value=str(Path(home.value).resolve()), because=home.because)
    database = Decided(value=f"sqlite:///{Path(home.value) / 'mlflow.db'}", because="a file in the home")
    none = Decided(value="", because="none is named: a night finds or starts one")
    return Whereabouts(
        project=project,
        home=home,
        registry=_named("MLFLOW_TRACKING_URI") or _said(files, "servers.mlflow") or database,
        prefect=_named("PREFECT_API_URL") or _said(files, "servers.prefect") or none,
        files=tuple(file.path for file in files),
        lineups={name: (file.path, told) for file in reversed(files) for name, told in file.lineups.items()},
    )


@dataclass(frozen=True)
class _File:
    """A `zoo.toml` that was read."""

    path: Path
    values: Mapping[str, Any]

    def get(self, key: str) -> str | None:
        """What it says of `home` or `servers.mlflow`; a folder counts from where the file lies."""
        table, _, name = key.rpartition(".")
        value = (self.values.get(table, {}) if table else self.values).get(name)
        if value is None or table:
            return value
        return str((self.path.parent / Path(value).expanduser()).resolve())

    @property
    def lineups(self) -> Mapping[str, Any]:
        told: Mapping[str, Any] = self.values.get("lineups", {})
        return told


def _project(own: Iterable[_File]) -> tuple[Decided, list[_File]]:
    """The project, and the file that names it, where one lies in the current folder or above."""
    if named := _named("ZOO_PROJECT"):
        return Decided(value=str(Path(named.value).resolve()), because=named.because), []
    here = Path.cwd()
    for folder in (here, *here.parents):
        if mark := next((mark for mark in MARKS if (folder / mark).exists()), None):
            files = _read(folder / FILE)
            return _said(files, "project") or Decided(value=str(folder), because=f"{mark} lies there"), files
    nowhere = Decided(value=str(here), because=f"the current folder: none above it holds {', '.join(MARKS)}")
    return _said(own, "project") or nowhere, []


def _named(variable: str) -> Decided | None:
    """What the environment says."""
    value = os.environ.get(variable)
    return Decided(value=value, because=f"${variable}") if value else None


def _said(files: Iterable[_File], key: str) -> Decided | None:
    """What the first file says that says something."""
    told = ((file, file.get(key)) for file in files)
    return next((Decided(value=value, because=f"{key} in {file.path}") for file, value in told if value), None)


def _read(path: Path) -> list[_File]:
    """The file, checked; none where there is none."""
    if not path.is_file():
        return []
    import tomllib

    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: expected TOML: {error}.") from error
    _check(path, "", values)
    for table in ("servers", "lineups"):
        if not isinstance(values.get(table, {}), dict):
            raise ValueError(f"{path}: expected [{table}] to be a table, got {values[table]!r}.")
    _check(path, "servers", values.get("servers", {}))
    texts = [(key, values.get(key, "")) for key in ("project", "home")]
    texts += [(f"servers.{key}", value) for key, value in values.get("servers", {}).items()]
    for key, value in texts:
        if not isinstance(value, str):
            raise ValueError(f"{path}: expected a text for {key}, got {value!r}.")
    return [_File(path, values)]


def _check(path: Path, table: str, values: Mapping[str, Any]) -> None:
    for key in values:
        if key not in KEYS[table]:
            near = get_close_matches(key, KEYS[table], 1)
            meant = f"did you mean {near[0]}?" if near else f"known are: {', '.join(KEYS[table])}."
            raise ValueError(f"{path}: unknown key {key!r}{f' in [{table}]' if table else ''}; {meant}")

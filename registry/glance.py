"""What the registry holds, told in milliseconds: its tables or its REST interface read without importing MLflow.

The night's "nothing to do, and here is the version that proves it" and the leaderboard ask here. Only versions whose
last tag says READY are ever returned; to everybody else the others do not exist (`registry.store` writes that tag
after everything else has arrived and was checked).
"""

import base64
import json
import os
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import unquote, urlencode
from urllib.request import Request, urlopen

from registry.settings import Settings
from zoo.artifact import Record
from zoo.scoring.metrics import Metric

READY = "ready"
VERDICT = "verdict"
PROMOTED = "promoted"
CHAMPION = "champion"
TIMEOUT = 10  # seconds for one answer of a server


@dataclass(frozen=True, kw_only=True)
class Version:
    """A trained model in the registry: version `number` of registered model `entry`."""

    entry: str
    number: int
    created: datetime
    run_id: str
    source: str  # where its files are
    tags: Mapping[str, str]
    aliases: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.entry}/{self.number}"

    @property
    def ready(self) -> bool:
        return self.tags.get(READY) == "true"

    @property
    def champion(self) -> bool:
        return CHAMPION in self.aliases

    @property
    def model_id(self) -> str:
        """The logged model that it is a version of."""
        return self.tags["model_id"]

    @property
    def fingerprint(self) -> str:
        return self.tags["fingerprint"]

    @property
    def manifest(self) -> str:
        """SHA-256 of the artifact's manifest."""
        return self.tags["manifest"]

    @property
    def protocol(self) -> str:
        return self.tags["protocol"]

    @property
    def data_digest(self) -> str:
        """Of the data it was scored on: two values compare only under one protocol and one digest."""
        return self.tags["data_digest"]

    @property
    def recipe(self) -> dict[str, Any]:
        recipe: dict[str, Any] = json.loads(self.tags["recipe"])
        return recipe

    @property
    def record(self) -> Record:
        """How it came to be, what it and its floor scored."""
        return Record.model_validate_json(self.tags["record"])

    @property
    def ranked_by(self) -> Metric:
        """The metric that ranks its benchmark."""
        return Metric(**json.loads(self.tags["ranked_by"]))

    @property
    def verdict(self) -> dict[str, Any] | None:
        """The gate's verdict on it as stored (`registry.gate.Verdict`), None while it has not been judged."""
        return json.loads(self.tags[VERDICT]) if VERDICT in self.tags else None


def ready_versions(settings: Settings, entry: str | None = None) -> tuple[Version, ...]:
    """The READY versions of an entry, or of all, oldest first.

    Raises:
        ConnectionError: the tracking server does not answer.
    """
    return tuple(version for version in all_versions(settings, entry) if version.ready)


def proof(settings: Settings, entry: str, fingerprint: str) -> Version | None:
    """The READY version that was trained with this fingerprint: the reason not to train it again."""
    return next((v for v in ready_versions(settings, entry) if v.fingerprint == fingerprint), None)


def champion(settings: Settings, entry: str) -> Version | None:
    """The version that the alias `champion` points at, None before the first promotion."""
    return next((version for version in ready_versions(settings, entry) if version.champion), None)


def unsettled(settings: Settings) -> tuple[Version, ...]:
    """The READY versions that the gate has still to judge, or has promoted without getting to the end of it."""

    def settled(version: Version) -> bool:
        if version.verdict is None:
            return version.champion
        return version.verdict["decision"] != "PROMOTE" or PROMOTED in version.tags

    return tuple(version for version in ready_versions(settings) if not settled(version))


def all_versions(settings: Settings, entry: str | None = None) -> tuple[Version, ...]:
    """Every version, READY or not, by entry and number."""
    if settings.tracking_uri.startswith("sqlite:"):
        try:
            found = _from_sqlite(_database(settings.tracking_uri), entry)
        except sqlite3.OperationalError:  # a schema of another MLflow: its own client knows it
            found = _from_client(settings, entry)
    elif settings.tracking_uri.startswith(("http:", "https:")):
        found = _from_server(settings.tracking_uri.rstrip("/"), entry)
    else:
        found = _from_client(settings, entry)
    return tuple(sorted(found, key=lambda version: (version.entry, version.number)))


def _database(uri: str) -> Path:
    """The file of a SQLAlchemy SQLite URI: `sqlite:///relative` or `sqlite:////absolute`."""
    return Path(unquote(uri.removeprefix("sqlite:///")))


def _from_sqlite(database: Path, entry: str | None) -> list[Version]:
    if not database.is_file():
        return []
    only, of = ("WHERE name = ?", (entry,)) if entry else ("", ())
    connection = sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)
    try:
        tags: defaultdict[tuple[str, int], dict[str, str]] = defaultdict(dict)
        for name, number, key, value in connection.execute(
            f"SELECT name, version, key, value FROM model_version_tags {only}", of
        ):
            tags[name, number][key] = value
        aliases: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
        for name, number, alias in connection.execute(
            f"SELECT name, version, alias FROM registered_model_aliases {only} ORDER BY alias", of
        ):
            aliases[name, number].append(alias)
        rows = connection.execute(
            "SELECT name, version, creation_time, run_id, source FROM model_versions "
            f"{only or 'WHERE 1'} AND current_stage != 'Deleted_Internal'",
            of,
        ).fetchall()
    finally:
        connection.close()
    return [
        Version(
            entry=name,
            number=number,
            created=datetime.fromtimestamp(created / 1000, UTC),
            run_id=run_id or "",
            source=source or "",
            tags=tags[name, number],
            aliases=tuple(aliases[name, number]),
        )
        for name, number, created, run_id, source in rows
    ]


def _from_server(uri: str, entry: str | None) -> list[Version]:
    only = {"filter": f"name='{entry}'"} if entry else {}
    aliases: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for model in _pages(uri, "registered-models/search", "registered_models", only):
        for alias in model.get("aliases", []):
            aliases[model["name"], alias["version"]].append(alias["alias"])
    return [
        Version(
            entry=row["name"],
            number=int(row["version"]),
            created=datetime.fromtimestamp(int(row["creation_timestamp"]) / 1000, UTC),
            run_id=row.get("run_id", ""),
            source=row.get("source", ""),
            tags={tag["key"]: tag.get("value", "") for tag in row.get("tags", [])},
            aliases=tuple(sorted(aliases[row["name"], row["version"]])),
        )
        for row in _pages(uri, "model-versions/search", "model_versions", only)
    ]


def _pages(uri: str, endpoint: str, key: str, query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """All results of a search of MLflow's public REST interface, page after page."""
    token = ""
    while True:
        page = _ask(f"{uri}/api/2.0/mlflow/{endpoint}?{urlencode({**query, 'page_token': token})}")
        yield from page.get(key, [])
        token = page.get("next_page_token", "")
        if not token:
            return


def _ask(url: str) -> dict[str, Any]:
    try:
        with urlopen(Request(url, headers=_credentials()), timeout=TIMEOUT) as answer:
            content: dict[str, Any] = json.load(answer)
            return content
    except HTTPError as error:
        raise ConnectionError(
            f"{url}: expected MLflow's answer, got HTTP {error.code} {error.reason}. Check MLFLOW_TRACKING_URI and, "
            "if it asks who you are, MLFLOW_TRACKING_TOKEN or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
        ) from error
    except OSError as error:
        raise ConnectionError(
            f"{url}: the MLflow server does not answer ({error}). Start it, or unset MLFLOW_TRACKING_URI to use the "
            "embedded one; what was trained meanwhile is kept and delivered by the next night."
        ) from error


def answers(uri: str) -> None:
    """Ask a server for a sign of life.

    Raises:
        ConnectionError: there is none; the message says what to do.
    """
    _ask(f"{uri.rstrip('/')}/api/2.0/mlflow/registered-models/search?max_results=1")


def _credentials() -> dict[str, str]:
    """The header that MLflow's own client would send, from the same variables."""
    user, password = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
    if user and password:
        return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _from_client(settings: Settings, entry: str | None) -> list[Version]:
    from registry.store import connect

    client = connect(settings)
    aliases: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for model in client.search_registered_models(f"name='{entry}'" if entry else None):
        for alias, number in model.aliases.items():
            aliases[model.name, str(number)].append(alias)
    return [
        Version(
            entry=found.name,
            number=int(found.version),
            created=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
            run_id=found.run_id or "",
            source=found.source or "",
            tags=found.tags,
            aliases=tuple(sorted(aliases[found.name, str(found.version)])),
        )
        for found in client.search_model_versions(f"name='{entry}'" if entry else None)
    ]

"""What the registry holds, told in milliseconds: its tables or its REST interface read without importing MLflow.

The night's "nothing to do, and here is the version that proves it" and the leaderboard ask here. A command reads the
registry once (`read`) and asks that snapshot as often as it likes. Only versions whose last tag says READY are ever
told of; to everybody but `registry.store` the others do not exist (it writes that tag after everything else has
arrived and was checked).
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from registry import client, rest
from registry.embedded import database as file_of
from registry.settings import Settings
from zoo.artifact import Record
from zoo.scoring.metrics import Metric

if TYPE_CHECKING:
    from mlflow import MlflowClient

READY = "ready"
VERDICT = "verdict"
PROMOTED = "promoted"
ABDICATED = "abdicated"
ABDICATED_ON = "abdicated_on"
BY_HAND = "by_hand."  # and when: one tag each time
CHAMPION = "champion"
REPAIR = "`zoo doctor --repair` writes it again from the sealed record."
MODELS_AT_ONCE = "1000"  # the most that MLflow's search of registered models gives in one page


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
        return self._tag("model_id")

    @property
    def trains(self) -> str:
        """Identity of what decided its weights; an older version's fingerprint stands for it."""
        return self.tags.get("trains", self.tags.get("fingerprint", ""))

    @property
    def scores(self) -> str:
        """Identity of what decided its numbers; an older version's fingerprint stands for it."""
        return self.tags.get("scores", self.tags.get("fingerprint", ""))

    @property
    def weights(self) -> str:
        """SHA-256 of its weights file; empty for an older version, of which it is not known."""
        return self.tags.get("weights", "")

    @property
    def manifest(self) -> str:
        """SHA-256 of the artifact's manifest."""
        return self._tag("manifest")

    @property
    def protocol(self) -> str:
        return self._tag("protocol")

    @property
    def data_digest(self) -> str:
        """Of the data it was scored on: two values compare only under one protocol and one digest."""
        return self._tag("data_digest")

    @property
    def recipe_name(self) -> str:
        """The name of its recipe; empty for an older version, which does not tell it."""
        return self.tags.get("recipe_name", "")

    @cached_property
    def recipe(self) -> dict[str, Any]:
        recipe: dict[str, Any] = self._parsed("recipe", json.loads)
        return recipe

    @property
    def recipe_label(self) -> str:
        """Its recipe's name, with the seed where that is not 0; a dash where only the numbers are known."""
        return recipe_label(self.recipe_name, self.recipe)

    @cached_property
    def record(self) -> Record:
        """How it came to be, what it and its floor scored."""
        record: Record = self._parsed("record", Record.model_validate_json)
        if "metrics" in self.tags and self._parsed("metrics", json.loads) != record.score.metrics:
            raise ValueError(f"{self}: its rows `record` and `metrics` in the registry differ. {REPAIR}")
        return record

    @cached_property
    def ranked_by(self) -> Metric:
        """The metric that ranks its benchmark."""
        metric: Metric = self._parsed("ranked_by", lambda told: Metric(**json.loads(told)))
        return metric

    @cached_property
    def verdict(self) -> dict[str, Any] | None:
        """The gate's verdict on it as stored (`registry.gate.Ruling`), None while it has not been judged."""
        return self._parsed(VERDICT, json.loads) if VERDICT in self.tags else None

    @property
    def error(self) -> float | None:
        """Bootstrap standard error of its ranking metric; an older record leaves that to the verdict."""
        recorded = self.record.score.error
        return recorded if recorded is not None else (self.verdict or {}).get("challenger_error")

    @property
    def abdicated(self) -> str:
        """Why it is no champion any more although nobody beat it; empty where that did not happen."""
        return self.tags.get(ABDICATED, "")

    @cached_property
    def by_hand(self) -> tuple[dict[str, Any], ...]:
        """How often people made it champion, as stored (`registry.promotion.ByHand`), oldest first."""
        return tuple(json.loads(self.tags[key]) for key in sorted(self.tags) if key.startswith(BY_HAND))

    @property
    def standing(self) -> str:
        """The last word on it: "by hand" where a person made it the champion that it is, else the gate's decision."""
        if self.champion and self.by_hand:
            return "by hand"
        return "abdicated" if self.abdicated else (self.verdict or {}).get("decision", "not judged yet")

    @property
    def settled(self) -> bool:
        """Whether the gate has nothing left to do: judged, and promoted to the end where that was the verdict."""
        if self.abdicated:
            return True
        if self.verdict is None:
            return self.champion or bool(self.by_hand)
        return self.verdict["decision"] != "PROMOTE" or PROMOTED in self.tags

    def _tag(self, key: str) -> str:
        if key not in self.tags:
            raise ValueError(f"{self}: the registry has lost its row `{key}`. {REPAIR}")
        return self.tags[key]

    def _parsed(self, key: str, parse: Callable[[str], Any]) -> Any:
        try:
            return parse(self._tag(key))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{self}: its row `{key}` in the registry is damaged. {REPAIR}") from error


def recipe_label(name: str, recipe: Mapping[str, Any]) -> str:
    """A recipe's name, with the seed where that is not 0; a dash where only the numbers are known."""
    seed = recipe.get("seed", 0)
    return f"{name or '-'}{f' seed {seed}' if seed else ''}"


class Snapshot:
    """What the registry held when it was read."""

    def __init__(self, found: Iterable[Version]) -> None:
        everything = sorted(found, key=lambda version: (version.entry, version.number))
        self.unready = tuple(version for version in everything if not version.ready)
        self._ready: defaultdict[str, list[Version]] = defaultdict(list)
        self._by_scores: dict[tuple[str, str], Version] = {}
        self._by_trains: dict[tuple[str, str], Version] = {}
        self._champions: dict[str, Version] = {}
        for version in everything:
            if version.ready:
                self._ready[version.entry].append(version)
                self._by_scores.setdefault((version.entry, version.scores), version)
                self._by_trains[version.entry, version.trains] = version
                if version.champion:
                    self._champions[version.entry] = version

    @property
    def entries(self) -> tuple[str, ...]:
        """Those that have a READY version, by name."""
        return tuple(self._ready)

    def versions(self, entry: str | None = None) -> tuple[Version, ...]:
        """The READY versions of an entry, or of all, oldest first."""
        if entry is None:
            return tuple(version for versions in self._ready.values() for version in versions)
        return tuple(self._ready.get(entry, ()))

    def numbered(self, entry: str, number: int) -> Version:
        """One version by its number.

        Raises:
            ValueError: there is none, or it is not READY.
        """
        found = next((version for version in self.versions(entry) if version.number == number), None)
        if found is None:
            there = ", ".join(str(version.number) for version in self.versions(entry))
            raise ValueError(f"no version {entry}/{number} in the registry; it has: {there or 'none of this entry'}.")
        return found

    def latest(self, entry: str) -> Version | None:
        """The newest version, None where there is none."""
        return next(reversed(self._ready.get(entry, ())), None)

    def champion(self, entry: str) -> Version | None:
        """The version that the alias `champion` points at, None where the floor reigns."""
        return self._champions.get(entry)

    def proof(self, entry: str, scores: str) -> Version | None:
        """The version whose numbers have this identity: the reason to neither train nor score it again."""
        return self._by_scores.get((entry, scores))

    def by_trains(self, entry: str, trains: str) -> Version | None:
        """The newest version whose weights have this identity: the reason not to train them again."""
        return self._by_trains.get((entry, trains))

    def unsettled(self) -> tuple[Version, ...]:
        """The versions that the gate has still to judge, or has promoted without getting to the end of it."""
        return tuple(version for version in self.versions() if not version.settled)


def read(settings: Settings, entry: str | None = None) -> Snapshot:
    """What the registry holds now, of one entry or of all.

    Raises:
        ConnectionError: the tracking server does not answer.
        ValueError: the embedded database is damaged.
    """
    if settings.tracking_uri.startswith("sqlite:"):
        return Snapshot(_from_sqlite(settings, entry))
    if settings.tracking_uri.startswith(("http:", "https:")):
        return Snapshot(_from_server(settings.tracking_uri, entry))
    return Snapshot(_from_client(settings, entry))


def _from_sqlite(settings: Settings, entry: str | None) -> list[Version]:
    database = file_of(settings.tracking_uri)
    if not database.is_file():
        return []
    connection = sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)
    try:
        return _from_tables(connection, entry)
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise ConnectionError(f"{database}: another process keeps the registry's database locked.") from error
        return _from_client(settings, entry)  # a schema of another MLflow: its own client knows it
    except sqlite3.DatabaseError as error:
        raise ValueError(
            f"{database}: expected MLflow's database, got a damaged file ({error}). Bring it back from a backup; or "
            "move it away, and the next night registers again what its run folders still hold."
        ) from error
    finally:
        connection.close()


def _from_tables(connection: sqlite3.Connection, entry: str | None) -> list[Version]:
    only, parameters = ("WHERE name = ?", (entry,)) if entry else ("", ())
    tags: defaultdict[tuple[str, int], dict[str, str]] = defaultdict(dict)
    for name, number, key, value in connection.execute(
        f"SELECT name, version, key, value FROM model_version_tags {only}", parameters
    ):
        tags[name, number][key] = value
    aliases: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
    for name, number, alias in connection.execute(
        f"SELECT name, version, alias FROM registered_model_aliases {only} ORDER BY alias", parameters
    ):
        aliases[name, number].append(alias)
    rows = connection.execute(
        "SELECT name, version, creation_time, run_id, source FROM model_versions "
        f"{only or 'WHERE 1'} AND current_stage != 'Deleted_Internal'",
        parameters,
    )
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
    at_once = {"max_results": MODELS_AT_ONCE}
    for model in rest.pages(uri, "registered-models/search", "registered_models", only | at_once):
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
        for row in rest.pages(uri, "model-versions/search", "model_versions", only)
    ]


def _from_client(settings: Settings, entry: str | None) -> list[Version]:
    with client.plain_errors():
        return _asked(client.connect(settings), f"name='{entry}'" if entry else None)


def _asked(mlflow: "MlflowClient", only: str | None) -> list[Version]:
    aliases: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for model in client.pages(mlflow.search_registered_models, only):
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
        for found in client.pages(mlflow.search_model_versions, only)
    ]

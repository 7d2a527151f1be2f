"""A registry of its own for every test, and sealed models to put in it."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_weights

from registry import store
from registry.settings import Settings
from zoo.artifact import Identity, Record, Score, seal, sha256_of
from zoo.catalogue import family
from zoo.scoring.bootstrap import error_and_interval
from zoo.scoring.classification import Accuracy
from zoo.scoring.units import Units

ENTRY = "digit-classifier.digits"
PROTOCOL = "digits-test/accuracy@1"
CLASSES = 4

Making = Callable[..., Path]


@pytest.fixture
def settings(migrated: Path, tmp_path: Path) -> Settings:
    """An empty embedded registry."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(migrated, home / "mlflow.db")
    return Settings(tmp_path, home, f"sqlite:///{home / 'mlflow.db'}")


@pytest.fixture
def make_model(tmp_path: Path) -> Making:
    """Seal a small model folder with real units behind its numbers; `weights` names the model that has the same."""

    def make(
        name: str = "model",
        *,
        entry: str = ENTRY,
        trains: str = "",
        scores: str = "",
        right: float = 0.8,
        data_digest: str = "d" * 32,
        protocol: str = PROTOCOL,
        seed: int = 0,
        weights: str = "",
        recipe: dict[str, object] | None = None,
        recipe_name: str = "smoke",
        upstream: dict[str, str] | None = None,
        seconds: float = 1.5,
        metrics: dict[str, float] | None = None,
        floor: dict[str, float] | None = None,
        speed: float | None = None,
        kind: str = "",
    ) -> Path:
        folder = tmp_path / "made" / name
        (folder / "evaluation").mkdir(parents=True)
        units, trivial = answers(right, seed=seed), answers(0.0, seed=seed)
        units.write(folder / "evaluation" / "units.parquet")
        trivial.write(folder / "evaluation" / "floor.parquet")
        scoring = Accuracy()
        error, interval = error_and_interval(units, scoring, resamples=100)
        value = crc32((weights or name).encode())
        save_file({"weight": np.full(1000, value, dtype=np.uint32)}, folder / "weights.safetensors")
        identity = Identity(
            family=entry.split(".")[0],
            recipe_name=recipe_name,
            recipe=recipe or {"steps": 20, "learning_rate": 0.1},
            facts={},
        )
        (folder / "recipe.json").write_text(identity.model_dump_json())
        record = Record.model_construct(
            entry=entry,
            trains=trains or identity_of(name),
            scores=scores or identity_of(name),
            weights=sha256_of(folder / "weights.safetensors"),
            dataset="digits",
            data_digest=data_digest,
            scored="digits",
            scored_digest=data_digest,
            upstream=upstream or {},
            protocol=protocol,
            score=Score.model_construct(
                name=entry,
                metrics=metrics or scoring.aggregate(units),
                error=error,
                interval=interval,
                speed=speed,
                kind=kind,
            ),
            floor=Score(name="majority class", metrics=floor or scoring.aggregate(trivial)),
            parameters=1000,
            steps=20,
            seconds=seconds,
            placement={"device": "cpu"},
            versions={"torch": "2"},
        )
        (folder / "record.json").write_text(json.dumps(record.model_dump()))
        lines = [{"step": step, "time": 1_700_000_000_000 + step, "loss": 1 / step} for step in (10, 20)]
        (folder / "curves.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        (folder / "pictures").mkdir()
        Image.fromarray(np.zeros((8, 8, 3), dtype=np.uint8)).save(folder / "pictures" / "samples.png")
        seal(folder)
        return folder

    return make


def identity_of(name: str) -> str:
    """What stands for the identity of a model that is made under this name."""
    return name.ljust(64, "0")


def multiply(settings: Settings, *, entries: int, versions: int) -> None:
    """Put copies of the only entry's only version in its place: so many entries of so many versions, the last champion.

    Version n of entry e has the identities `f"{e:032x}{n:032x}"`.
    """
    with sqlite3.connect(settings.home / "mlflow.db") as database:
        database.execute("PRAGMA foreign_keys = OFF")
        tables = ("registered_models", "model_versions", "model_version_tags", "registered_model_aliases")
        models, version, tags, aliases = (_taken(database, table) for table in tables)
        for entry in range(entries):
            name = f"family-{entry:02}.digits"
            _put(database, "registered_models", models, name=name)
            _put(database, "registered_model_aliases", aliases[:1], name=name, version=versions)
            for number in range(1, versions + 1):
                _put(database, "model_versions", version, name=name, version=number)
                identity = {"value": f"{entry:032x}{number:032x}"}
                named = [tag | (identity if tag["key"] in ("trains", "scores") else {}) for tag in tags]
                _put(database, "model_version_tags", named, name=name, version=number)


def _taken(database: sqlite3.Connection, table: str) -> list[dict[str, object]]:
    """All rows of a table, which is empty afterwards."""
    found = database.execute(f"SELECT * FROM {table}")
    names = [column[0] for column in found.description]
    rows = [dict(zip(names, row, strict=True)) for row in found]
    database.execute(f"DELETE FROM {table}")
    return rows


def _put(database: sqlite3.Connection, table: str, rows: list[dict[str, object]], **changes: object) -> None:
    places = ", ".join(f":{name}" for name in rows[0])
    database.executemany(f"INSERT INTO {table} VALUES ({places})", [row | changes for row in rows])


def answers(right: float, *, seed: int, count: int = 200) -> Units:
    """Class scores of a classifier that is right with this probability; what is hard for one is hard for all."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    hardness = np.random.default_rng(0).random(count)
    hit = (hardness + 0.1 * random.random(count)) / 1.1 < right
    named = np.where(hit, labels, (labels + 1) % CLASSES)
    return Units({"label": labels, "scores": np.eye(CLASSES, dtype=np.float32)[named]})


@pytest.fixture
def registered(make_model: Making, settings: Settings) -> str:
    """A digit classifier that was never trained, in the registry."""
    of, folder = family("digit-classifier"), make_model("model")
    recipe, facts = of.recipe("smoke"), of.facts(channels=1, height=8, width=8, classes=tuple("0123456789"))
    told = {"recipe": recipe.model_dump(mode="json"), "facts": facts.model_dump(mode="json")}
    (folder / "recipe.json").write_text(Identity(family=of.name, recipe_name="smoke", **told).model_dump_json())
    torch.manual_seed(0)
    save_weights(dict(of.build(recipe, facts, {}).predictor().state_dict()), folder / "weights.safetensors")
    seal(folder)
    return str(store.register(folder, settings))

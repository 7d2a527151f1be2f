"""A registry of its own for every test, and sealed models to put in it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from registry.settings import Settings
from registry.store import connect
from zoo.artifact import Identity, Record, Score, seal
from zoo.scoring.classification import Accuracy
from zoo.scoring.units import Units

ENTRY = "digit-classifier.digits"
PROTOCOL = "digits-test/accuracy@1"
CLASSES = 4

Making = Callable[..., Path]


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database with all its tables: making one costs seconds."""
    home = tmp_path_factory.mktemp("migrated")
    connect(Settings(home, home, f"sqlite:///{home / 'mlflow.db'}")).search_experiments()
    return home / "mlflow.db"


@pytest.fixture
def settings(migrated: Path, tmp_path: Path) -> Settings:
    """An empty embedded registry."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(migrated, home / "mlflow.db")
    return Settings(tmp_path, home, f"sqlite:///{home / 'mlflow.db'}")


@pytest.fixture
def make_model(tmp_path: Path) -> Making:
    """Seal a small model folder with real units behind its numbers."""

    def make(
        name: str = "model",
        *,
        entry: str = ENTRY,
        fingerprint: str = "",
        right: float = 0.8,
        data_digest: str = "d" * 32,
        seed: int = 0,
        metrics: dict[str, float] | None = None,
    ) -> Path:
        folder = tmp_path / "made" / name
        (folder / "evaluation").mkdir(parents=True)
        units, floor = answers(right, seed=seed), answers(0.0, seed=seed)
        units.write(folder / "evaluation" / "units.parquet")
        floor.write(folder / "evaluation" / "floor.parquet")
        scoring = Accuracy()
        save_file({"weight": np.full(1000, seed, dtype=np.float32)}, folder / "weights.safetensors")
        identity = Identity(
            family=entry.split(".")[0], recipe_name="smoke", recipe={"steps": 20, "learning_rate": 0.1}, facts={}
        )
        (folder / "recipe.json").write_text(identity.model_dump_json())
        record = Record.model_construct(
            entry=entry,
            fingerprint=fingerprint or name.ljust(64, "0"),
            dataset="digits",
            data_digest=data_digest,
            scored="digits",
            scored_digest=data_digest,
            upstream={},
            protocol=PROTOCOL,
            score=Score.model_construct(name=entry, metrics=metrics or scoring.aggregate(units)),
            floor=Score(name="majority class", metrics=scoring.aggregate(floor)),
            parameters=1000,
            steps=20,
            seconds=1.5,
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


def answers(right: float, *, seed: int, count: int = 200) -> Units:
    """Class scores of a classifier that is right with this probability; what is hard for one is hard for all."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    hardness = np.random.default_rng(0).random(count)
    hit = (hardness + 0.1 * random.random(count)) / 1.1 < right
    named = np.where(hit, labels, (labels + 1) % CLASSES)
    return Units({"label": labels, "scores": np.eye(CLASSES, dtype=np.float32)[named]})

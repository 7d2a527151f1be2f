"""What a worker puts beside a model, and whose fault it is when one cannot be scored."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from flows.fingerprint import Identity as Decided
from flows.fingerprint import Ingredients
from flows.job import Job
from flows.worker import _draw, rescore
from zoo.artifact import CannotLoad, Identity, seal
from zoo.catalogue import family
from zoo.data.flow import open_flow
from zoo.entry import Entry
from zoo.scoring.metrics import CannotScore

BLACK = np.zeros((2, 2, 3), np.uint8)
NAME, DATA = "raft-small", "collage-flow"


def test_pictures_of_training_benchmark_and_learner_never_hide_each_other(tmp_path: Path) -> None:
    training = {"training": BLACK}
    _draw(tmp_path / "one", training, {"samples": BLACK}, {"filters": BLACK})
    assert {path.stem for path in (tmp_path / "one").iterdir()} == {"training", "samples", "filters"}
    with pytest.raises(ValueError, match="two pictures are called 'training'"):
        _draw(tmp_path / "two", training, {"training": BLACK}, {})


@pytest.fixture
def job(made_copy: Callable[[str], Path]) -> Job:
    """Of scoring an estimator of flow on pairs that the test may damage."""
    folder, recipe = made_copy(DATA), family(NAME).recipe("smoke")
    nothing: dict[str, dict[str, str]] = {"data": {}, "source": {}, "upstream": {}, "versions": {}}
    training, scoring = (Decided(numbers=recipe.numbers(scoring=way), **nothing) for way in (False, True))  # type: ignore[arg-type]
    return Job(
        entry=Entry.of(NAME, DATA),
        recipe_name="smoke",
        ingredients=Ingredients(family=NAME, training=training, scoring=scoring),
        datasets=folder.parent,
        upstream={},
        cache=folder.parent / "cache",
    )


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Seals an untrained model of the job's family, every weight of it multiplied."""

    def made(name: str = "model", *, times: float = 1.0, **changes: object) -> Path:
        of, folder = family(NAME), tmp_path / name
        recipe = of.recipe("smoke")
        facts = of.facts()
        weights = of.build(recipe, facts, {}).predictor().state_dict()
        folder.mkdir()
        identity = Identity(
            family=NAME,
            recipe_name="smoke",
            recipe=recipe.model_dump(mode="json") | changes,
            facts=facts.model_dump(mode="json"),
        )
        (folder / "recipe.json").write_text(identity.model_dump_json())
        save_file({key: (value * times).contiguous() for key, value in weights.items()}, folder / "weights.safetensors")
        seal(folder)
        return folder

    return made


def test_what_a_model_answers_cannot_be_scored_or_it_cannot_be_loaded(
    job: Job, make: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(CannotScore, match="expected a finite flow everywhere"):
        rescore(job, make("broken", times=torch.nan), tmp_path / "out")
    with pytest.raises(CannotLoad, match="today's code cannot rebuild this model"):
        rescore(job, make("old", colour="red"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_damaged_or_missing_is_no_fault_of_the_model(
    job: Job, make: Callable[..., Path], tmp_path: Path
) -> None:
    """Damage that only reading shows, when the first pair has been scored; a flipped byte; an upstream model."""
    model, upstream = make(), make("upstream", colour="red")
    needing = job.model_copy(update={"upstream": {"raft.collage-flow": upstream}})
    with pytest.raises(ValueError, match=r"raft.collage-flow, which this one needs: today's code cannot") as refused:
        rescore(needing, model, tmp_path / "out")
    assert type(refused.value) is ValueError

    flipped = shutil.copytree(model, tmp_path / "flipped")
    (flipped / "recipe.json").write_text(json.dumps({}))
    with pytest.raises(ValueError, match=r"changed: recipe\.json") as refused:
        rescore(job, flipped, tmp_path / "out")
    assert type(refused.value) is ValueError

    damaged = open_flow(job.datasets / DATA, "val").files[1].second
    damaged.write_bytes(damaged.read_bytes()[:100])
    with pytest.raises(ValueError, match=damaged.name) as refused:
        rescore(job, model, tmp_path / "out")
    assert type(refused.value) is ValueError

"""Models that were sealed by earlier code load with today's, and answer what they answered then.

`tests/expected/before/<family>` holds what such a model was: recipe.json as it was sealed, the names and shapes of its
weights, and answers with made weights (`ramp`), which stand for trained ones. These folders are never written again: if
this test fails, models in people's registries are lost, and the code has to learn to read them. `--accept` adds a
folder for a family that has none yet.
"""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import zoo
from tests.every_family.probes import assert_close, assert_telling, in_lines, probe
from tests.every_family.ramp import ramp, shapes_of
from tests.every_family.test_promises import Short, sealed
from zoo.artifact import read_identity, seal
from zoo.catalogue import CATALOGUE

BEFORE = Path(__file__).parent.parent / "expected" / "before"


@pytest.mark.parametrize("name", sorted({*CATALOGUE, *(folder.name for folder in BEFORE.iterdir())}))
def test_a_model_of_before_loads_and_answers_what_it_did(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    kept = BEFORE / name
    if not kept.exists() and request.config.getoption("--accept"):
        keep(Short(name, request.getfixturevalue("little")), kept, tmp_path)
    assert kept.is_dir(), "if the family is new, run pytest with --accept"
    found = _answers(kept, tmp_path / "again")
    assert_telling(found)
    assert_close(found, json.loads((kept / "probes.json").read_text()))


def keep(short: Short, kept: Path, tmp_path: Path) -> None:
    """Write down what today's model of a family is and answers."""
    folder = sealed(short, short.learner(), tmp_path / "today")
    weights = shapes_of(load_file(folder / "weights.safetensors"))
    described = {name: [list(shape), str(dtype).removeprefix("torch.")] for name, (shape, dtype) in weights.items()}
    kept.mkdir(parents=True)
    (kept / "recipe.json").write_text(read_identity(folder).model_dump_json(indent=2))
    (kept / "weights.json").write_text(in_lines(described))
    (kept / "probes.json").write_text(in_lines(_answers(kept, tmp_path / "kept")))


def _answers(kept: Path, folder: Path) -> dict[str, list[float]]:
    """What the kept model answers, sealed with made weights and loaded."""
    described = json.loads((kept / "weights.json").read_text())
    shapes = {name: (tuple(shape), getattr(torch, dtype)) for name, (shape, dtype) in described.items()}
    folder.mkdir()
    (folder / "recipe.json").write_bytes((kept / "recipe.json").read_bytes())
    save_file(ramp(shapes), folder / "weights.safetensors")
    seal(folder)
    return probe(zoo.load(folder), json.loads((kept / "recipe.json").read_text())["facts"])

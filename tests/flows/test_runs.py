"""Which sealed model of some weights is taken: one that is whole."""

from pathlib import Path

import pytest

from flows.runs import run_folder, sealed, whole_model
from tests.flows.conftest import CLASSIFIER, Place
from zoo.artifact import seal

TRAINS = "0" * 64


def made(place: Place, name: str) -> Path:
    folder = run_folder(place.settings, CLASSIFIER, TRAINS) / f"model-{name}"
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(b"weights")
    seal(folder)
    return folder


def test_a_damaged_one_is_passed_over_and_without_another_it_is_named(bare: Place) -> None:
    warned: list[str] = []
    first, second = made(bare, "first"), made(bare, "second")
    newest, older = sealed(bare.settings, CLASSIFIER, TRAINS)
    assert {newest, older} == {first, second}
    assert whole_model(CLASSIFIER, TRAINS, bare.settings, warn=warned.append) == newest
    (newest / "weights.safetensors").write_bytes(b"weight")
    assert whole_model(CLASSIFIER, TRAINS, bare.settings, warn=warned.append) == older
    (older / "manifest.json").write_text("{")
    with pytest.raises(ValueError, match=r"changed: weights.safetensors.*The registry has none with these weights"):
        whole_model(CLASSIFIER, TRAINS, bare.settings, warn=warned.append)
    assert warned == []


def test_what_is_gone_is_said_to_be(bare: Place) -> None:
    with pytest.raises(ValueError, match=r"expected a model in .*, which is gone. The registry has none"):
        whole_model(CLASSIFIER, TRAINS, bare.settings, warn=print)

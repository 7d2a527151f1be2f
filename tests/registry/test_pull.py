"""Pulled whole and checked, or not at all."""

import shutil
from pathlib import Path

import pytest

from flows.runs import run_folder, whole_model
from registry import promotion, store
from registry.pull import pull, resolve
from registry.settings import Settings
from zoo.artifact import verify

from .conftest import ENTRY, Making, identity_of


def test_references(settings: Settings, make_model: Making) -> None:
    for name, right in (("a", 0.6), ("b", 0.6)):
        promotion.challenge(store.register(make_model(name, right=right), settings), settings)
    resolved = {r: resolve(f"{ENTRY}{r}", settings).number for r in ("", "@champion", "@latest", "/1", "/2")}
    assert resolved == {"": 1, "@champion": 1, "@latest": 2, "/1": 1, "/2": 2}
    with pytest.raises(
        ValueError, match=r"digit-classifier.digits/1 @champion, .*@latest is digit-classifier.digits/2"
    ):
        resolve(f"{ENTRY}@best", settings)
    with pytest.raises(ValueError, match=rf"no entry 'nobody'.*{ENTRY}"):
        resolve("nobody", settings)
    with pytest.raises(ValueError, match="expected ENTRY@champion"):
        resolve("a/b/c", settings)


def test_a_pull_is_the_registered_folder_and_may_be_repeated(settings: Settings, make_model: Making) -> None:
    folder = make_model()
    version = store.register(folder, settings)
    destination = settings.home / "new" / "model"
    assert pull(f"{ENTRY}/1", destination, settings) == version
    assert verify(destination) == verify(folder)
    assert list(destination.parent.iterdir()) == [destination]
    pull(f"{ENTRY}/1", destination, settings)
    (destination / "recipe.json").write_text("{}")
    with pytest.raises(ValueError, match=r"changed: recipe.json"):
        pull(f"{ENTRY}/1", destination, settings)


def test_another_folder_is_never_overwritten(settings: Settings, make_model: Making, tmp_path: Path) -> None:
    store.register(make_model("a"), settings)
    store.register(make_model("b"), settings)
    pull(f"{ENTRY}/1", tmp_path / "model", settings)
    with pytest.raises(ValueError, match=f"one that holds {ENTRY}/2"):
        pull(f"{ENTRY}/2", tmp_path / "model", settings)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(ValueError, match="something else is in it"):
        pull(f"{ENTRY}/2", tmp_path / "mine", settings)


@pytest.mark.parametrize("name", ["weights.safetensors", "manifest.json", "evaluation/units.parquet"])
def test_a_flipped_byte_in_the_registry_is_named(settings: Settings, make_model: Making, name: str) -> None:
    version = store.register(make_model(), settings)
    path = store.fetch(version, settings, Path()) / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=name):
        pull(f"{ENTRY}@latest", settings.home / "model", settings)
    assert not (settings.home / "model").exists()
    assert not list(settings.home.glob(".model*"))


def test_what_the_manifest_does_not_name_never_comes(settings: Settings, make_model: Making) -> None:
    version = store.register(make_model(), settings)
    (store.fetch(version, settings, Path()) / "MLmodel").write_text("loader_module: evil")
    pull(f"{ENTRY}@latest", settings.home / "model", settings)
    assert verify(settings.home / "model") == version.manifest


def test_a_model_that_is_damaged_where_it_was_made_gives_way_to_the_registrys(
    settings: Settings, make_model: Making
) -> None:
    here = run_folder(settings, ENTRY, identity_of("a")) / "model-a"
    shutil.copytree(make_model("a"), here)
    version, warned = store.register(here, settings), list[str]()
    assert whole_model(ENTRY, version.trains, settings, warn=warned.append) == here
    assert warned == []
    (here / "weights.safetensors").write_bytes(b"damaged")
    assert verify(whole_model(ENTRY, version.trains, settings, warn=warned.append)) == version.manifest
    (warning,) = warned
    assert "changed: weights.safetensors" in warning
    assert f"Version 1 of {ENTRY} is taken from the registry instead." in warning

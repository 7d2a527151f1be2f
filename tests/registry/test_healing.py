"""A registered version that is no longer what was registered is noticed, and mended from a whole copy."""

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from flows.runs import copies, heal_some, run_folder
from registry import healing, promotion, store
from registry.client import connect
from registry.glance import READY, Version, read
from registry.pull import pull
from registry.settings import Settings
from zoo.artifact import MANIFEST, verify

from .conftest import ENTRY, Making, identity_of
from .test_pull_under_fire import server as server
from .unreliable import Unreliable

WEIGHTS = "weights.safetensors"


def alone(_: Version) -> Iterable[Path]:
    return ()


def kept(version: Version, settings: Settings) -> Path:
    return store.fetch(version, settings, Path())


@pytest.fixture
def made(settings: Settings, make_model: Making) -> Callable[[str], Version]:
    """Registers a model from its run folder."""

    def make(name: str) -> Version:
        here = run_folder(settings, ENTRY, identity_of(name)) / f"model-{name}"
        shutil.copytree(make_model(name), here)
        return store.register(here, settings)

    return make


def test_files_are_mended_from_the_run_folder_and_rows_from_the_record(
    settings: Settings, made: Callable[[str], Version], tmp_path: Path
) -> None:
    version = made("a")
    assert healing.heal(version, settings, alone) is None
    folder = kept(version, settings)
    (folder / WEIGHTS).write_bytes(b"damaged")
    (folder / MANIFEST).write_text("{}")
    (folder / "MLmodel").write_text("planted")
    shutil.rmtree(folder / "evaluation")
    (folder / "evaluation").symlink_to("/dev")
    record = json.loads(version.tags["record"])
    record["score"]["metrics"]["accuracy"] = 0.99
    client = connect(settings)
    client.set_model_version_tag(ENTRY, "1", "record", json.dumps(record))
    client.set_model_version_tag(ENTRY, "1", "floor", "{")
    version = read(settings).numbered(ENTRY, 1)
    healed = healing.heal(version, settings, lambda one: copies(one, settings))
    assert healed is not None
    assert healed.whole, healed
    assert {f"changed: {MANIFEST}", f"changed: {WEIGHTS}", "not in the manifest: MLmodel"} <= set(healed.faults)
    again = read(settings).numbered(ENTRY, 1)
    assert again.tags == store.register(copies(again, settings)[0], settings).tags
    assert again.record.score.metrics["accuracy"] < 0.9
    assert verify(folder) == again.manifest
    assert not (folder / "evaluation").is_symlink()
    pull(ENTRY + "/1", tmp_path / "model", settings)
    assert healing.heal(again, settings, alone) is None


def test_what_an_older_nightzoo_wrote_in_fewer_fields_is_no_damage(
    settings: Settings, made: Callable[[str], Version]
) -> None:
    version = made("a")
    client = connect(settings)
    for key in ("floor", "record"):
        told = json.loads(version.tags[key])
        score = told if key == "floor" else told["score"]
        assert score.pop("kind") == ""
        client.set_model_version_tag(ENTRY, "1", key, json.dumps(told))
    assert healing.heal(read(settings).numbered(ENTRY, 1), settings, alone) is None


def test_a_wrong_row_of_the_manifest_costs_no_version(settings: Settings, made: Callable[[str], Version]) -> None:
    version = made("a")
    client = connect(settings)
    client.set_model_version_tag(ENTRY, "1", "manifest", "0" * 64)
    healed = healing.heal(read(settings).numbered(ENTRY, 1), settings, alone)
    assert healed is not None
    assert healed.whole
    for row in ("manifest", "record", "protocol"):
        client.delete_model_version_tag(ENTRY, "1", row)
    broken = read(settings).numbered(ENTRY, 1)
    with pytest.raises(ValueError, match=r"has lost its row `protocol`. `zoo doctor --repair` writes it again"):
        str(broken.protocol)
    healed = healing.heal(broken, settings, alone)
    assert healed is not None
    assert healed.whole
    assert read(settings).numbered(ENTRY, 1).tags == version.tags


def test_without_a_copy_it_is_withdrawn_and_registering_it_again_takes_its_place(
    settings: Settings, made: Callable[[str], Version]
) -> None:
    version = made("a")
    promotion.challenge(version, settings)
    (here,) = run_folder(settings, ENTRY, version.trains).glob("model-*")
    whole = shutil.copytree(here, settings.home / "aside")
    for folder in (here, kept(version, settings)):
        (folder / WEIGHTS).write_bytes(b"damaged")
    warned: list[str] = []
    heal_some(settings, warn=warned.append)
    (warning,) = warned
    assert f"{version} is not what was registered (changed: {WEIGHTS})" in warning
    assert "withdrawn; the next night trains it anew" in warning
    assert read(settings).versions() == ()
    assert connect(settings).get_model_version(ENTRY, "1").tags[READY] == "false"
    assert not here.exists()  # so that a night does not deliver it again
    again = store.register(whole, settings)
    assert promotion.challenge(again, settings).decision == "PROMOTE"
    assert read(settings).champion(ENTRY) is not None
    assert verify(kept(again, settings)) == version.manifest


def test_a_store_that_is_away_costs_no_version(settings: Settings, made: Callable[[str], Version]) -> None:
    version = made("a")
    kept(version, settings).rename(settings.home / "away")
    healed = healing.heal(version, settings, alone)
    assert healed is not None
    assert not healed.withdrawn
    assert read(settings).versions() == (version,)
    by_hand = healing.heal(version, settings, alone, by_hand=True)
    assert by_hand is not None
    assert by_hand.withdrawn


def test_every_version_has_its_turn_within_the_stated_nights(
    settings: Settings, make_model: Making, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(healing, "NIGHTS", 3)
    for name in "abcd":
        store.register(make_model(name), settings)
    damaged = read(settings).numbered(ENTRY, 3)
    (kept(damaged, settings) / "card.md").write_text("planted")
    found = [healing.check_some(settings, alone) for _ in range(6)]
    assert [str(healed.version) for night in found[:3] for healed in night] == [f"{ENTRY}/3"]
    assert [healed for night in found[3:] for healed in night] == []  # it was mended


def test_what_a_server_holds_is_checked_over_http(server: tuple[Unreliable, Settings], settings: Settings) -> None:
    told, there = server
    version = read(there).champion(ENTRY)
    assert version is not None
    assert healing.heal(version, there, alone) is None
    told.asked.clear()
    (kept(read(settings).versions()[0], settings) / "large").write_bytes(b"damaged")
    found = healing.examined(version, there, alone, settings.home / "scratch")
    assert found.faults == ("changed: large",)

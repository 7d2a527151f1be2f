"""Whole nights on real data: what trains, what is skipped and on whose word, what fails alone."""

import os
import shutil
import time
from pathlib import Path

import pytest

from registry.glance import Version, read
from tests.flows.conftest import CLASSIFIER, GAN, Place

pytestmark = pytest.mark.slow

GAN_FILE, GAN_SMOKE = "zoo/generative/wgan_gp.py", '"smoke": WganGpRecipe('
CLASSIFIER_FILE, CLASSIFIER_SMOKE = "zoo/recognition/digit_classifier.py", '"smoke": ClassifierRecipe('


def versions(place: Place, entry: str) -> tuple[Version, ...]:
    return read(place.settings).versions(entry)


def test_second_night_skips_with_proof_and_one_number_retrains_one_entry(place: Place, tmp_path: Path) -> None:
    first = place.night()
    assert [first[entry]["done"] for entry in (CLASSIFIER, GAN)] == ["trained", "trained"]
    assert first[CLASSIFIER]["value"] > 5 * first[CLASSIFIER]["floor"]
    assert read(place.settings).champion(CLASSIFIER) is not None
    (pictures,) = (place.settings.runs / GAN).glob("*/model-*/pictures")
    assert {path.stem for path in pictures.iterdir()} == {"samples", "floor", "real", "training"}

    before = os.times()
    second = place.night()
    spent = os.times()
    assert second["imported"] == []
    assert [second[entry]["done"] for entry in (CLASSIFIER, GAN)] == ["skipped", "skipped"]
    assert second[CLASSIFIER]["version"] == 1
    assert "version 1" in second[CLASSIFIER]["why"]
    assert spent.children_user + spent.children_system - before.children_user - before.children_system < 3

    place.edit(tmp_path / "source", GAN_FILE, GAN_SMOKE, f"{GAN_SMOKE}seed=1, ")
    third = place.night()
    assert (third[CLASSIFIER]["done"], third[GAN]["done"]) == ("skipped", "trained")
    assert [version.number for version in versions(place, GAN)] == [1, 2]
    assert third[GAN]["verdict"] in ("PROMOTE", "HOLD", "REJECT")

    again = place.night(only=CLASSIFIER, force=True)
    assert again[CLASSIFIER]["done"] == "reproduced", again
    assert len(versions(place, CLASSIFIER)) == 1


def test_upstream_change_retrains_what_needs_it_and_the_champion_is_scored_anew(place: Place, tmp_path: Path) -> None:
    place.night()
    place.edit(tmp_path / "source", CLASSIFIER_FILE, CLASSIFIER_SMOKE, f"{CLASSIFIER_SMOKE}seed=1, ")
    second = place.night()
    assert (second[CLASSIFIER]["done"], second[GAN]["done"]) == ("trained", "scored")
    old, new = versions(place, GAN)
    assert old.protocol != new.protocol  # another classifier is another feature space
    assert (old.trains, old.weights) == (new.trains, new.weights)
    assert old.scores != new.scores
    if old.verdict and old.verdict["decision"] == "PROMOTE":  # its own weights are no challenge: the alias goes along
        assert new.champion


def test_a_changed_number_of_scoring_scores_the_sealed_weights_again(place: Place, tmp_path: Path) -> None:
    place.night()
    place.edit(tmp_path / "source", GAN_FILE, GAN_SMOKE, f"{GAN_SMOKE}draws=500, ")
    outcomes = place.night()
    assert [outcomes[entry]["done"] for entry in (CLASSIFIER, GAN)] == ["skipped", "scored"]
    old, new = versions(place, GAN)
    assert old.weights == new.weights
    assert new.record.seconds == old.record.seconds
    assert new.protocol.endswith("n500")
    assert place.night()[GAN]["done"] == "skipped"
    shutil.rmtree(place.settings.runs)  # the weights come out of the registry as well
    place.edit(tmp_path / "source", GAN_FILE, "draws=500", "draws=600")
    assert place.night()[GAN]["done"] == "scored"
    assert len({version.weights for version in versions(place, GAN)}) == 1


def test_champion_that_cannot_be_loaded_any_more_abdicates(place: Place, tmp_path: Path) -> None:
    """As after a change of its network: the next version is judged against the floor, not failed for ever."""
    assert place.night(only=CLASSIFIER)[CLASSIFIER]["verdict"] == "PROMOTE"
    wider = "nn.Linear(2 * width * (facts.height // 4) * (facts.width // 4), recipe.features),\n            nn.Linear("
    narrow = "nn.Linear(2 * width * (facts.height // 4) * (facts.width // 4), recipe.features),"
    place.edit(tmp_path / "source", CLASSIFIER_FILE, narrow, f"{wider}recipe.features, recipe.features),")
    place.edit(tmp_path / "source", "zoo/scoring/classification.py", "accuracy@1", "accuracy@2")
    place.edit(tmp_path / "source", "zoo/scoring/protocols.py", "accuracy@1", "accuracy@2")
    outcome = place.night(only=CLASSIFIER)[CLASSIFIER]
    assert outcome["done"] == "trained", outcome
    first, second = versions(place, CLASSIFIER)
    assert "cannot" in first.abdicated or "weights" in first.abdicated
    assert second.verdict is not None
    assert second.verdict["champion"] is None
    assert second.champion


def test_damaged_side_files_fail_nobody_else(place: Place) -> None:
    place.night(only=CLASSIFIER)
    for path in (place.settings.home / "memo").iterdir():
        path.write_text("{")
    (job,) = (place.settings.runs / CLASSIFIER).glob("*/job.json")
    job.write_text("{")
    outcomes = place.night()
    assert [outcomes[entry]["done"] for entry in (CLASSIFIER, GAN)] == ["skipped", "trained"]


def test_diverged_entry_fails_with_its_step_and_blocks_what_needs_it(place: Place, tmp_path: Path) -> None:
    place.edit(tmp_path / "source", CLASSIFIER_FILE, CLASSIFIER_SMOKE, f"{CLASSIFIER_SMOKE}learning_rate=1e30, ")
    outcomes = place.night()
    assert outcomes[CLASSIFIER]["done"] == "failed"
    assert "at step" in outcomes[CLASSIFIER]["why"]
    assert outcomes[GAN]["done"] == "blocked"
    assert CLASSIFIER in outcomes[GAN]["why"]
    assert read(place.settings).versions() == ()


@pytest.mark.parametrize(("broken", "said"), [("import nowhere", "No module named 'nowhere'"), ("def (", "line ")])
def test_family_that_cannot_be_imported_blocks_its_own_entry_alone(
    place: Place, tmp_path: Path, broken: str, said: str
) -> None:
    place.edit(tmp_path / "source", GAN_FILE, "FAMILY = Family(", f"{broken}\nFAMILY = Family(")
    outcomes = place.night()
    assert outcomes[CLASSIFIER]["done"] == "trained"
    assert outcomes["wgan-gp.unknown"]["done"] == "blocked"
    assert said in outcomes["wgan-gp.unknown"]["why"]


def test_metric_that_is_not_a_number_is_never_registered(place: Place, tmp_path: Path) -> None:
    source = tmp_path / "source"
    broken = "def aggregate(self, *_):\n        return {m.name: float('nan') for m in self.metrics}\n\n    def counted"
    place.edit(source, "zoo/scoring/classification.py", "def aggregate", broken)
    failed = place.night(only=CLASSIFIER)[CLASSIFIER]
    assert failed["done"] == "failed"
    assert "expected a finite value" in failed["why"]
    assert read(place.settings).versions() == ()


def test_flipped_byte_in_the_data_stops_the_night_by_name(place: Place) -> None:
    images = place.settings.datasets / "digits" / "train-images-idx3-ubyte"
    damaged = bytearray(images.read_bytes())
    damaged[1000] ^= 1
    images.chmod(0o644)
    images.unlink()  # it may share its bytes with DVC's cache
    images.write_bytes(damaged)
    outcomes = place.night()
    for entry in (CLASSIFIER, GAN):
        assert outcomes[entry]["done"] == "failed"
        assert images.name in outcomes[entry]["why"]
    assert not list(place.settings.runs.rglob("checkpoints"))


def test_data_that_cannot_be_read_stops_the_night_by_name(place: Place) -> None:
    """As a failing disk would: not with a ValueError, and not as a fault of Prefect's."""
    images = place.settings.datasets / "digits" / "train-images-idx3-ubyte"
    images.unlink()
    images.symlink_to("/proc/self/mem")  # reading it fails whoever asks, root too
    outcomes = place.night(only=CLASSIFIER)
    assert outcomes[CLASSIFIER]["done"] == "failed"
    assert "data set 'digits' cannot be read: [Errno 5]" in outcomes[CLASSIFIER]["why"]


def test_lost_registry_and_dead_prefect_lose_nothing(bare: Place) -> None:
    bare.prefect = "http://127.0.0.1:9/api"
    bare.changes = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    kept = bare.night()
    assert [kept[entry]["done"] for entry in (CLASSIFIER, GAN)] == ["undelivered", "undelivered"]
    trained = {path: path.stat().st_mtime_ns for path in bare.settings.runs.rglob("weights.safetensors")}
    assert len(trained) == 2

    bare.changes = {}
    delivered = bare.night()
    assert [delivered[entry]["done"] for entry in (CLASSIFIER, GAN)] == ["delivered", "delivered"]
    assert [delivered[entry]["version"] for entry in (CLASSIFIER, GAN)] == [1, 1]
    assert trained == {path: path.stat().st_mtime_ns for path in bare.settings.runs.rglob("weights.safetensors")}


def test_missing_data_blocks_and_says_what_to_do(bare: Place) -> None:
    (bare.project / "datasets.dvc").unlink()
    started = time.monotonic()
    outcomes = bare.night()
    assert {outcomes[entry]["done"] for entry in (CLASSIFIER, GAN)} == {"blocked"}
    assert "zoo data make" in outcomes[CLASSIFIER]["why"]
    assert time.monotonic() - started < 60

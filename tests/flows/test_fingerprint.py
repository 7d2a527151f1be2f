"""What changes the two identities of a version, and what does not."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from flows.fingerprint import Identity, Ingredients, RecipeDescription, describe, ingredients
from flows.source import Sources

DATA = {"digits": "1" * 64}
SPACE = {"digit-classifier.digits": "2" * 64}


def described(family: str, recipe: str, *, memo: Path) -> RecipeDescription:
    return describe([family], memo=memo)[family].recipes[""][recipe]


@pytest.fixture(scope="module")
def sampler(tmp_path_factory: pytest.TempPathFactory) -> RecipeDescription:
    return described("dcgan", "smoke", memo=tmp_path_factory.mktemp("memo"))


def made(
    recipe: RecipeDescription,
    *,
    family: str = "dcgan",
    data: Mapping[str, str] = DATA,
    upstream: Mapping[str, str] = SPACE,
) -> Ingredients:
    return ingredients(family, recipe, data=data, upstream=upstream, sources=Sources())


def with_number(recipe: RecipeDescription, kind: str, name: str, value: object) -> RecipeDescription:
    numbers = getattr(recipe, kind)
    assert name in numbers
    return recipe.model_copy(update={kind: numbers | {name: value}})


def test_a_number_of_training_changes_both_identities(sampler: RecipeDescription) -> None:
    old, new = made(sampler), made(with_number(sampler, "training", "steps", 1))
    assert (old.trains == new.trains, old.scores == new.scores, old.floor == new.floor) == (False, False, True)


def test_a_number_of_scoring_leaves_the_weights_alone(sampler: RecipeDescription) -> None:
    old, new = made(sampler), made(with_number(sampler, "scoring", "draws", 100))
    assert (old.trains == new.trains, old.scores == new.scores, old.floor == new.floor) == (True, False, False)
    assert new.changes(old) == ["recipe draws 2000 -> 100"]


def test_another_feature_network_scores_anew_and_trains_nothing(sampler: RecipeDescription) -> None:
    old, new = made(sampler), made(sampler, upstream={"digit-classifier.digits": "3" * 64})
    assert (old.trains == new.trains, old.scores == new.scores) == (True, False)
    assert new.changes(old) == ["upstream digit-classifier.digits changed"]


def test_data_that_is_trained_on_and_scored_on_changes_both(sampler: RecipeDescription) -> None:
    old, new = made(sampler), made(sampler, data={"digits": "4" * 64})
    assert (old.trains == new.trains, old.scores == new.scores) == (False, False)


def test_an_upstream_entry_that_is_trained_on_changes_both(tmp_path: Path) -> None:
    recipe = described("ddim", "smoke", memo=tmp_path)
    assert recipe.needs == ("ddpm.digits",)
    assert recipe.scoring_needs == ("digit-classifier.digits",)
    old, new = (made(recipe, family="ddim", upstream=SPACE | {"ddpm.digits": ten * 64}) for ten in "67")
    assert (old.trains == new.trains, old.scores == new.scores, old.floor == new.floor) == (False, False, True)


def test_a_stage_before_changes_both(tmp_path: Path) -> None:
    recipe = described("raft", "paper", memo=tmp_path)
    assert recipe.needs == ("raft.flyingchairs",)
    data = {"flyingthings3d": "1" * 64, "sintel-clean": "2" * 64}
    old, new = (made(recipe, family="raft", data=data, upstream={"raft.flyingchairs": ten * 64}) for ten in "67")
    assert (old.trains == new.trains, old.scores == new.scores, old.floor == new.floor) == (False, False, True)
    assert new.changes(old) == ["upstream raft.flyingchairs changed"]


def test_packages_count_where_they_compute(sampler: RecipeDescription) -> None:
    identities = made(sampler)
    assert {"torch", "numpy"} <= set(identities.training.versions)
    assert "torchvision" not in identities.training.versions
    assert "scipy" in identities.scoring.versions


def test_two_families_of_one_file_are_two_runs_even_with_the_same_numbers(tmp_path: Path) -> None:
    recipe = described("fcn32s", "smoke", memo=tmp_path)
    all_made = [made(recipe, family=f, data={"collage-seg": "5"}, upstream={}) for f in ("fcn32s", "fcn16s", "fcn8s")]
    assert len({each.trains for each in all_made}) == 3
    assert len({each.floor for each in all_made}) == 1


def test_changes_are_told_by_kind() -> None:
    old = Identity(numbers={"steps": 1}, data={"d": "1"}, source={"m": "1"}, upstream={}, versions={"torch": "2.8"})
    new = old.model_copy(update={"numbers": {"steps": 2}, "source": {"m": "2"}, "versions": {"torch": "2.9"}})
    assert new.changes(old) == ["recipe steps 1 -> 2", "code of m changed", "torch 2.8 -> 2.9"]
    assert new.digest != old.digest
    assert old.changes(old) == []


def test_families_are_described_as_installed_whatever_the_working_directory_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "__init__.py").write_text("raise SystemExit('code of the working directory was run')\n")
    monkeypatch.chdir(tmp_path)
    told = describe(["digit-classifier"], memo=tmp_path / "memo")["digit-classifier"]
    assert "smoke" in told.recipes[""]


def test_a_damaged_memo_of_descriptions_is_made_again(tmp_path: Path) -> None:
    before = describe(["digit-classifier"], memo=tmp_path)
    (note,) = tmp_path.iterdir()
    for damage in ("{", "[]", json.dumps({"digit-classifier": 3})):
        note.write_text(damage)
        assert describe(["digit-classifier"], memo=tmp_path) == before

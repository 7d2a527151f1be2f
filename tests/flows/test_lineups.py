"""Line-ups name what the catalogue has, and the catalogue has nothing that no night trains."""

from pathlib import Path

import pytest

from flows.fingerprint import Description, describe
from flows.lineups import LINEUPS
from zoo.catalogue import CATALOGUE


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Description]:
    memo: Path = tmp_path_factory.mktemp("memo")
    return describe(CATALOGUE, memo=memo)


def test_every_family_is_in_mini() -> None:
    assert {slot.family for slot in LINEUPS["mini"]} == set(CATALOGUE)


@pytest.mark.parametrize("name", LINEUPS)
def test_every_slot_is_a_recipe_and_what_it_needs_stands_before_it(
    name: str, described: dict[str, Description]
) -> None:
    made: list[str] = []
    for slot in LINEUPS[name]:
        recipe = described[slot.family].recipes[slot.variant][slot.recipe]
        if name == "mini":
            assert set(recipe.needs) | set(recipe.scoring_needs) <= set(made)
        made.append(f"{slot.family}.{recipe.scored}")
    assert len(set(made)) == len(made)


@pytest.mark.parametrize("family", CATALOGUE)
def test_every_family_was_asked_for_something_in_mini(family: str, described: dict[str, Description]) -> None:
    (ask,) = described[family].asks
    assert ask.recipe == "mini"
    assert ask.value > 0

"""Line-ups name what the catalogue has, it has nothing that no night trains, and `mini` costs what it may."""

import re
from pathlib import Path
from statistics import fmean

import pytest

from flows.fingerprint import Description
from flows.lineups import LINEUPS, MEAN_SECONDS, MOST_SECONDS, Slot, lineup
from registry.figures import BLOCK
from zoo.catalogue import CATALOGUE


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


def test_a_lineup_under_another_seed() -> None:
    assert lineup("mini") == LINEUPS["mini"]
    assert lineup("real", seed=2)[0] == Slot("digit-classifier", "mnist", seed=2)
    with pytest.raises(ValueError, match="no line-up 'none'"):
        lineup("none", seed=1)


def test_mini_keeps_its_budget() -> None:
    """By the seconds that README states, which `zoo figures` wrote from what was registered."""
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    figures = BLOCK.search(readme)
    assert figures
    rows = re.findall(r"^\| `\S+` .* \| (?:\d+ to )?(none|\d+)(?: s)? \|$", figures[0], re.MULTILINE)
    seconds = [0 if most == "none" else int(most) for most in rows]
    assert seconds
    assert max(seconds) <= MOST_SECONDS
    assert fmean(seconds) <= MEAN_SECONDS

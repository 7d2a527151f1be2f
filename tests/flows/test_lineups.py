"""Line-ups name what the catalogue has, it has nothing that no night trains, and `mini` costs what it may."""

import re
from pathlib import Path
from statistics import fmean

import pytest

from flows.fingerprint import Description
from flows.lineups import LINEUPS, MEAN_SECONDS, MOST_SECONDS, Changed, Slot, lineup
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


def own(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with this zoo.toml."""
    (folder / "zoo.toml").write_text(text)
    monkeypatch.setenv("ZOO_PROJECT", str(folder))


def test_a_lineup_of_zoo_toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own(
        tmp_path,
        """
        [lineups.long]
        seed = 1
        set = { steps = 900 }
        entries = [
            "fcn8s",
            { family = "fcn16s", set = { batch_size = 2 }, name = "long" },
            { family = "siamfc", recipe = "otb", seed = 2, set = { steps = 7 } },
        ]
        [lineups.plain]
        entries = ["fcn8s"]
        """,
        monkeypatch,
    )
    assert lineup("plain") == (Slot("fcn8s", "mini"),)
    assert lineup("long") == (
        Slot("fcn8s", "mini*", seed=1, changed=Changed("mini", '{"steps": 900}')),
        Slot("fcn16s", "long", seed=1, changed=Changed("mini", '{"batch_size": 2, "steps": 900}')),
        Slot("siamfc", "otb*", seed=2, changed=Changed("otb", '{"steps": 7}')),
    )
    assert {slot.seed for slot in lineup("long", seed=3)} == {3}
    assert lineup("mini") == LINEUPS["mini"]
    with pytest.raises(ValueError, match="no line-up 'lnog'; there are: quick, mini, real, long, plain"):
        lineup("lnog")


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("[lineups.a]", "expected a table with entries"),
        ("[lineups.a]\nentries = []", "expected a table with entries"),
        ("[lineups.a]\nentries = [3]", "expected a family or a table that names one, got 3"),
        ("[lineups.a]\nentries = ['fcn9s']", "did you mean: fcn8s"),
        ("[lineups.a]\nentries = ['fcn8s']\nseeds = 3", "unknown key 'seeds'; did you mean: seed"),
        ("[lineups.a]\nentries = ['fcn8s']\nseed = '3'", "expected int for seed, got '3'"),
        ("[lineups.a]\nentries = [{ family = 'fcn8s', name = 'x' }]", "has a name but no changed numbers"),
        ("[lineups.a]\nentries = ['fcn8s']\nset = { steps = 1979-05-27 }", "numbers, texts and lists"),
        ("[lineups.mini]\nentries = ['fcn8s']", "the zoo has a line-up 'mini' already"),
    ],
)
def test_a_mistake_in_a_lineup_of_zoo_toml(
    told: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own(tmp_path, told, monkeypatch)
    with pytest.raises(ValueError, match=re.escape(said)):
        lineup("a")


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

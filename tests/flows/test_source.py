"""Which code counts: what a piece of a family's file leads to, and nothing beside it."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import zoo
from flows.fingerprint import COMPUTES, DECIDES_NOTHING, EVALUATION, LOOP
from flows.source import Sources, Symbol
from zoo.catalogue import CATALOGUE, listing

FAMILY = """
'''A docstring.'''
import numpy as np
from zoo.toy import shared, other
from zoo.toy.shared import double as twice
RATE = 0.1
UNUSED = 3

def learn(recipe: "Recipe"):
    '''What it does.'''
    return twice(RATE)  # a comment

def judge():
    from zoo.toy.other import look
    return look, shared.length

FAMILY = Family(name="a", recipes={"smoke": Recipe(steps=1)}, learner=learn, benchmark=judge)
"""
SHARED = """
FACTOR = 2

def double(x):
    return FACTOR * x

def length(x):
    return len(x)

class Recipe:
    rate: float = Field(0.1, description="of learning")

    def half(self):
        return self.rate / 2
"""
OTHER = """
import torch

def look():
    return torch
"""

STANDARD = sys.stdlib_module_names
# The recipes of samplers have a base class there, whose numbers are all of scoring.
RECIPES = {"zoo.evaluation.sample_quality"}

Edit = Callable[[str, str, str], None]


@pytest.fixture
def edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Edit:
    """A package `zoo` of three files, and how to change a text in one of them."""
    (tmp_path / "toy").mkdir()
    for name, text in {"__init__": "", "family": FAMILY, "shared": SHARED, "other": OTHER}.items():
        (tmp_path / "toy" / f"{name}.py").write_text(text)
    (tmp_path / "__init__.py").write_text("")
    monkeypatch.setattr(zoo, "__file__", str(tmp_path / "__init__.py"))

    def change(name: str, old: str, new: str) -> None:
        path = tmp_path / "toy" / f"{name}.py"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return change


def closure_of(keyword: str) -> tuple[dict[str, str], frozenset[str]]:
    sources = Sources()
    found = sources.closure(sources.argument("zoo.toy.family", "FAMILY", keyword))
    return found.source, found.packages


@pytest.mark.parametrize(
    ("file", "old", "new", "learns", "judges"),
    [
        ("family", "A docstring", "Another", False, False),
        ("family", "What it does", "What else", False, False),
        ("family", "a comment", "another", False, False),
        ("family", "steps=1", "steps=2", False, False),
        ("family", "UNUSED = 3", "UNUSED = 4", False, False),
        ("family", "RATE = 0.1", "RATE = 0.2", True, False),
        ("family", "twice(RATE)", "twice(1)", True, False),
        ("family", "look, shared", "shared, look", False, True),
        ("shared", "FACTOR = 2", "FACTOR = 3", True, False),
        ("shared", "FACTOR * x", "x * FACTOR", True, False),
        ("shared", "len(x)", "len(x) + 1", False, True),
        ("shared", "self.rate / 2", "self.rate / 3", False, False),
        ("shared", "\n\nclass", "\n\ndef new():\n    return 1\n\nclass", False, False),
        ("shared", "FACTOR = 2", "FACTOR = 2\nprint(FACTOR)", True, True),  # runs for whoever imports it
        ("other", "return torch", "return 1", False, True),
    ],
)
def test_a_change_counts_for_its_users_only(
    edit: Edit, file: str, old: str, new: str, learns: bool, judges: bool
) -> None:
    before = closure_of("learner")[0], closure_of("benchmark")[0]
    edit(file, old, new)
    assert (closure_of("learner")[0] != before[0], closure_of("benchmark")[0] != before[1]) == (learns, judges)


def test_packages_are_those_of_the_code_that_is_used(edit: Edit) -> None:
    assert closure_of("learner")[1] == frozenset()
    assert closure_of("benchmark")[1] == {"torch"}
    edit("family", "twice(RATE)", "np.add(RATE, 1)")
    assert closure_of("learner")[1] == {"numpy"}


def test_numbers_of_a_recipe_count_by_value_and_its_methods_as_code(edit: Edit) -> None:
    edit("family", 'recipe: "Recipe"', "recipe: shared.Recipe")
    before = closure_of("learner")[0]
    edit("shared", "Field(0.1", "Field(0.5")
    assert closure_of("learner")[0] == before
    edit("shared", "self.rate / 2", "self.rate / 3")
    assert closure_of("learner")[0] != before


@pytest.mark.usefixtures("edit")
def test_a_memo_tells_the_same_and_a_damaged_one_is_made_again(tmp_path: Path) -> None:
    memo = tmp_path / "memo" / "source.json"
    first = Sources(memo)
    found = first.closure([Symbol("zoo.toy.family", "judge")])
    first.remember()
    assert Sources(memo).closure([Symbol("zoo.toy.family", "judge")]) == found
    memo.write_text("{")
    assert Sources(memo).closure([Symbol("zoo.toy.family", "judge")]) == found


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_family_learns_by_the_loop_and_no_benchmark(name: str) -> None:
    module, attribute = listing(name).where.split(":")
    sources = Sources()
    learning = [*sources.argument(module, attribute, "learner"), *sources.argument(module, attribute, "training_set")]
    learned = sources.closure((*learning, *LOOP))
    judged = sources.closure((*sources.argument(module, attribute, "benchmark"), *EVALUATION))
    assert {module, "zoo.training.loop", "zoo.training.placement"} <= set(learned.source)
    assert not {part for part in learned.source if part.startswith(("zoo.tasks", "zoo.drawing", "zoo.contracts"))}
    assert not {part for part in learned.source if part.startswith(("zoo.scoring", "zoo.evaluation."))} - RECIPES
    assert any(part.startswith("zoo.scoring.") for part in judged.source)
    assert "zoo.evaluation.evaluate" in judged.source
    for package in learned.packages | judged.packages:
        assert package in STANDARD or package in COMPUTES or package in DECIDES_NOTHING, package


@pytest.mark.parametrize(
    ("planted", "text"),
    [
        ("tasks/planted.py", "class Planted:\n    pass\n"),
        ("evaluation/planted.py", "class PlantedBenchmark:\n    pass\n"),
        ("drawing/planted.py", "def drawn():\n    return 1\n"),
        ("generative/planted.py", "from zoo.contracts import Family\nFAMILY = Family(name='planted')\n"),
        ("training/updater.py", "\n\ndef planted_decay() -> None:\n    return None\n"),
        ("scoring/metrics.py", "\n\nPLANTED = 1\n"),
    ],
)
def test_what_is_planted_beside_retrains_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planted: str, text: str
) -> None:
    def trains() -> dict[str, dict[str, str]]:
        sources = Sources()
        found = {}
        for name in CATALOGUE:
            module, attribute = listing(name).where.split(":")
            roots = [
                *sources.argument(module, attribute, "learner"),
                *sources.argument(module, attribute, "training_set"),
            ]
            found[name] = sources.closure((*roots, *LOOP)).source
        return found

    copy = tmp_path / "zoo"
    shutil.copytree(Path(zoo.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(zoo, "__file__", str(copy / "__init__.py"))
    before = trains()
    with (copy / planted).open("a") as file:
        file.write(text)
    assert trains() == before

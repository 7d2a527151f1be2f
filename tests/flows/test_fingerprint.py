"""What changes the identity of a run, and what does not."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from flows.fingerprint import Ingredients, closure, code_digest, describe, ingredients
from flows.plan import _what_changed, run_folder
from registry.settings import Settings

FAMILY = """
'''A docstring.'''
RATE = 0.1

def double(x):
    return 2 * x  # a comment

FAMILY = Family(name="a", paper="b", recipes={"smoke": Recipe(steps=1)}, learner=double)
"""


def test_closure_holds_what_a_family_imports_and_no_other_family() -> None:
    modules = closure("zoo.generative.wgan_gp")
    assert {"zoo.generative.wgan_gp", "zoo.training.loop", "zoo.contracts", "zoo.durable"} <= set(modules)
    assert not {"zoo", "zoo.catalogue", "zoo.recognition.digit_classifier"} & set(modules)
    assert all(file.is_file() for file in modules.values())


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("A docstring", "Another one", True),
        ("a comment", "another comment", True),
        ("steps=1", "steps=2", True),  # counted by value, for its own recipe only
        ('paper="b"', 'paper="c"', True),
        ("RATE = 0.1", "RATE = 0.2", False),
        ("2 * x", "3 * x", False),
        ("learner=double", "learner=len", False),
    ],
)
def test_code_digest_sees_code_and_nothing_else(tmp_path: Path, old: str, new: str, same: bool) -> None:
    (tmp_path / "before.py").write_text(FAMILY)
    (tmp_path / "after.py").write_text(FAMILY.replace(old, new))
    assert (code_digest(tmp_path / "before.py") == code_digest(tmp_path / "after.py")) == same


def test_changes_are_told_by_kind() -> None:
    old = Ingredients(
        family="f", recipe={"steps": 1}, data={"d": "1"}, source={"m": "1"}, upstream={}, torch="2.8", python="3.11"
    )
    new = old.model_copy(update={"recipe": {"steps": 2}, "source": {"m": "2"}, "torch": "2.9"})
    assert new.changes(old) == ["recipe steps 1 -> 2", "code of m changed", "torch 2.8 -> 2.9"]
    assert new.fingerprint != old.fingerprint
    assert old.changes(old) == []


def test_what_changed_since_a_nightzoo_that_counted_other_ingredients(tmp_path: Path) -> None:
    here = Settings(tmp_path, tmp_path / ".zoo", "")
    made = ingredients("fcn8s", {"steps": 2}, data={}, upstream={})
    before = made.model_copy(update={"recipe": {"steps": 1}}).model_dump()
    job = run_folder(here, "fcn8s.x", "a" * 64) / "job.json"
    job.parent.mkdir(parents=True)
    latest = SimpleNamespace(number=3, fingerprint="a" * 64)
    job.write_text(json.dumps({"ingredients": before}))
    assert _what_changed(here, "fcn8s.x", made, [latest]) == "since version 3: recipe steps 1 -> 2"
    del before["family"]
    job.write_text(json.dumps({"ingredients": before}))
    assert "version 3 was made by a nightzoo" in _what_changed(here, "fcn8s.x", made, [latest])


def test_families_are_described_as_installed_whatever_the_working_directory_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "__init__.py").write_text("raise SystemExit('code of the working directory was run')\n")
    monkeypatch.chdir(tmp_path)
    assert "smoke" in describe(["digit-classifier"], memo=tmp_path / "memo")["digit-classifier"].recipes


def test_two_families_of_one_file_are_two_runs_even_with_the_same_numbers() -> None:
    made = [ingredients(family, {"steps": 1}, data={}, upstream={}) for family in ("fcn32s", "fcn16s", "fcn8s")]
    assert made[0].source == made[1].source == made[2].source
    assert len({each.fingerprint for each in made}) == 3

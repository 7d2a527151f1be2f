"""The pages of the tasks are what the interfaces say, and their examples run."""

import doctest
import json
import re
import runpy
from pathlib import Path

import pytest
from safetensors.torch import save_file

from zoo.artifact import Identity, seal
from zoo.catalogue import family

ROOT = Path(__file__).parents[1]
TASKS = sorted(path.stem for path in (ROOT / "zoo/tasks").glob("[!_]*.py"))
LOADED = re.compile(r'zoo\.load\("([\w-]+)"\)')
DIGITS = {"channels": 1, "height": 8, "width": 8, "classes": tuple("0123456789")}
ACTIONS = {"classes": tuple("abcdefgh")}


def test_the_committed_pages_are_those_that_the_interfaces_make() -> None:
    generated = runpy.run_path(str(ROOT / "docs/generate.py"))["pages"]()
    committed = {path.name: path.read_text() for path in (ROOT / "docs/tasks").iterdir()}
    assert committed == generated, "run `make docs`"
    assert committed.keys() == {"README.md", *(f"{task}.md" for task in TASKS)}


@pytest.mark.parametrize("task", TASKS)
def test_the_example_runs(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs/tasks" / f"{task}.md").read_text()
    (name,) = LOADED.findall(page)
    sealed_untrained(name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    example = doctest.DocTestParser().get_doctest(page.replace("\n```\n", "\n\n"), {}, task, None, None)
    assert len(example.examples) >= 3
    assert not doctest.DocTestRunner().run(example).failed


def sealed_untrained(name: str, folder: Path) -> None:
    """A folder such as `zoo pull` writes, of a family's smoke recipe with the weights it starts from."""
    of = family(name)
    recipe = of.recipe("smoke")
    told = ACTIONS if name == "c3d" else DIGITS
    facts = of.facts(**{key: value for key, value in told.items() if key in of.facts.model_fields})
    identity = Identity(
        family=name, recipe_name="smoke", recipe=recipe.model_dump(mode="json"), facts=facts.model_dump(mode="json")
    )
    folder.mkdir()
    (folder / "recipe.json").write_text(json.dumps(identity.model_dump()))
    weights = of.build(recipe, facts, {}).predictor().state_dict()
    save_file({key: value.contiguous() for key, value in weights.items()}, folder / "weights.safetensors")
    seal(folder)

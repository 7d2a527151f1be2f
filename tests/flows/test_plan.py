"""What a night would do: after years as fast as on the first day, and under another seed."""

import json
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.fingerprint import Description
from flows.lineups import Changed, Slot, lineup
from flows.plan import Decision, plan
from registry.settings import Settings
from tests.bench.planning import COCO, ENTRIES, VERSIONS, datasets, every_slot, record, register

CLASSIFIER, GAN = "digit-classifier.digits", "dcgan.digits"


@pytest.fixture
def here(tmp_path: Path, migrated: Path, memo: Path) -> Settings:
    """A project with an empty registry, whose home knows what families say of themselves."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(migrated, home / "mlflow.db")
    shutil.copytree(memo, home / "memo")
    return Settings(tmp_path, home, f"sqlite:///{home / 'mlflow.db'}")


def by_entry(decisions: tuple[Decision, ...]) -> dict[str, Decision]:
    return {decision.entry: decision for decision in decisions}


def test_nothing_to_do_reads_the_registry_and_the_manifest_once(
    here: Settings, described: dict[str, Description], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many entries and versions there are, and with COCO in the manifest."""
    slots, files = every_slot(described), datasets(described)
    record(files, here)
    register(plan(slots, settings=here), here, entries=ENTRIES, versions=VERSIONS)
    for told in (here.home / "memo").glob("manifest-*.json"):
        told.unlink()
    assert files["coco"] == COCO > 100_000
    counts: Counter[str] = Counter()
    connect = sqlite3.connect

    def connected(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        connection.set_trace_callback(lambda _: counts.update(["asked of the registry"]))
        return connection

    def counted(name: str, function: Callable[..., Any], about: Callable[[Any], bool]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            counts[name] += about(arguments[0])
            return function(*arguments)

        return call

    monkeypatch.setattr(sqlite3, "connect", connected)
    monkeypatch.setattr(Path, "read_bytes", counted("manifest read", Path.read_bytes, lambda it: it.suffix == ".dir"))
    monkeypatch.setattr(json, "loads", counted("manifest parsed", json.loads, lambda it: len(it) > 50 * COCO))
    for parsed in (1, 0):  # from the second night on its digests are remembered
        decisions = plan(slots, settings=here)
        assert {decision.action for decision in decisions} == {"skip"}
        assert counts == Counter({"asked of the registry": 3, "manifest read": 1, "manifest parsed": parsed})
        assert len(decisions) == len(slots) > 40
        counts.clear()


def test_under_another_seed_all_is_trained_anew_upstreams_too(
    here: Settings, described: dict[str, Description]
) -> None:
    record(datasets(described), here)
    plain = by_entry(plan(lineup("mini"), settings=here))
    seeded = by_entry(plan(lineup("mini", seed=1), settings=here, only="*.collage-*"))
    assert set(seeded) == {entry for entry in plain if ".collage-" in entry}
    for entry, decision in seeded.items():
        assert (decision.action, decision.slot.seed) == ("train", 1)
        assert decision.ingredients is not None
        assert decision.ingredients.training.numbers["seed"] == 1
        assert decision.trains != plain[entry].trains
    needed = "raft-small.collage-flow"
    assert seeded["two-stream.collage-action"].upstream == {needed: seeded[needed].trains}
    own = by_entry(plan(lineup("mini", seed=0), settings=here))
    assert {entry: decision.scores for entry, decision in own.items()} == {
        entry: decision.scores for entry, decision in plain.items()
    }


def test_what_is_only_scored_with_keeps_its_own_seed(here: Settings, described: dict[str, Description]) -> None:
    """Or a GAN's draws would be judged in other features under each seed, and no two numbers would compare."""
    record(datasets(described), here)
    first = by_entry(plan(lineup("mini", seed=1), settings=here))[GAN]
    assert first.action == "blocked"
    assert f"scored with {CLASSIFIER} under its recipe's own seed, which has to be registered first" in first.why
    plain = by_entry(plan(lineup("mini"), settings=here))
    register([plain[CLASSIFIER]], here)
    seeded = by_entry(plan(lineup("mini", seed=1), settings=here))
    assert seeded[CLASSIFIER].action == seeded[GAN].action == "train"
    assert seeded[GAN].upstream == {CLASSIFIER: plain[CLASSIFIER].trains}
    before, now = plain[GAN].ingredients, seeded[GAN].ingredients
    assert before is not None
    assert now is not None
    assert now.scoring == before.scoring
    assert now.training != before.training


def test_changed_numbers_are_another_recipe_by_a_name_of_its_own(
    here: Settings, described: dict[str, Description]
) -> None:
    """Needs follow the numbers: a GAN scored in other features needs another entry."""
    record(datasets(described), here)
    plain = by_entry(plan(lineup("mini"), settings=here))
    changed = Slot("digit-classifier", "short", changed=Changed("mini", '{"steps": 7}'))
    decisions = by_entry(plan([changed, Slot("dcgan", "mini")], settings=here))
    made = decisions[CLASSIFIER].ingredients
    assert made is not None
    assert (decisions[CLASSIFIER].as_json()["recipe"], made.recipe["steps"]) == ("short", 7)
    assert decisions[CLASSIFIER].trains != plain[CLASSIFIER].trains
    assert decisions[GAN].upstream == {CLASSIFIER: decisions[CLASSIFIER].trains}
    same = Slot("digit-classifier", "same", changed=Changed("mini", "{}"))
    assert by_entry(plan([same], settings=here))[CLASSIFIER].scores == plain[CLASSIFIER].scores
    for numbers, said in (
        ('{"stpes": 7}', 'digit-classifier, recipe mini with {"stpes": 7}: stpes: Extra inputs are not permitted'),
        ('{"steps": -1}', "steps: Input should be greater than or equal to 0"),
    ):
        with pytest.raises(ValueError, match=re.escape(said)):
            plan([changed._replace(changed=Changed("mini", numbers))], settings=here)
    with pytest.raises(ValueError, match="has two recipes 'mini' of different numbers"):
        plan([changed._replace(recipe="mini")], settings=here)

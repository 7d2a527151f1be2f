"""What a night with nothing to do costs after years: 60 entries of 100 versions each, COCO among the data sets.

    make bench

The project is written by hand, so that nothing has to be trained for it: DVC's manifest, and rows in MLflow's own
tables. Processor time of one process that decides on every entry that the catalogue can make: the first time, when no
memo tells what the manifest says, and from then on. The goal is 2 s. Code that read the registry for every entry took
24 s here, and code that parsed the manifest for every data set 18.2 s.
"""

import hashlib
import json
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from flows.fingerprint import Description, describe
from flows.lineups import Slot
from flows.plan import Decision, plan
from registry.client import connect
from registry.settings import Settings
from zoo.artifact import Record, Score
from zoo.catalogue import CATALOGUE
from zoo.entry import Entry

ENTRIES, VERSIONS = 60, 100  # in the registry, and of each entry
COCO = 118_287 + 5_000  # pictures of 2017's train and val
OTHERS = 1_000  # files of any other data set


def every_slot(described: Mapping[str, Description]) -> tuple[Slot, ...]:
    """One for each entry that the catalogue can make."""
    slots: dict[Entry, Slot] = {}
    for family, told in described.items():
        for variant, recipes in told.recipes.items():
            for name, recipe in recipes.items():
                slots.setdefault(Entry.of(family, recipe.scored, variant=variant), Slot(family, name, variant))
    return tuple(slots.values())


def datasets(described: Mapping[str, Description]) -> dict[str, int]:
    """The data sets that any recipe reads, and how many files each has."""
    recipes = [r for told in described.values() for variant in told.recipes.values() for r in variant.values()]
    return {name: COCO if name == "coco" else OTHERS for r in recipes for name in (r.dataset, r.scored)}


def record(files: Mapping[str, int], settings: Settings) -> None:
    """DVC's manifest and `datasets.dvc` of data sets with so many files, without the files."""
    md5s = [hashlib.md5(str(i).encode()).hexdigest() for i in range(max(files.values()))]
    lines = [{"md5": md5s[i], "relpath": f"{name}/{i:012}.jpg"} for name, count in files.items() for i in range(count)]
    content = json.dumps(lines).encode()
    md5 = hashlib.md5(content).hexdigest()
    path = settings.project / ".dvc" / "cache" / "files" / "md5" / md5[:2] / f"{md5[2:]}.dir"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    digests = {
        name: hashlib.sha256("".join(f"{md5s[i]} {i:012}.jpg\n" for i in range(count)).encode()).hexdigest()
        for name, count in files.items()
    }
    stated = "".join(f"    {name}: {digests[name]}\n" for name in sorted(digests))
    (settings.project / "datasets.dvc").write_text(f"outs:\n- md5: {md5}.dir\nmeta:\n  digests:\n{stated}")


def register(decisions: Iterable[Decision], settings: Settings, *, entries: int = 0, versions: int = 1) -> None:
    """Rows in MLflow's tables: the newest version of each entry proves what was decided on it, and is its champion.

    Args:
        entries: how many there are at least; those that nothing was decided on are of families that are gone.
        versions: of each entry.
    """
    proven = {str(decision.entry): (decision.trains, decision.scores) for decision in decisions}
    proven |= {f"gone-{i:02}.digits": ("", "") for i in range(entries - len(proven))}
    with sqlite3.connect(settings.home / "mlflow.db") as database:
        for name, identity in proven.items():
            database.execute("INSERT INTO registered_models (name) VALUES (?)", (name,))
            database.execute(
                "INSERT INTO registered_model_aliases (name, version, alias) VALUES (?, ?, 'champion')",
                (name, versions),
            )
            for number in range(1, versions + 1):
                _version(database, name, number, *(identity if number == versions else (f"t{number}", f"s{number}")))


def _version(database: sqlite3.Connection, name: str, number: int, trains: str, scores: str) -> None:
    database.execute(
        "INSERT INTO model_versions (name, version, creation_time, current_stage) VALUES (?, ?, ?, 'None')",
        (name, number, number),
    )
    told = Record(
        entry=name,
        trains=trains,
        scores=scores,
        dataset="digits",
        data_digest="d" * 64,
        scored="digits",
        scored_digest="d" * 64,
        protocol="digits-test/accuracy@1",
        score=Score(name=name, metrics={"accuracy": 0.9, "mean_class_accuracy": 0.9}),
        floor=Score(name="majority class", metrics={"accuracy": 0.1, "mean_class_accuracy": 0.1}),
        parameters=1,
        steps=1,
        seconds=1.0,
        placement={"device": "cpu"},
        versions={"python": "3.11"},
    )
    tags = {
        "ready": "true",
        "trains": trains,
        "scores": scores,
        "verdict": json.dumps({"decision": "HOLD"}),
        "record": told.model_dump_json(),
    }
    database.executemany(
        "INSERT INTO model_version_tags (name, version, key, value) VALUES (?, ?, ?, ?)",
        [(name, number, key, value) for key, value in tags.items()],
    )


def main() -> None:
    """Print what deciding costs, the first time and from then on."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(Path(folder), Path(folder), f"sqlite:///{folder}/mlflow.db")
        connect(settings).search_experiments()
        described = describe(CATALOGUE, memo=settings.home / "memo")
        slots = every_slot(described)
        record(datasets(described), settings)
        register(plan(slots, settings=settings), settings, entries=ENTRIES, versions=VERSIONS)
        for memo in (settings.home / "memo").glob("manifest-*.json"):
            memo.unlink()
        for turn in ("first", "second", "third"):
            began = time.process_time()
            decisions = plan(slots, settings=settings)
            took = time.process_time() - began
            done = {decision.action for decision in decisions}
            print(f"{turn} plan of {len(decisions)} entries among {ENTRIES * VERSIONS} versions: {took:.2f} s, {done}")


if __name__ == "__main__":
    main()

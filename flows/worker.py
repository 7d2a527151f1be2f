"""Trains, evaluates and seals one entry in a process of its own.

    python -m flows.worker RUNFOLDER                     makes RUNFOLDER/model from RUNFOLDER/job.json
    python -m flows.worker RUNFOLDER --rescore MODEL OUT   scores another model under this job's protocol

A crash, an OOM or a kill ends this process and no other; whatever it had reached lies in the run folder and is gone on
from by the next worker. Events go to standard output, a line each; everything else to standard error.
"""

import argparse
import os
import platform
import shutil
import sys
import traceback
import warnings
from importlib import metadata
from pathlib import Path
from typing import TextIO

import torch
from PIL import Image
from safetensors.torch import save_file

from flows.job import Event, Failure, Job
from flows.lifeline import die_with_parent
from flows.locks import held
from registry.cards import card
from zoo.artifact import Identity, Record, Score, load, seal, sha256_of
from zoo.catalogue import family, listing
from zoo.contracts import Benchmark, Family, Inputs, Picture, Recipe, Upstream
from zoo.durable import sync_folder
from zoo.scoring.units import Units
from zoo.training import Curves, Progress, Trained, train

PATIENCE = 30.0  # seconds for a worker whose night was killed to notice it
FAILED = 1
WEIGHTS = "weights.safetensors"


def main() -> int:
    """Do one job; 0 if it is done."""
    parser = argparse.ArgumentParser(prog="python -m flows.worker")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rescore", nargs=2, type=Path, metavar=("MODEL", "OUT"))
    asked = parser.parse_args()
    die_with_parent()
    torch.set_num_threads(1)
    folder: Path = asked.folder
    (folder / "failure.json").unlink(missing_ok=True)
    say = _Voice()
    try:
        with held(folder / "lock", what="a worker", patience=PATIENCE):
            if asked.rescore:
                rescore(Job.read(folder), *asked.rescore)
            elif not (folder / "model").is_dir():
                make(Job.read(folder), folder, say=say)
    except (MemoryError, torch.cuda.OutOfMemoryError) as error:
        advice = "Out of memory: lower the recipe's batch_size, or train it alone (`zoo night --only ENTRY`)."
        return _failed(folder, error, f"{advice} ({error})")
    except ValueError as error:  # for users: the message says what to do
        return _failed(folder, error, str(error))
    except Exception as error:
        return _failed(folder, error, f"{type(error).__name__}: {error}. See {folder / 'failure.json'}.")
    return 0


def make(job: Job, folder: Path, *, say: "_Voice") -> None:
    """Train, evaluate and seal; `folder/model` appears whole or not at all."""
    of, recipe, inputs = _materials(job)

    def report(progress: Progress) -> None:
        say(Event(kind="training", **{**progress._asdict(), "scalars": dict(progress.scalars)}))

    benchmark = of.benchmark(recipe, inputs)  # what it lacks is better known before the training than after
    trained = train(of, recipe, inputs, folder, report=report)
    building = folder / ".model"
    shutil.rmtree(building, ignore_errors=True)
    (building / "evaluation").mkdir(parents=True)
    (building / "pictures").mkdir()
    say(Event(kind="evaluating", text=benchmark.protocol))
    record = _evaluate(job, trained, benchmark, recipe, building)
    for name, picture in _pictures(benchmark, trained, folder / "curves.jsonl").items():
        Image.fromarray(picture).save(building / "pictures" / f"{name}.png")
    say(Event(kind="sealing"))
    identity = Identity(
        family=job.family,
        recipe_name=job.recipe_name,
        recipe=recipe.model_dump(mode="json"),
        facts=trained.facts.model_dump(mode="json"),
    )
    (building / "recipe.json").write_text(identity.model_dump_json(indent=2))
    (building / "record.json").write_text(record.model_dump_json(indent=2))
    (building / "card.md").write_text(
        card(identity, record, benchmark.scoring.metrics, title=listing(job.family).title, paper=of.paper),
        encoding="utf-8",
    )
    shutil.copy(folder / "curves.jsonl", building)
    weights = trained.learner.predictor().state_dict()
    save_file({name: value.cpu().contiguous().clone() for name, value in weights.items()}, building / WEIGHTS)
    seal(building)
    _appear(building, folder / "model")
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)  # nothing goes on from them any more


def rescore(job: Job, model: Path, out: Path) -> None:
    """Units of another model of the same entry under this job's protocol and data."""
    of, recipe, inputs = _materials(job)
    predictor = load(model, device="cuda" if torch.cuda.is_available() else "cpu")
    benchmark = of.benchmark(recipe, inputs)
    units = benchmark.evaluate(predictor)
    _score(benchmark, units, job.entry)
    building = out.with_name(f".{out.name}")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    units.write(building / "units.parquet")
    (building / "protocol").write_text(benchmark.protocol)
    _appear(building, out)


def _materials(job: Job) -> tuple[Family, Recipe, Inputs]:
    of = family(job.family)
    recipe = type(of.recipe(job.recipe_name)).model_validate(job.ingredients.recipe)
    upstream = {
        name: Upstream(
            entry=needed.entry,
            predictor=load(needed.folder),
            digest=sha256_of(needed.folder / WEIGHTS),
        )
        for name, needed in job.upstream.items()
    }
    return of, recipe, Inputs(datasets=job.datasets, upstream=upstream, cache=job.cache)


def _evaluate(job: Job, trained: Trained, benchmark: Benchmark, recipe: Recipe, building: Path) -> Record:
    predictor = trained.learner.predictor().eval()
    method, trivial = benchmark.floor()
    units, floor = benchmark.evaluate(predictor), benchmark.evaluate(trivial)
    record = Record(
        entry=job.entry,
        trains=job.ingredients.fingerprint,
        scores=job.ingredients.fingerprint,
        dataset=recipe.dataset,
        data_digest=job.ingredients.data[recipe.dataset],
        scored=recipe.scored,
        scored_digest=job.ingredients.data[recipe.scored],
        upstream=job.ingredients.upstream,
        protocol=benchmark.protocol,
        score=_score(benchmark, units, job.entry),
        floor=_score(benchmark, floor, method),
        parameters=sum(parameter.numel() for parameter in predictor.parameters()),
        steps=recipe.steps,
        seconds=trained.seconds,
        placement=trained.placement.model_dump(),
        versions={name: metadata.version(name) for name in ("nightzoo", "torch")}
        | {"python": platform.python_version()},
    )
    units.write(building / "evaluation" / "units.parquet")
    floor.write(building / "evaluation" / "floor.parquet")
    return record


def _pictures(benchmark: Benchmark, trained: Trained, curves: Path) -> dict[str, Picture]:
    """What a person would look at, by name."""
    learner, training = trained.learner, Curves(curves).drawn()
    found: dict[str, Picture] = {} if training is None else {"training": training}
    for name, picture in [*benchmark.pictures(learner.predictor().eval()).items(), *learner.pictures().items()]:
        if name in found:
            raise ValueError(f"two pictures are called {name!r}, and one would hide the other: rename it in the code.")
        found[name] = picture
    return found


def _score(benchmark: Benchmark, units: Units, name: str) -> Score:
    """The metrics of these units, each one finite and possible."""
    values = benchmark.scoring.aggregate(units)
    return Score(name=name, metrics={m.name: m.check(values[m.name]) for m in benchmark.scoring.metrics})


def _appear(building: Path, folder: Path) -> None:
    """Make a finished folder visible under its name, every byte of it durable first."""
    for path in building.rglob("*"):
        if path.is_dir():
            sync_folder(path)
        else:
            with path.open("rb") as file:
                os.fsync(file.fileno())
    sync_folder(building)
    building.replace(folder)
    sync_folder(folder.parent)


def _failed(folder: Path, error: BaseException, message: str) -> int:
    Failure(kind=type(error).__name__, message=message, traceback=traceback.format_exc()).write(folder)
    traceback.print_exc()
    return FAILED


class _Voice:
    """Says events on the real standard output; what anybody else prints there goes to standard error."""

    def __init__(self) -> None:
        self.out: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
        os.dup2(2, 1)
        warnings.showwarning = self._warned

    def __call__(self, event: Event) -> None:
        print(event.model_dump_json(), file=self.out)

    def _warned(self, message: Warning | str, *_: object, **__: object) -> None:
        self(Event(kind="warning", text=str(message)))


if __name__ == "__main__":
    sys.exit(main())

"""Trains, evaluates and seals one entry in a process of its own.

    python -m flows.worker RUNFOLDER                     makes RUNFOLDER/model-... from RUNFOLDER/job.json
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
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TextIO

import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from flows.failures import explained
from flows.job import Event, Failure, Job
from flows.lifeline import die_with_parent
from flows.locks import held
from flows.runs import model_name
from registry.cards import card
from zoo.artifact import (
    WEIGHTS,
    CannotLoad,
    Identity,
    Record,
    Score,
    load,
    read_identity,
    read_record,
    seal,
    sha256_of,
    verify,
)
from zoo.catalogue import family as named
from zoo.catalogue import listing
from zoo.contracts import Benchmark, Family, Inputs, Picture, Recipe, Upstream
from zoo.drawing.plots import training_curves
from zoo.durable import sync_folder
from zoo.evaluation.evaluate import evaluate, kept_floor
from zoo.scoring.bootstrap import error_and_interval
from zoo.scoring.units import Evaluated
from zoo.training import Progress, Trained, train
from zoo.training.placement import Placement, loaders_for

PATIENCE = 30.0  # seconds for a worker whose night was killed to notice it
FAILED = 1
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def main() -> int:
    """Do one job; 0 if it is done."""
    parser = argparse.ArgumentParser(prog="python -m flows.worker")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rescore", nargs=2, type=Path, metavar=("MODEL", "OUT"))
    asked = parser.parse_args()
    die_with_parent()
    _be_the_first_to_go()
    torch.set_num_threads(1)
    folder: Path = asked.folder
    (folder / "failure.json").unlink(missing_ok=True)
    say, recipe = _Voice(), {}
    try:
        with held(folder / "lock", what="a worker", patience=PATIENCE):
            job = Job.read(folder)
            recipe = job.ingredients.recipe
            if asked.rescore:
                rescore(job, *asked.rescore)
            elif not (folder / model_name(job.ingredients)).is_dir():
                make(job, folder, say=say)
    except Exception as error:
        message = explained(error, folder, recipe)
        say(Event(kind="failed", text=message))  # first: on a full disk nothing can be written
        failure = Failure(kind=type(error).__name__, message=message, traceback=traceback.format_exc())
        with suppress(OSError):
            failure.write(folder)
        traceback.print_exc()
        return FAILED
    return 0


def make(job: Job, folder: Path, *, say: "_Voice") -> None:
    """Train (or take the sealed weights), evaluate and seal; the model appears whole or not at all."""
    family, recipe, inputs = _materials(job)
    benchmark = family.benchmark(recipe, inputs)  # what it lacks is better known before the training than after
    trained, curves = _trained(job, family, recipe, inputs, folder, say)

    def report(done: int, total: int) -> None:
        say(Event(kind="evaluating", text=benchmark.protocol, step=done, steps=total))

    report(0, 0)
    model = evaluate(benchmark, trained.learner.predictor(), device=DEVICE, report=report)
    method, floor = kept_floor(benchmark, key=job.ingredients.floor, cache=inputs.cache, device=DEVICE)
    say(Event(kind="sealing"))
    building = folder / ".model"
    shutil.rmtree(building, ignore_errors=True)
    (building / "evaluation").mkdir(parents=True)
    model.units.write(building / "evaluation" / "units.parquet")
    floor.units.write(building / "evaluation" / "floor.parquet")
    drawn = training_curves(curves)
    training: dict[str, Picture] = {} if drawn is None else {"training": drawn}
    _draw(building / "pictures", training, benchmark.pictures(model, floor), trained.learner.pictures())
    shutil.copy(curves, building / "curves.jsonl")
    weights = trained.learner.predictor().state_dict()
    save_file({name: value.cpu().contiguous().clone() for name, value in weights.items()}, building / WEIGHTS)
    scores = (_score(benchmark, model, job.entry), _score(benchmark, floor, method))
    _describe(building, job, family, recipe, trained, benchmark, *scores)
    seal(building)
    _appear(building, folder / model_name(job.ingredients))
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)  # nothing goes on from them any more


def rescore(job: Job, model: Path, out: Path) -> None:
    """Units of another model of the same entry under this job's protocol and data.

    Raises:
        CannotLoad: today's code cannot rebuild it.
        CannotScore: today's benchmark refuses what it predicts.
        ValueError: the data, an upstream model or this one is damaged or missing, for which no champion abdicates.
    """
    family, recipe, inputs = _materials(job)
    benchmark, predictor = family.benchmark(recipe, inputs), load(model)
    scored = evaluate(benchmark, predictor, device=DEVICE)
    _score(benchmark, scored, job.entry)
    building = out.with_name(f".{out.name}")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    scored.units.write(building / "units.parquet")
    (building / "protocol").write_text(benchmark.protocol)
    _appear(building, out)


def _materials(job: Job) -> tuple[Family, Recipe, Inputs]:
    family = named(job.ingredients.family)
    recipe = family.recipe_type().model_validate(job.ingredients.recipe)
    upstream = {entry: _upstream(entry, folder) for entry, folder in job.upstream.items()}
    return family, recipe, Inputs(datasets=job.datasets, upstream=upstream, cache=job.cache)


def _upstream(entry: str, folder: Path) -> Upstream:
    """An upstream model; one that cannot be loaded is no fault of the model that is made or scored with it."""
    try:
        return Upstream(entry=entry, predictor=load(folder), digest=sha256_of(folder / WEIGHTS))
    except CannotLoad as error:
        raise ValueError(f"{entry}, which this one needs: {error}") from error


def _trained(
    job: Job, family: Family, recipe: Recipe, inputs: Inputs, folder: Path, say: "_Voice"
) -> tuple[Trained, Path]:
    """The learner with its weights, sealed ones where the job names them, and the file of its curves."""

    def report(progress: Progress) -> None:
        say(Event(kind="training", **{**progress._asdict(), "scalars": dict(progress.scalars)}))

    if job.weights is None:
        loaders = loaders_for(DEVICE, workers=int(os.environ.get("ZOO_WORKERS", "1")))
        return train(family, recipe, inputs, folder, loaders=loaders, report=report), folder / "curves.jsonl"
    verify(job.weights)
    identity, record = read_identity(job.weights), read_record(job.weights)
    upstream = {entry: needed.predictor for entry, needed in inputs.upstream.items()}
    facts = family.facts.recorded(identity.facts)
    learner = family.build(recipe, facts, upstream)
    learner.predictor().load_state_dict(load_file(job.weights / WEIGHTS))
    placement = Placement.model_validate(record.placement)
    return Trained(learner.eval(), facts, placement, record.seconds), job.weights / "curves.jsonl"


def _describe(
    building: Path,
    job: Job,
    family: Family,
    recipe: Recipe,
    trained: Trained,
    benchmark: Benchmark,
    score: Score,
    floor: Score,
) -> None:
    """Write what the model is, how it came to be, and the card that says both to people."""
    identity = Identity(
        family=family.name,
        variant=job.entry.variant,
        recipe_name=job.recipe_name,
        recipe=recipe.model_dump(mode="json"),
        facts=trained.facts.model_dump(mode="json"),
        upstream={entry: read_identity(job.upstream[entry]) for entry in recipe.parts},
    )
    ingredients = job.ingredients
    record = Record(
        entry=job.entry,
        trains=ingredients.trains,
        scores=ingredients.scores,
        weights=sha256_of(building / WEIGHTS),
        dataset=recipe.dataset,
        data_digest=ingredients.training.data[recipe.dataset],
        scored=recipe.scored,
        scored_digest=ingredients.scoring.data[recipe.scored],
        upstream=ingredients.training.upstream | ingredients.scoring.upstream,
        protocol=benchmark.protocol,
        score=score,
        floor=floor,
        parameters=sum(parameter.numel() for parameter in trained.learner.predictor().parameters()),
        steps=recipe.steps,
        seconds=trained.seconds,
        placement=trained.placement.model_dump(),
        versions={"nightzoo": metadata.version("nightzoo")}
        | ingredients.scoring.versions
        | ingredients.training.versions
        | {"python": platform.python_version()},
    )
    (building / "recipe.json").write_text(identity.model_dump_json(indent=2))
    (building / "record.json").write_text(record.model_dump_json(indent=2))
    title = listing(family.name).title
    today = datetime.now(UTC).date()
    text = card(identity, record, benchmark.scoring.metrics, title=title, paper=family.paper, made=today)
    (building / "card.md").write_text(text, encoding="utf-8")


def _draw(folder: Path, *drawn: Mapping[str, Picture]) -> None:
    """Keep what a person would look at, by name."""
    folder.mkdir()
    for name, picture in (item for part in drawn for item in part.items()):
        path = folder / f"{name}.png"
        if path.exists():
            raise ValueError(f"two pictures are called {name!r}, and one would hide the other: rename it in the code.")
        Image.fromarray(picture).save(path)


def _score(benchmark: Benchmark, scored: Evaluated, name: str) -> Score:
    """The metrics of what was scored, each finite and possible, how far chance may have moved the ranking one, how fast
    it was and which kind of number that is."""
    values = benchmark.scoring.aggregate(scored.units)
    metrics = {m.name: m.check(values[m.name]) for m in benchmark.scoring.metrics}
    error, interval = error_and_interval(scored.units, benchmark.scoring)
    return Score(name=name, metrics=metrics, error=error, interval=interval, speed=scored.speed, kind=scored.kind)


def _be_the_first_to_go() -> None:
    """When the machine's memory ends, have Linux kill a worker, which can be gone on from, before anybody else."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


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

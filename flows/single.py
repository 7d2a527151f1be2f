"""One model by hand, outside the night: the same worker and the same run folder, but no registration.

The run folder is named by the fingerprint, so what was trained by hand is not trained again when a night comes to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from flows.fingerprint import Ingredients, ingredients
from flows.job import Job, Needed
from flows.plan import run_folder
from flows.versions import digest, verify
from flows.workers import Say, Workers
from registry import glance
from registry.pull import pull
from registry.settings import Settings
from zoo.artifact import Record, read_identity, read_record
from zoo.catalogue import family as named
from zoo.scoring.protocols import scoring
from zoo.scoring.units import Units


@dataclass(frozen=True, kw_only=True)
class Rescored:
    """A model scored again: what is on record, and what came out now."""

    record: Record
    metrics: dict[str, float]

    @property
    def same(self) -> bool:
        """Whether every metric is the recorded one, to the last bit."""
        return self.metrics == self.record.score.metrics


def train_one(family: str, recipe: str, changes: Mapping[str, object], *, settings: Settings, say: Say) -> Path:
    """Train and score a recipe with some of its numbers changed; returns the sealed model folder.

    Upstream entries are the registry's champions; where there is none, their recipe `mini` is trained first.

    Raises:
        ValueError: no such family, recipe or number; data missing or damaged; the run failed.
    """
    values = named(family).recipe(recipe, **changes)
    upstream = [_upstream(needed, settings, say) for needed in values.needs]
    job = _job(family, recipe, values.model_dump(mode="json"), upstream, settings)
    folder = run_folder(settings, job.entry, job.ingredients.fingerprint)
    if not (folder / "model").is_dir():
        _verified(job, settings)
        job.write(folder)
        Workers(say).run(job.entry, folder)
    return folder / "model"


def evaluate_again(model: str, *, settings: Settings, say: Say) -> Rescored:
    """Score a model folder, or a registered version, under today's protocol, data and code.

    Raises:
        ValueError: no such model, a file of it was changed, or the data is missing or damaged.
    """
    with TemporaryDirectory(prefix="nightzoo-") as scratch:
        folder = Path(model)
        if not folder.is_dir():
            folder = Path(scratch) / "model"
            pull(model, folder, settings)
        identity, record = read_identity(folder), read_record(folder)
        upstream = [_upstream(entry, settings, say, fingerprint=which) for entry, which in record.upstream.items()]
        job = _job(identity.family, identity.recipe_name, identity.recipe, upstream, settings)
        _verified(job, settings)
        run = Path(scratch) / "run"
        job.write(run)
        Workers(say).run(record.entry, run, "--rescore", str(folder.resolve()), str(run / "again"))
        counting = scoring((run / "again" / "protocol").read_text())
        return Rescored(record=record, metrics=counting.aggregate(Units.read(run / "again" / "units.parquet")))


@dataclass(frozen=True)
class _Upstream:
    entry: str
    fingerprint: str
    folder: Path


def _upstream(entry: str, settings: Settings, say: Say, *, fingerprint: str = "") -> _Upstream:
    """A trained entry as a folder: that of a fingerprint, else the champion, else one trained now."""
    versions = glance.ready_versions(settings, entry)
    found = next((v for v in versions if v.fingerprint == fingerprint or (v.champion and not fingerprint)), None)
    if found:
        folder = settings.home / "pulled" / entry / str(found.number)
        pull(str(found), folder, settings)
        return _Upstream(entry, found.fingerprint, folder)
    folder = run_folder(settings, entry, fingerprint) / "model"
    if not fingerprint:
        folder = train_one(entry.partition(".")[0], "mini", {}, settings=settings, say=say)
    elif not folder.is_dir():
        raise ValueError(
            f"{entry}: expected the version of fingerprint {fingerprint[:12]} that the model was scored with, but "
            "neither the registry nor a run folder has it. Train it again: `zoo night`."
        )
    return _Upstream(entry, read_record(folder).trains, folder)


def _job(family: str, recipe: str, values: dict[str, object], upstream: list[_Upstream], settings: Settings) -> Job:
    scored = str(values["scored_on"] or values["dataset"])
    data = {name: digest(name, settings) for name in (str(values["dataset"]), scored)}
    made: Ingredients = ingredients(
        family, values, data=data, upstream={needed.entry: needed.fingerprint for needed in upstream}
    )
    return Job(
        entry=f"{family}.{scored}",
        family=family,
        recipe_name=recipe,
        ingredients=made,
        datasets=settings.datasets,
        upstream={n.entry.partition(".")[0]: Needed(entry=n.entry, folder=n.folder) for n in upstream},
        cache=settings.cache,
    )


def _verified(job: Job, settings: Settings) -> None:
    """Every byte that the job will read."""
    for name in job.ingredients.data:
        verify(name, settings)

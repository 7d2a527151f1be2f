"""One model by hand, outside the night: the same worker and the same run folder; registered if a person says so.

The run folder is named by what decides the weights, so what was trained by hand is not trained again when a night comes
to it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from flows.datasets.manifest import Manifest
from flows.datasets.verifying import verify
from flows.fingerprint import RecipeDescription, ingredients
from flows.job import Event, Job
from flows.lineups import changed_name
from flows.locks import held
from flows.runs import model_folder, pulled, run_folder, sealed, whole_model
from flows.source import Sources
from flows.workers import Say, Workers
from registry.gate import Ruling
from registry.glance import Version, read
from registry.pull import pull
from registry.settings import Settings
from zoo.artifact import Record, read_identity, read_record
from zoo.catalogue import family as named
from zoo.contracts import Family, Recipe
from zoo.entry import Entry
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


def train_one(
    family: str,
    recipe: str,
    changes: Mapping[str, object],
    *,
    variant: str = "",
    name: str = "",
    settings: Settings,
    say: Say,
) -> Path:
    """Train and score a recipe with some of its numbers changed; returns the sealed model folder.

    Upstream entries are the registry's champions; where there is none, they are trained first.

    Args:
        name: what the recipe with changed numbers is called on boards, instead of `mini*`.

    Raises:
        ValueError: no such family, variant, recipe or number; data missing or damaged; the run failed; the model is
            there under another name.
    """
    trained = named(family)
    values = trained.recipe(recipe, variant=variant, **changes)
    label = _label(trained, recipe, values, variant, name)
    upstream = {
        entry: _champion(Entry(entry), recipe, settings, say) for entry in (*values.needs, *values.scoring_needs)
    }
    job = _job(trained.entry(values, variant=variant), label, values, upstream, settings)
    model = model_folder(settings, job.entry, job.ingredients)
    if not model.is_dir():
        _verify(job, settings)
        folder = run_folder(settings, job.entry, job.ingredients.trains)
        made = sealed(settings, job.entry, job.ingredients.trains)
        weights = whole_model(job.entry, job.ingredients.trains, settings, warn=_warning(say)) if made else None
        job.model_copy(update={"weights": weights}).write(folder)
        Workers(say, leases=settings.leases).run(job.entry, folder)
    if name and read_identity(model).recipe_name != name:
        raise ValueError(
            f"--name {name}: this model was trained before, as {read_identity(model).recipe_name!r}, and keeps that "
            f"name; remove {model} to have it scored and named again."
        )
    return model


def register_one(model: Path, *, challenge: bool, settings: Settings, say: Say) -> tuple[Version, Ruling | None]:
    """Register a sealed model folder, and only if asked have it challenge the entry's champion.

    Whoever tries numbers until one of them wins has not found a better model: so what was made by hand stands on the
    boards, and is neither judged nor promoted unless a person says that this one is meant to reign, or a night comes
    to the same recipe.

    Returns:
        The version, and the gate's verdict on it where there is one.

    Raises:
        ValueError: it was made with weights that are not registered, bears a name that is not its own, or arrived
            damaged.
        ConnectionError: the tracking server does not answer.
    """
    from registry.promotion import challenge as judged
    from registry.promotion import needs_rescoring, stored
    from registry.store import register

    _expect_own_name(model)
    for entry, trains in read_record(model).upstream.items():
        if read(settings, entry).by_trains(entry, trains) is None:
            raise ValueError(
                f"{model} needs weights of {entry} that are not registered: expected a version with them. Register "
                f"them first: zoo train {Entry(entry).family} --register --challenge"
            )
    version = register(model, settings)
    if not challenge:
        return version, stored(version)
    with held(settings.home / "night.lock", what="a night"):
        reigning = needs_rescoring(version, settings) if version.verdict is None else None
        rescored = _rescored(model, reigning, settings, say) if reigning else None
        ruling = judged(version, settings, rescored=rescored)
        return read(settings, version.entry).numbered(version.entry, version.number), ruling


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
        record, job = read_record(folder), _job_of(folder, settings, say)
        _verify(job, settings)
        run = Path(scratch) / "run"
        job.write(run)
        Workers(say, leases=settings.leases).run(
            record.entry, run, "--rescore", str(folder.resolve()), str(run / "again")
        )
        counting = scoring((run / "again" / "protocol").read_text())
        return Rescored(record=record, metrics=counting.aggregate(Units.read(run / "again" / "units.parquet")))


def _rescored(model: Path, reigning: Version, settings: Settings, say: Say) -> Path:
    """The units of a champion under the protocol and data of a model that challenges it."""
    run = model.parent
    out = run / f"rescored-{reigning.number}-{read_record(model).scores[:16]}"
    if not out.is_dir():
        Workers(say, leases=settings.leases).run(
            reigning.entry, run, "--rescore", str(pulled(reigning, settings)), str(out)
        )
    return out / "units.parquet"


def _label(family: Family, recipe: str, values: Recipe, variant: str, name: str) -> str:
    """What a recipe is called on boards: another seed is the same recipe, another number is not."""
    if values == family.recipe(recipe, variant=variant, seed=values.seed):
        if name:
            raise ValueError(f"--name {name}: only a recipe with changed numbers (--set) is named; this is {recipe!r}.")
        return recipe
    if name in family.recipes:
        raise ValueError(f"--name {name}: {family.name} has a recipe of that name, which has other numbers.")
    return name or changed_name(recipe)


def _expect_own_name(model: Path) -> None:
    """That a model whose numbers are not its recipe's does not bear the recipe's name."""
    identity = read_identity(model)
    family = named(identity.family)
    if identity.recipe_name not in family.recipes:
        return
    values = family.recipe_type().model_validate(identity.recipe)
    label = _label(family, identity.recipe_name, values, identity.variant, "")
    if label != identity.recipe_name:
        raise ValueError(
            f"{model}: is called {identity.recipe_name!r} by an older nightzoo, or of before that recipe was changed, "
            f"but has other numbers: it would stand on boards under a false name. Remove it; the same command scores "
            f"and names it again, as {label!r}."
        )


def _champion(entry: Entry, recipe: str, settings: Settings, say: Say) -> Path:
    """An upstream entry's champion as a folder; where there is none, one is trained now."""
    champion = read(settings, entry).champion(entry)
    if champion is not None:
        return pulled(champion, settings)
    made_by = _recipe_of(entry, preferred=(recipe, "mini"))
    return train_one(entry.family, made_by, {}, variant=entry.variant, settings=settings, say=say)


def _recipe_of(entry: Entry, *, preferred: tuple[str, ...]) -> str:
    """The name of the recipe that makes an entry: one of the preferred ones if they do, else the first that does.

    Raises:
        ValueError: none does.
    """
    family = named(entry.family)
    names = [
        name
        for name in family.recipes
        if family.entry(family.recipe(name, variant=entry.variant), variant=entry.variant) == entry
    ]
    if not names:
        raise ValueError(
            f"{entry} has no champion, and no recipe of {family.name} makes it: it has to be trained first."
        )
    return next((name for name in preferred if name in names), names[0])


def _job(entry: Entry, recipe_name: str, recipe: Recipe, upstream: Mapping[str, Path], settings: Settings) -> Job:
    manifest = Manifest(settings)
    described = RecipeDescription(
        training=recipe.numbers(scoring=False),
        scoring=recipe.numbers(scoring=True),
        needs=recipe.needs,
        scoring_needs=recipe.scoring_needs,
    )
    made = ingredients(
        entry.family,
        described,
        data={name: manifest.digest(name) for name in (recipe.dataset, recipe.scored)},
        upstream={needed: read_record(folder).trains for needed, folder in upstream.items()},
        sources=Sources(settings.home / "memo" / "source.json"),
    )
    return Job(
        entry=entry,
        recipe_name=recipe_name,
        ingredients=made,
        datasets=settings.datasets,
        upstream=dict(upstream),
        cache=settings.cache,
    )


def _job_of(model: Path, settings: Settings, say: Say) -> Job:
    """What scores the model in a sealed folder under today's protocol, data and code."""
    identity, record = read_identity(model), read_record(model)
    kind = named(identity.family).recipe_type()
    values = kind.model_validate(kind.upgraded(identity.recipe))
    warn = _warning(say)
    upstream = {entry: whole_model(entry, trains, settings, warn=warn) for entry, trains in record.upstream.items()}
    return _job(Entry(record.entry), identity.recipe_name, values, upstream, settings)


def _warning(say: Say) -> Callable[[str], None]:
    """Says a text as a warning that is of no entry."""
    return lambda text: say("", Event(kind="warning", text=text))


def _verify(job: Job, settings: Settings) -> None:
    """Every byte that the job will read."""
    manifest = Manifest(settings)
    for name in job.ingredients.data:
        verify(name, manifest)

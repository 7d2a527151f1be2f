"""Bringing a sealed model into MLflow so that it is there once, whole and checked, or not there at all.

Everything is found again by what it is (the identity of its numbers, the manifest's hash) before it is made, so a
registration that was killed anywhere is finished by doing it again. The order is what makes that safe: run and
logged model, bytes, bytes re-hashed where they arrived, the version, and last the tag `ready` that makes it visible.
A run stays RUNNING until then, which is how `registry.sweeping` knows what was left behind.

In MLflow's own pages: an experiment per protocol, whose Models table is the leaderboard (metrics tied to the data's
name and digest), a run per training with its curves and pictures, a registered model per entry.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.request import url2pathname

from registry.client import connect, pages, plain_errors
from registry.glance import READY, Version, read, recipe_label
from registry.pages import began, experiment_name, metric_name, model_tags, rounded, run_name, version_note
from registry.settings import Settings
from zoo.artifact import MANIFEST, Identity, Record, read_identity, read_record, verify
from zoo.durable import sync_folder
from zoo.entry import Entry
from zoo.scoring import protocols
from zoo.scoring.metrics import Scoring

if TYPE_CHECKING:
    from mlflow import MlflowClient

BEGAN = "registering since"  # tag of a run, in milliseconds: a run's own start is its training's
POINTS = 1000  # metrics that MLflow takes in one batch
DIGEST_LENGTH = 36  # the longest data digest that MLflow stores


def register(folder: Path, settings: Settings) -> Version:
    """Register a sealed model folder; if its `scores` are registered already, that version is the answer.

    Raises:
        ValueError: the folder differs from its manifest, arrived damaged, or holds a metric that cannot be one.
        ConnectionError: the tracking server does not answer.
    """
    sealed = _Sealed.of(folder)
    entry, scores = sealed.record.entry, sealed.record.scores
    client = connect(settings)
    held = read(settings, entry)
    version = held.proof(entry, scores)
    if version is None:
        unready = [version for version in held.unready if version.scores == scores]
        with plain_errors():
            run_id = _run(client, _experiment(client, sealed.record.protocol, settings), sealed)
            model_id = _logged_model(client, run_id, sealed)
            _upload(client, model_id, sealed, settings)
            number = _version(client, run_id, model_id, sealed, unready)
            client.set_model_version_tag(entry, number, READY, "true")
        version = read(settings, entry).numbered(entry, int(number))
    with plain_errors():
        finish(client, version)
    return version


def fetch(version: Version, settings: Settings, destination: Path, *, part: str = "") -> Path:
    """Bring a version's files here, or one of them, unchecked: below `destination`, or where the embedded store has
    them."""
    return brought(f"{version.source}/{part}" if part else version.source, settings, destination)


def attach(version: Version, name: str, files: Iterable[Path], settings: Settings) -> None:
    """Store files with a version's run, in a folder of this name; doing it again changes nothing."""
    client = connect(settings)
    with plain_errors():
        for file in files:
            client.log_artifact(version.run_id, str(file), name)


def attached(version: Version, name: str, settings: Settings, destination: Path) -> Path | None:
    """What `attach` stored, unchecked: a folder below `destination`, or where the embedded store has it."""
    client = connect(settings)
    with plain_errors():
        if not client.list_artifacts(version.run_id, name):
            return None
        location = client.get_run(version.run_id).info.artifact_uri
    return brought(f"{location}/{name}", settings, destination)


def sealed_tags(folder: Path) -> dict[str, str]:
    """What the tags of a version with these sealed files say.

    Raises:
        ValueError: the folder differs from its manifest, or its protocol is none of today's.
    """
    return _Sealed.of(folder).tags


@dataclass(frozen=True, kw_only=True)
class _Sealed:
    """A sealed model folder, verified, and what it says of itself."""

    folder: Path
    manifest: str  # SHA-256 of it
    record: Record
    identity: Identity
    scoring: Scoring

    @staticmethod
    def of(folder: Path) -> "_Sealed":
        manifest, record = verify(folder), read_record(folder)
        scoring = protocols.scoring(record.protocol)
        _check(record, scoring)
        return _Sealed(folder=folder, manifest=manifest, record=record, identity=read_identity(folder), scoring=scoring)

    @property
    def identities(self) -> dict[str, str]:
        """What a run, a logged model and a version are found again by."""
        return {"trains": self.record.trains, "scores": self.record.scores}

    @property
    def shown(self) -> dict[str, str]:
        """What MLflow's table of runs shows of it."""
        return model_tags(self.record, self.scoring.metrics[0], self.label)

    @property
    def label(self) -> str:
        return recipe_label(self.identity.recipe_name, self.identity.recipe)

    @property
    def note(self) -> str:
        """What MLflow's page of the version says of it."""
        card = self.folder / "card.md"
        text = card.read_text(encoding="utf-8") if card.is_file() else ""
        return version_note(self.record, self.scoring.metrics[0], self.label, text)

    @property
    def tags(self) -> dict[str, str]:
        """What can be asked of a version without opening its artifact (`registry.glance.Version`)."""
        record = self.record
        return self.identities | {
            "weights": record.weights,
            "manifest": self.manifest,
            "protocol": record.protocol,
            "data_digest": record.scored_digest,
            "metrics": json.dumps(record.score.metrics),
            "floor": record.floor.model_dump_json(),
            "ranked_by": json.dumps(asdict(self.scoring.metrics[0])),
            "recipe": json.dumps(self.identity.recipe),
            "recipe_name": self.identity.recipe_name,
            "record": record.model_dump_json(),
        }


def _check(record: Record, scoring: Scoring) -> None:
    """Nothing but finite, possible values of all the protocol's metrics gets in: MLflow ranks inf best and NaN as 0."""
    for score in (record.score, record.floor):
        names = {metric.name for metric in scoring.metrics}
        if set(score.metrics) != names:
            raise ValueError(
                f"{record.entry}, {score.name}: expected the metrics of {record.protocol}, {sorted(names)}, "
                f"got {sorted(score.metrics)}. Evaluate it again."
            )
        for metric in scoring.metrics:
            metric.check(score.metrics[metric.name])


def _experiment(client: "MlflowClient", protocol: str, settings: Settings) -> str:
    """The experiment of a protocol, made if this is the protocol's first model."""
    name = experiment_name(protocol)
    found = client.get_experiment_by_name(name) or client.get_experiment_by_name(
        protocol
    )  # as older nightzoos named it
    if found:
        return str(found.experiment_id)
    location = (settings.home / "artifacts").as_uri() if settings.embedded else None
    return str(client.create_experiment(name, artifact_location=location))


def _run(client: "MlflowClient", experiment: str, sealed: _Sealed) -> str:
    """The run of a model, with its recipe, data, curves and pictures."""
    folder, record, identity = sealed.folder, sealed.record, sealed.identity
    same = f"tags.scores = '{record.scores}'"
    run = next(pages(client.search_runs, [experiment], same), None) or client.create_run(
        experiment,
        start_time=began(folder, record),
        run_name=run_name(record.entry, identity.recipe_name, identity.recipe.get("seed", 0)),
        tags=sealed.identities | sealed.shown | {"entry": record.entry, BEGAN: str(now())},
    )
    run_id: str = run.info.run_id
    from mlflow.entities import Dataset, DatasetInput, Metric, Param

    params = {"family": identity.family, "recipe_name": identity.recipe_name, **identity.recipe}
    client.log_batch(run_id, params=[Param(key, str(value)) for key, value in params.items()])
    data = Dataset(record.scored, _short(record.scored_digest), "local", json.dumps({"folder": record.scored}))
    client.log_inputs(run_id, [DatasetInput(data)])
    points = [
        Metric(metric_name(key), value, line["time"], line["step"])
        for line in map(json.loads, _lines(folder / "curves.jsonl"))
        for key, value in line.items()
        if key not in ("step", "time")
    ]
    for start in range(0, len(points), POINTS):
        client.log_batch(run_id, metrics=points[start : start + POINTS])
    if (folder / "pictures").is_dir():
        client.log_artifacts(run_id, str(folder / "pictures"), "pictures")
    return run_id


def _logged_model(client: "MlflowClient", run_id: str, sealed: _Sealed) -> str:
    """The logged model with these bytes, its metrics tied to the data they were measured on."""
    from mlflow.entities import LoggedModelOutput, Metric

    record, manifest = sealed.record, sealed.manifest
    run = client.get_run(run_id)
    models = models_of(client, run.info.experiment_id, run_id)
    for stale in (m for m in models if m.tags.get("manifest") != manifest):  # another making of the same training
        client.delete_logged_model(stale.model_id)
    model = next((m for m in models if m.tags.get("manifest") == manifest), None) or client.create_logged_model(
        run.info.experiment_id,
        name=record.entry.replace(".", " "),  # MLflow allows no dot here
        source_run_id=run_id,
        tags=sealed.identities | {"manifest": manifest, "floor": record.floor.name},
        params={"family": sealed.identity.family, "parameters": str(record.parameters)},
        model_type=Entry(record.entry).family,
    )
    model_id: str = model.model_id
    outputs = run.outputs.model_outputs if run.outputs else []
    if model_id not in {output.model_id for output in outputs}:
        client.log_outputs(run_id, [LoggedModelOutput(model_id, record.steps)])
    written = (sealed.folder / MANIFEST).stat().st_mtime_ns // 1_000_000  # the same whenever this is done again
    tied = {"model_id": model_id, "dataset_name": record.scored, "dataset_digest": _short(record.scored_digest)}
    values = record.score.metrics | {f"floor {name}": value for name, value in record.floor.metrics.items()}
    client.log_batch(
        run_id,
        metrics=[
            Metric(metric_name(key), rounded(value), written, record.steps, **tied) for key, value in values.items()
        ],
    )
    return model_id


def _upload(client: "MlflowClient", model_id: str, sealed: _Sealed, settings: Settings) -> None:
    """Send the files, read back what arrived, and only then call the logged model READY."""
    client.log_model_artifacts(model_id, str(sealed.folder))
    with TemporaryDirectory() as scratch:
        arrived = brought(client.get_logged_model(model_id).artifact_location, settings, Path(scratch))
        verify(arrived, sealed.manifest)
        if settings.embedded:
            _sync(arrived)
    client.finalize_logged_model(model_id, "READY")


def _version(client: "MlflowClient", run_id: str, model_id: str, sealed: _Sealed, unready: Iterable[Version]) -> str:
    """The number of the registered model's version that holds this logged model, not yet READY."""
    from mlflow import MlflowException

    record = sealed.record
    for version in unready:
        if version.model_id == model_id:
            return str(version.number)
        client.delete_model_version(version.entry, str(version.number))
    try:
        client.create_registered_model(record.entry, description=f"{sealed.identity.family} scored on {record.scored}")
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    made = client.create_model_version(
        record.entry,
        # Not models:/<id>: MLflow would look that up in the registry of the process, not in this client's.
        client.get_logged_model(model_id).artifact_location,
        run_id,
        tags={"model_id": model_id} | sealed.tags,
        description=sealed.note,
        model_id=model_id,
        await_creation_for=0,
    )
    return str(made.version)


def finish(client: "MlflowClient", version: Version) -> None:
    """Link the logged model to its READY version and end its run, also where a kill left only that undone."""
    run = client.get_run(version.run_id)
    if run.info.status == "RUNNING":
        link = [{"name": version.entry, "version": version.number}]  # as MLflow's own register_model leaves it
        client.set_logged_model_tags(version.model_id, {"mlflow.modelVersions": json.dumps(link)})
        end(client, run, version)


def end(client: "MlflowClient", run: Any, version: Version) -> None:
    """End a run as long after its start as its training took."""
    client.set_terminated(version.run_id, end_time=run.info.start_time + round(version.record.seconds * 1000))


def now() -> int:
    """In milliseconds, as MLflow counts."""
    return int(datetime.now(UTC).timestamp() * 1000)


def brought(location: str, settings: Settings, destination: Path) -> Path:
    """The files at an artifact location; the embedded store's are read where they are."""
    if location.startswith("file:"):
        return Path(url2pathname(location.removeprefix("file://")))
    connect(settings)
    from mlflow.artifacts import download_artifacts

    with plain_errors():
        arrived = download_artifacts(
            artifact_uri=location, dst_path=str(destination), tracking_uri=settings.tracking_uri
        )
    return Path(arrived)


def _sync(folder: Path) -> None:
    """Make a folder's files durable before a row of the database speaks of them."""
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            sync_folder(path)
        else:
            with path.open("rb") as file:
                os.fsync(file.fileno())


def models_of(client: "MlflowClient", experiment: str, run_id: str) -> list[Any]:
    """The logged models of a run."""
    return list(pages(client.search_logged_models, [experiment], f"source_run_id = '{run_id}'"))


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def _short(digest: str) -> str:
    return digest[:DIGEST_LENGTH]

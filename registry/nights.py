"""What each night did, as a run of MLflow's experiment `nights`: beside the models, where their people look anyway."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from registry.client import connect, plain_errors
from registry.settings import Settings

EXPERIMENT = "nights"


def record_night(
    started: datetime,
    *,
    seconds: float,
    parameters: Mapping[str, object],
    counts: Mapping[str, int],
    note: str,
    files: Mapping[str, str],
    settings: Settings,
) -> None:
    """Store one night as a finished run.

    Args:
        parameters: what it was asked to do.
        counts: how many entries came to what.
        note: Markdown, shown on the run's page.
        files: texts by file name, stored as its artifacts.

    Raises:
        ConnectionError: the tracking server does not answer, or refuses.
    """
    client = connect(settings)
    from mlflow.entities import Metric, Param

    milliseconds = int(started.timestamp() * 1000)
    with plain_errors():
        experiment = client.get_experiment_by_name(EXPERIMENT)
        if experiment:
            experiment_id = experiment.experiment_id
        else:
            location = (settings.home / "artifacts").as_uri() if settings.embedded else None
            experiment_id = client.create_experiment(EXPERIMENT, artifact_location=location)
        run = client.create_run(
            experiment_id,
            start_time=milliseconds,
            run_name=f"{started:%Y-%m-%dT%H%M%S}",
            tags={"mlflow.note.content": note},
        )
        values = {**counts, "seconds": seconds}
        client.log_batch(
            run.info.run_id,
            metrics=[Metric(key, value, milliseconds, 0) for key, value in values.items()],
            params=[Param(key, str(value)) for key, value in parameters.items()],
        )
        for name, text in files.items():
            client.log_text(run.info.run_id, text, name)
        ended = started + timedelta(seconds=seconds)
        client.set_terminated(run.info.run_id, end_time=int(ended.timestamp() * 1000))

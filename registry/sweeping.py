"""What killed registrations left behind, and nobody came back to finish.

A run that is still RUNNING is the sign: `registry.store` ends it last.
"""

import sqlite3
from contextlib import closing
from datetime import timedelta

from registry import rest
from registry.client import connect, pages, plain_errors
from registry.embedded import database
from registry.glance import read
from registry.settings import Settings
from registry.store import BEGAN, end, models_of, now

ABANDONED = timedelta(hours=1)  # no registration takes that long: one still unfinished was killed
OURS = "status = 'RUNNING' AND tags.entry != ''"  # whose runs a registration began


def unfinished(settings: Settings) -> bool:
    """Whether there is anything to sweep, told without importing MLflow: most nights there is not.

    Raises:
        ConnectionError: the tracking server does not answer.
    """
    if settings.tracking_uri.startswith(("http:", "https:")):
        return rest.has_run(settings.tracking_uri, OURS)
    if not settings.embedded:
        return True
    file = database(settings.tracking_uri)
    if not file.is_file():
        return False
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            found = connection.execute(
                "SELECT 1 FROM runs JOIN tags USING (run_uuid) WHERE runs.status = 'RUNNING' AND tags.key = 'entry' "
                "AND runs.lifecycle_stage = 'active' LIMIT 1"
            )
            return found.fetchone() is not None
        except sqlite3.OperationalError:  # locked, or a schema of another MLflow: its own client knows
            return True


def sweep(settings: Settings, *, older_than: timedelta = ABANDONED) -> tuple[str, ...]:
    """End the runs of READY versions, remove what else was begun so long ago; returns what was removed.

    Raises:
        ConnectionError: the tracking server does not answer.
    """
    client, held = connect(settings), read(settings)
    ready = {version.run_id: version for version in held.versions()}
    before = now() - older_than // timedelta(milliseconds=1)
    removed = []
    with plain_errors():
        for experiment in pages(client.search_experiments):
            for run in pages(client.search_runs, [experiment.experiment_id], OURS):
                if run.info.run_id in ready:  # killed between the last tag and the end of its run
                    end(client, run, ready[run.info.run_id])
                    continue
                if int(run.data.tags.get(BEGAN, run.info.start_time)) > before:
                    continue
                for version in (v for v in held.unready if v.run_id == run.info.run_id):
                    client.delete_model_version(version.entry, str(version.number))
                for model in models_of(client, experiment.experiment_id, run.info.run_id):
                    client.delete_logged_model(model.model_id)
                client.delete_run(run.info.run_id)
                removed.append(f"{run.data.tags['entry']} (unfinished run {run.info.run_id})")
    return tuple(removed)

"""MLflow's own client, for what changes the registry: imported late (it takes seconds), its failures in plain words."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from registry.rest import answers
from registry.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient


def connect(settings: Settings) -> "MlflowClient":
    """MLflow's client for these settings; imports MLflow (seconds) and makes the embedded database the first time.

    Raises:
        ConnectionError: the tracking server does not answer.
    """
    if settings.tracking_uri.startswith(("http:", "https:")):
        answers(settings.tracking_uri)  # at once, where MLflow's own client goes on asking for 246 s
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # a bar in a log is a hundred fragments
    settings.home.mkdir(parents=True, exist_ok=True)
    from mlflow import MlflowClient

    for talker in ("mlflow", "alembic"):
        logging.getLogger(talker).setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=settings.tracking_uri, registry_uri=settings.tracking_uri)


def pages(search: Any, *query: Any) -> Iterator[Any]:
    """All results of one of the client's searches, page after page."""
    token = None
    while True:
        page = search(*query, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


@contextmanager
def plain_errors() -> Iterator[None]:
    """MLflow's failures as what they are to the night: the registry cannot be reached just now."""
    from mlflow import MlflowException

    try:
        yield
    except MlflowException as error:
        raise ConnectionError(
            f"MLflow refused or broke off: {error.message.splitlines()[0]} The sealed folder stays as it is; "
            "registering it again finishes what was begun."
        ) from error

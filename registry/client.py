"""MLflow's own client, for what changes the registry: imported late (it takes seconds), its failures in plain words."""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from registry.embedded import database, prepare
from registry.rest import answers
from registry.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

KNOWN = re.compile(r"https?://.|sqlite:///.|(postgresql|mysql|mssql)(\+\w+)?://.|databricks")
LONGEST = 300  # characters of MLflow's own words
CAUSES = {
    "database is locked": "another process keeps the registry's database locked",
    "database or disk is full": "the disk of the registry's database is full: free some space",
    "No space left on device": "the disk of the registry is full: free some space",
}


def connect(settings: Settings) -> "MlflowClient":
    """MLflow's client for these settings; imports MLflow (seconds) and makes the embedded database the first time.

    Raises:
        ConnectionError: the tracking server does not answer.
        ValueError: no such kind of address, or a database that today's MLflow cannot use.
    """
    _check(settings.tracking_uri)
    if settings.tracking_uri.startswith(("http:", "https:")):
        answers(settings.tracking_uri)  # at once, where MLflow's own client goes on asking for 246 s
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # a bar in a log is a hundred fragments
    settings.home.mkdir(parents=True, exist_ok=True)
    from mlflow import MlflowClient

    for talker in ("mlflow", "alembic"):
        logging.getLogger(talker).setLevel(logging.WARNING)
    with plain_errors():
        if settings.embedded:
            prepare(database(settings.tracking_uri))
        return MlflowClient(tracking_uri=settings.tracking_uri, registry_uri=settings.tracking_uri)


def _check(uri: str) -> None:
    """Refuse an address that MLflow knows nothing about, in fewer words than it would."""
    if not KNOWN.match(uri):
        raise ValueError(
            f"MLFLOW_TRACKING_URI={_public(uri)}: expected the address of an MLflow server (http://..., https://...) "
            "or of a database (sqlite:///..., postgresql://...). Unset it to use the embedded one."
        )


def _public(uri: str) -> str:
    """An address without the password in it."""
    return re.sub(r"//[^/]*@", "//***@", uri)


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
    """MLflow's failures as what they are to the night: the registry cannot be reached just now.

    Raises:
        ValueError: what MLflow would need to reach it is not installed.
    """
    from mlflow import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except ConnectionError:
        raise
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise ConnectionError(
            f"MLflow refused or broke off: {_cause(error)}. The sealed folder stays as it is; "
            "registering it again finishes what was begun."
        ) from error
    except ImportError as error:
        raise ValueError(
            f"MLFLOW_TRACKING_URI: MLflow needs a driver for such a database that is not installed ({error}). Install "
            "it, or start an MLflow server on the database and name that (http://...)."
        ) from error


def _cause(error: Exception) -> str:
    """What went wrong, without SQL and its parameters, which take kilobytes."""
    said = " ".join(str(error).split("[SQL:")[0].split()).rstrip(".")
    known = next((plain for sign, plain in CAUSES.items() if sign in said), "")
    return known or (said if len(said) <= LONGEST else f"{said[:LONGEST]}...")

"""MLflow's public REST interface, asked without importing MLflow: it answers at once or says why not."""

import base64
import json
import os
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

EXPERIMENTS_AT_ONCE = "1000"
TIMEOUT = 10  # seconds for one answer of a server
SHOWN = 60  # characters of an answer that was not MLflow's


def pages(uri: str, endpoint: str, key: str, query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """All results of a search, page after page.

    Raises:
        ConnectionError: the server does not answer, or is none of MLflow's.
    """
    token = ""
    while True:
        page = _ask(f"{uri.rstrip('/')}/api/2.0/mlflow/{endpoint}?{urlencode({**query, 'page_token': token})}")
        yield from page.get(key, [])
        token = page.get("next_page_token", "")
        if not token:
            return


def has_run(uri: str, matching: str) -> bool:
    """Whether any run of any experiment matches one of MLflow's filters.

    Raises:
        ConnectionError: the server does not answer, or is none of MLflow's.
    """
    found = pages(uri, "experiments/search", "experiments", {"max_results": EXPERIMENTS_AT_ONCE})
    asked = {"experiment_ids": [one["experiment_id"] for one in found], "filter": matching, "max_results": 1}
    return bool(_ask(f"{uri.rstrip('/')}/api/2.0/mlflow/runs/search", asked).get("runs"))


def answers(uri: str) -> None:
    """Ask a server for a sign of life.

    Raises:
        ConnectionError: there is none; the message says what to do.
    """
    _ask(f"{uri.rstrip('/')}/api/2.0/mlflow/registered-models/search?max_results=1")


def _ask(url: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    headers = credentials() | ({"Content-Type": "application/json"} if body else {})
    data = json.dumps(body).encode() if body else None
    try:
        with urlopen(Request(url, data, headers), timeout=TIMEOUT) as answer:
            content = answer.read()
    except HTTPError as error:
        raise ConnectionError(
            f"{url}: expected MLflow's answer, got HTTP {error.code} {error.reason}. Check MLFLOW_TRACKING_URI and, "
            "if it asks who you are, MLFLOW_TRACKING_TOKEN or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
        ) from error
    except (OSError, HTTPException) as error:
        raise ConnectionError(
            f"{url}: the MLflow server does not answer ({error}). Start it, or unset MLFLOW_TRACKING_URI to use the "
            "embedded one; what was trained meanwhile is kept and delivered by the next night."
        ) from error
    return _understood(url, content)


def _understood(url: str, answer: bytes) -> dict[str, Any]:
    """The object in an answer; a login page or another service's front page holds none."""
    try:
        content = json.loads(answer)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        came = " ".join(answer.decode(errors="replace").split())
        raise ConnectionError(
            f"{url}: expected MLflow's JSON, got {came[:SHOWN]!r}. Something other than an MLflow server answers at "
            "this address (a login page, a proxy, another service): correct MLFLOW_TRACKING_URI, or unset it to use "
            "the embedded one."
        )
    return content


def credentials() -> dict[str, str]:
    """The header that MLflow's own client would send, from the same variables."""
    user, password = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
    if user and password:
        return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}

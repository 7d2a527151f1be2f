"""Prefect's REST interface, asked without importing Prefect: it answers at once or says why not."""

import base64
import json
import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

from flows.server import answers

POOL = "nightzoo"
"""The work pool that scheduled nights wait in, of type `process`."""

TIMEOUT = 10  # seconds for one answer


def ask(api: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """What Prefect's API answers: to a GET, or to a POST where there is a body.

    Raises:
        ConnectionError: it does not answer, or does not want to.
    """
    if body is None:
        return _sent(f"{api.rstrip('/')}/{path}", None, _headers())
    return _sent(f"{api.rstrip('/')}/{path}", json.dumps(body).encode(), _headers() | _csrf(api))


def _sent(url: str, content: bytes | None, headers: dict[str, str]) -> Any:
    try:
        with urlopen(Request(url, content, headers), timeout=TIMEOUT) as answer:
            return json.load(answer)
    except HTTPError as error:
        raise ConnectionError(
            f"{url}: expected Prefect's answer, got HTTP {error.code} {error.reason}. Check PREFECT_API_URL and, if it "
            "asks who you are, PREFECT_API_AUTH_STRING."
        ) from error
    except (OSError, ValueError) as error:
        raise ConnectionError(f"{url}: Prefect does not answer ({error}). `zoo up` starts a server here.") from error


def make_pool(api: str) -> None:
    """Have the work pool of the nights."""
    there = {pool["name"] for pool in ask(api, "work_pools/filter", {})}
    if POOL not in there:
        ask(api, "work_pools/", {"name": POOL, "type": "process", "description": "Nights of nightzoo."})


def worker_is_up(api: str, name: str, since: datetime) -> bool:
    """Whether a worker of the pool has been heard of since then."""
    if not answers(api):
        return False
    for worker in ask(api, f"work_pools/{POOL}/workers/filter", {}):
        if worker["name"] == name and datetime.fromisoformat(worker["last_heartbeat_time"]) >= since:
            return True
    return False


def _csrf(api: str) -> dict[str, str]:
    """The token that a server with CSRF protection wants to see again in every POST; nothing for one without."""
    client = str(uuid4())
    try:
        with urlopen(
            Request(f"{api.rstrip('/')}/csrf-token?client={client}", None, _headers()), timeout=TIMEOUT
        ) as answer:
            return {"Prefect-Csrf-Client": client, "Prefect-Csrf-Token": json.load(answer)["token"]}
    except (OSError, ValueError, KeyError):  # what is really wrong, the POST will say
        return {}


def _headers() -> dict[str, str]:
    """What Prefect's own client would send, from the same variables."""
    headers = {"Content-Type": "application/json"}
    if secret := os.environ.get("PREFECT_API_AUTH_STRING"):
        headers["Authorization"] = "Basic " + base64.b64encode(secret.encode()).decode()
    elif key := os.environ.get("PREFECT_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    return headers

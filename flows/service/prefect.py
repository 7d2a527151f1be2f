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

POOL = "nightzoo"
"""The work pool that scheduled nights wait in, of type `process`."""

TIMEOUT = 30  # seconds for one answer of a server that has just started beside a night


def ask(api: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """What Prefect's API answers: to a GET, or to a POST where there is a body.

    Raises:
        ConnectionError: it does not answer, or does not want to.
    """
    url = f"{api.rstrip('/')}/{path}"
    try:
        if body is None:
            return _sent(url, None, _headers())
        return _sent(url, json.dumps(body).encode(), _headers() | _csrf(api))
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
    try:
        workers = ask(api, f"work_pools/{POOL}/workers/filter", {})
    except ConnectionError:
        return False
    heard = (datetime.fromisoformat(worker["last_heartbeat_time"]) for worker in workers if worker["name"] == name)
    return any(last >= since for last in heard)


def _csrf(api: str) -> dict[str, str]:
    """The token that a server with CSRF protection wants to see again in every POST; nothing for one without."""
    client = str(uuid4())
    try:
        token = _sent(f"{api.rstrip('/')}/csrf-token?client={client}", None, _headers())["token"]
    except HTTPError:  # it has none to give; had it something against us, the POST will say so
        return {}
    return {"Prefect-Csrf-Client": client, "Prefect-Csrf-Token": token}


def _sent(url: str, content: bytes | None, headers: Mapping[str, str]) -> Any:
    with urlopen(Request(url, content, dict(headers)), timeout=TIMEOUT) as answer:
        return json.load(answer)


def _headers() -> dict[str, str]:
    """What Prefect's own client would send, from the same variables."""
    headers = {"Content-Type": "application/json"}
    if secret := os.environ.get("PREFECT_API_AUTH_STRING"):
        headers["Authorization"] = "Basic " + base64.b64encode(secret.encode()).decode()
    elif key := os.environ.get("PREFECT_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    return headers

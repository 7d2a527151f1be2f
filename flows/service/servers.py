"""The programs of one machine: MLflow's pages, Prefect's server, and a worker that runs the nights it schedules.

All of them listen on loopback and answer only to its names. MLflow's server is a window on the database and the folder
that nights write themselves, so no night needs it to be up.
"""

import os
import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime

from flows.locks import held
from flows.server import answers, lasting
from flows.service.prefect import POOL, make_pool, worker_is_up
from flows.service.processes import (
    LOOPBACK,
    STARTUP_SECONDS,
    Server,
    Started,
    end,
    free_port,
    port_before,
    start,
    wait_for,
)
from registry import rest
from registry.client import connect, plain_errors
from registry.service import Program, recorded, running
from registry.settings import Settings

MLFLOW, PREFECT, WORKER = "mlflow", "prefect", "worker"
NAMES = (MLFLOW, PREFECT, WORKER)
QUIET = {
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}
"""Nothing is told to anybody about what is done here."""


def up(settings: Settings, *, say: Callable[[str], None]) -> dict[str, Program]:
    """Start what is not up yet and wait until all of it works; what was named in the environment is not started.

    Raises:
        ChildProcessError: one of them died while it started, or took too long. What was started with it has been ended.
        AtWork: another `zoo up` of this person does not come to its end.
    """
    # One at a time for a person: two would find the same port free, and one of them talk to the other's server.
    with held((settings.shared_cache or settings.home) / "up.lock", what="zoo up", patience=STARTUP_SECONDS):
        return _up(settings, say)


def _up(settings: Settings, say: Callable[[str], None]) -> dict[str, Program]:
    home = settings.home
    home.mkdir(parents=True, exist_ok=True)
    there = running(home)
    for program in there.values():
        say(f"{program.name} runs already, since {program.since.astimezone():%Y-%m-%d %H:%M}.")
    started: list[Started] = []
    try:
        for name, server in ((PREFECT, _prefect), (MLFLOW, _mlflow)):
            if name in expected(settings) and name not in there:
                started.append(start(server(settings), home))
        wait_for(started)
        if WORKER not in there:
            api = prefect_api_url(settings)
            make_pool(api)
            started.append(start(_worker(settings, api), home))
            wait_for(started[-1:])
    except BaseException:
        for one in reversed(started):
            end(recorded(home)[one.server.name], home)
        raise
    return running(home)


def down(settings: Settings) -> tuple[str, ...]:
    """End all that `zoo up` started, the worker first; the names of those that had been up."""
    programs = recorded(settings.home)
    return tuple(name for name in reversed(NAMES) if name in programs and end(programs[name], settings.home))


def expected(settings: Settings) -> tuple[str, ...]:
    """What `zoo up` starts here: all but the servers that the environment names."""
    named = {MLFLOW: settings.tracking_uri.startswith(("http:", "https:")), PREFECT: "PREFECT_API_URL" in os.environ}
    return tuple(name for name in NAMES if not named.get(name))


def prefect_api_url(settings: Settings) -> str:
    """Of the server that PREFECT_API_URL names, else of the one that is up here.

    Raises:
        ConnectionError: neither is there.
    """
    url = lasting(settings.home)
    if not url:
        raise ConnectionError("no Prefect server: `zoo up` starts one here; PREFECT_API_URL names another one.")
    return url


def _mlflow(settings: Settings) -> Server:
    """MLflow's pages on the registry of this zoo, whose tables are there before a server looks for them."""
    with plain_errors():
        connect(settings).search_experiments(max_results=1)
    port = free_port(port_before(settings.home, MLFLOW, 5000))
    url = f"http://{LOOPBACK}:{port}"
    options = {
        "--backend-store-uri": settings.tracking_uri,
        "--default-artifact-root": (settings.home / "artifacts").as_uri(),
        "--host": LOOPBACK,
        "--port": str(port),
        "--allowed-hosts": f"localhost:*,{LOOPBACK}:*",  # any port: that of a tunnel is another one
        "--workers": "1",
        "--uvicorn-opts": "--log-level warning",
    }
    words = [word for option in options.items() for word in option]
    environment = os.environ | QUIET | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    return Server(
        name=MLFLOW,
        command=(sys.executable, "-P", "-m", "mlflow", "server", *words, "--no-serve-artifacts"),
        environment=environment,
        url=url,
        ready=lambda: _mlflow_answers(url),
    )


def _prefect(settings: Settings) -> Server:
    """Prefect's server and pages, on the database that nights without a server write."""
    port = free_port(port_before(settings.home, PREFECT, 4200))
    api = f"http://{LOOPBACK}:{port}/api"
    # Any page in a browser could otherwise have this server start what it likes: by default it listens to all of them.
    safe = {
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://{LOOPBACK}:{port},http://localhost:{port}",
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_UI_API_URL": "/api",  # whatever port a tunnel gives it
    }
    return Server(
        name=PREFECT,
        command=(sys.executable, "-P", "-m", "prefect", "server", "start", "--host", LOOPBACK, "--port", str(port)),
        environment=os.environ | QUIET | safe | {"PREFECT_HOME": str(settings.home / "prefect")},
        url=api,
        ready=lambda: answers(api),
    )


def _worker(settings: Settings, api: str) -> Server:
    """A worker of the nights' pool; what it runs works on this zoo."""
    name, since = f"{socket.gethostname()} {settings.project.name}", datetime.now(UTC)
    environment = {
        "PREFECT_API_URL": api,
        "PREFECT_HOME": str(settings.home / "prefect"),
        "ZOO_HOME": str(settings.home),
        "ZOO_PROJECT": str(settings.project),
    }
    return Server(
        name=WORKER,
        command=(
            *(sys.executable, "-P", "-m", "prefect", "worker", "start"),
            *("--pool", POOL, "--type", "process", "--name", name),
        ),
        environment=os.environ | QUIET | environment,
        url="",
        ready=lambda: worker_is_up(api, name, since),
    )


def _mlflow_answers(url: str) -> bool:
    try:
        rest.answers(url)
        return True
    except ConnectionError:
        return False

"""`zoo up`, `zoo status` and `zoo down` as an operator runs them, with the real MLflow and Prefect."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from flows.server import prefect_api
from flows.service.prefect import ask
from registry.service import running

pytestmark = [pytest.mark.slow, pytest.mark.servers, pytest.mark.timeout(1200)]


class Zoo:
    """A project of its own and its commands."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.home = project / ".zoo"
        named = ("ZOO_HOME", "MLFLOW_TRACKING_URI", "PREFECT_API_URL", "PREFECT_HOME")
        kept = {name: value for name, value in os.environ.items() if name not in named}
        self.environment = kept | {"ZOO_PROJECT": str(project), "CUDA_VISIBLE_DEVICES": ""}

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from cli.app import main; main()", *words]
        return subprocess.run(command, env=self.environment, cwd=self.project, capture_output=True, text=True)

    def status(self) -> dict[str, Any]:
        seen: dict[str, Any] = json.loads(self("status", "--json").stdout)
        return seen

    def states(self) -> dict[str, str]:
        return {program["program"]: program["state"] for program in self.status()["programs"]}


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[Zoo]:
    """A project with an empty registry, whose servers are up."""
    zoo = Zoo(tmp_path_factory.mktemp("zoo"))
    zoo.home.mkdir()
    shutil.copy(migrated, zoo.home / "mlflow.db")
    assert zoo.states() == {"mlflow": "down", "prefect": "down", "worker": "down"}
    assert zoo("status").returncode == 1
    started = zoo("up")
    try:
        assert started.returncode == 0, started.stderr
        yield zoo
    finally:
        ended = zoo("down")
        assert ended.returncode == 0, ended.stderr


def address(zoo: Zoo, name: str) -> str:
    return running(zoo.home)[name].url


def code(url: str, *, content: bytes | None = None, **headers: str) -> int:
    """The HTTP status of an answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urlopen(Request(url, content, named), timeout=60) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


def test_all_of_it_is_up_and_a_second_up_starts_nothing(zoo: Zoo) -> None:
    assert zoo.states() == {"mlflow": "up", "prefect": "up", "worker": "up"}
    assert zoo("status").returncode == 0
    before = running(zoo.home)
    again = zoo("up")
    assert again.returncode == 0
    assert again.stderr.count("runs already, since") == 3
    assert f"{before['mlflow'].url}/#/experiments?workflowType=machine_learning" in again.stdout
    assert running(zoo.home) == before


def test_the_pages_are_there_for_this_machine_alone(zoo: Zoo) -> None:
    mlflow, prefect = address(zoo, "mlflow"), address(zoo, "prefect")
    search = f"{mlflow}/api/2.0/mlflow/registered-models/search"
    assert code(mlflow) == code(search) == code(search, Host="localhost:1234") == 200
    assert code(search, Host="evil.example:5000") == 403
    assert code(prefect.removesuffix("/api") + "/runs", Accept="text/html") == code(f"{prefect}/admin/version") == 200
    pools = {"content": b"{}", "Content_Type": "application/json"}
    assert code(f"{prefect}/work_pools/filter", **pools) == 403, "a page elsewhere could have started a flow"
    assert [pool["name"] for pool in ask(prefect, "work_pools/filter", {})] == ["nightzoo"]
    for url in (mlflow, prefect):
        port = int(url.removesuffix("/api").rsplit(":", 1)[1])
        with socket.socket() as elsewhere:
            elsewhere.bind(("127.0.0.2", port))  # free: nothing listens on more than 127.0.0.1


def test_a_night_uses_the_server_that_is_up(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("UNTOUCHED", "1")
    with prefect_api(zoo.home / "prefect", log=zoo.home / "server.log", say=pytest.fail):
        assert os.environ["PREFECT_API_URL"] == address(zoo, "prefect")
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    assert not (zoo.home / "server.log").exists(), "a temporary server was started"


def test_what_was_killed_is_told_and_comes_back_at_the_same_address(zoo: Zoo) -> None:
    before = running(zoo.home)
    os.killpg(before["mlflow"].pid, signal.SIGKILL)
    os.kill(before["worker"].pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while zoo.states() != {"mlflow": "gone", "prefect": "up", "worker": "gone"} and time.monotonic() < deadline:
        time.sleep(0.2)
    told = zoo("status")
    assert told.returncode == 1
    assert "mlflow died; the end of" in told.stderr
    again = zoo("up")
    assert again.returncode == 0, again.stderr
    after = running(zoo.home)
    assert (after["mlflow"].url, after["prefect"]) == (before["mlflow"].url, before["prefect"])
    assert after["worker"].pid != before["worker"].pid


def test_a_server_that_cannot_start_is_told_with_its_log_and_leaves_nothing(tmp_path: Path, migrated: Path) -> None:
    zoo = Zoo(tmp_path)
    zoo.home.mkdir()
    shutil.copy(migrated, zoo.home / "mlflow.db")
    zoo.environment["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = "sqlite+aiosqlite:////nowhere/at/all.db"
    failed = zoo("up")
    assert failed.returncode == 1
    assert failed.stderr.startswith("zoo: prefect ended with status ")
    assert f"the end of {zoo.home}/service/prefect.log:\n" in failed.stderr
    assert "unable to open database file" in failed.stderr
    assert zoo.states() == {"mlflow": "down", "prefect": "down", "worker": "down"}


def test_what_is_scheduled_is_asked_of_prefect(zoo: Zoo) -> None:
    api = address(zoo, "prefect")
    flow = ask(api, "flows/", {"name": "night"})["id"]
    times = [{"schedule": {"cron": "0 2 * * *", "timezone": "Europe/Berlin"}, "active": True}]
    made = {"name": "mini", "flow_id": flow, "work_pool_name": "nightzoo", "schedules": times}
    deployment = ask(api, "deployments/", made)["id"]
    paused = {**made, "name": "quick", "schedules": [{**times[0], "active": False}], "paused": True}
    ask(api, "deployments/", paused)
    waiting = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2999-01-01T01:00:00Z"}}
    ask(api, f"deployments/{deployment}/create_flow_run", {"state": waiting})
    told = {plan["name"]: plan for plan in zoo.status()["scheduled"]}
    assert told["mini"]["when"] == "0 2 * * * Europe/Berlin"
    assert told["mini"]["next"] is not None
    assert told["quick"] == {"name": "quick", "when": "0 2 * * * Europe/Berlin (paused)", "next": None}


def test_where_servers_are_named_only_a_worker_is_started(zoo: Zoo, tmp_path: Path) -> None:
    other = Zoo(tmp_path / "other")
    other.project.mkdir()
    other.environment |= {
        "MLFLOW_TRACKING_URI": address(zoo, "mlflow"),
        "PREFECT_API_URL": address(zoo, "prefect"),
    }
    started = other("up")
    try:
        assert started.returncode == 0, started.stderr
        assert other.states() == {"worker": "up"}
        assert list(running(other.home)) == ["worker"]
    finally:
        assert other("down").stderr.startswith("Ended: worker.")
    assert zoo.states()["worker"] == "up"

"""Nights that start by themselves: on the servers and the worker of `zoo up`, as Prefect shows them."""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flows.service.prefect import ask
from registry.glance import read
from registry.service import recorded
from tests.flows.conftest import CLASSIFIER, Place

pytestmark = [pytest.mark.slow, pytest.mark.servers, pytest.mark.timeout(1500)]

ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
MANY = {"limit": 200, "sort": "EXPECTED_START_TIME_ASC"}


class Zoo:
    """The command, in a project whose servers are up."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def __call__(self, *words: str) -> str:
        """What a command says; it must succeed."""
        ran = subprocess.run(
            [sys.executable, "-P", "-c", "from cli.app import main; main()", *words],
            cwd=self.place.project,
            env=self.place.environment,
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout + ran.stderr

    def ask(self, path: str, **body: Any) -> Any:
        return ask(recorded(self.place.settings.home)["prefect"].url, path, body)

    def runs(self, *states: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("flow_runs/filter", **MANY)
        return [run for run in found if run["state_type"] in states]


@pytest.fixture
def zoo(bare: Place) -> Iterator[Zoo]:
    zoo = Zoo(bare)
    try:
        zoo("up")
        yield zoo
    finally:
        zoo("down")


def until(true: Callable[[], Any], *, seconds: float = 600.0) -> Any:
    """Wait for something that comes by itself."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = true()
        if found:
            return found
        time.sleep(1)
    raise AssertionError(f"waited {seconds} s in vain")


def test_a_scheduled_night_runs_by_itself_and_says_what_it_did(zoo: Zoo) -> None:
    said = zoo("schedule", "* * * * *", "--lineup", "quick", "--only", CLASSIFIER, "--name", "often")
    assert "often is scheduled; its next night begins" in said
    until(lambda: zoo.runs("RUNNING", *ENDED))
    zoo("schedule", "pause", "often")  # on a busy machine each run would leave the night to the next one
    first = until(lambda: [run for run in zoo.runs(*ENDED) if run["state_name"] != "Skipped"])[0]
    assert (first["state_name"], first["state"]["message"]) == ("Completed", "1 promoted")
    assert first["parameters"] == {"lineup": "quick", "only": CLASSIFIER, "seed": None, "force": False}
    assert read(zoo.place.settings).champion(CLASSIFIER) is not None

    (artifact,) = zoo.ask("artifacts/filter", artifacts={"flow_run_id": {"any_": [first["id"]]}})
    assert f"| {CLASSIFIER} | trained | 1 |" in artifact["data"]
    logs = zoo.ask("logs/filter", logs={"flow_run_id": {"any_": [first["id"]]}}, limit=200, sort="TIMESTAMP_ASC")
    lines = [log["message"] for log in logs if log["name"] == "nightzoo"]
    assert lines[0] == "1 of 1 entries due: 1 to train"
    assert any(line.startswith(f"{CLASSIFIER}: training ") for line in lines)
    assert len(lines) < 20
    tasks = zoo.ask("task_runs/filter", flow_runs={"id": {"any_": [first["id"]]}})
    assert {task["name"] for task in tasks} == {"data digits", CLASSIFIER}

    until(lambda: not zoo.runs("RUNNING", "PENDING"))
    assert zoo.runs("SCHEDULED") == []  # paused
    assert json.loads(zoo("schedule", "ls", "--json"))[0]["active"] is False

    with (zoo.place.settings.home / "night.lock").open("r+") as lock:  # as a night that is still at work
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = len(zoo.runs(*ENDED))
        zoo("schedule", "run-now", "often")
        until(lambda: len(zoo.runs(*ENDED)) > before)
    second = zoo.runs(*ENDED)[-1]
    assert second["state_name"] == "Skipped"
    assert "a night is already at work here" in second["state"]["message"]

    zoo("schedule", "rm", "often")
    assert "Nothing is scheduled" in zoo("schedule", "ls")


def test_nights_that_were_missed_are_made_up_for_once(zoo: Zoo) -> None:
    worker = recorded(zoo.place.settings.home)["worker"]
    os.killpg(worker.pid, 9)
    zoo("schedule", "* * * * *", "--lineup", "quick", "--only", CLASSIFIER, "--name", "often")
    until(lambda: len(late(zoo)) >= 2)
    zoo("up")
    until(lambda: [run for run in zoo.runs(*ENDED) if run["state_name"] == "Completed"])
    zoo("schedule", "pause", "often")
    until(lambda: not zoo.runs("RUNNING", "PENDING"))
    ended = zoo.runs(*ENDED)
    assert ended[0]["state_name"] == "Skipped"
    assert ended[0]["state"]["message"].startswith("missed; ")
    assert [version.number for version in read(zoo.place.settings).versions(CLASSIFIER)] == [1]


def late(zoo: Zoo) -> list[dict[str, Any]]:
    return [run for run in zoo.runs("SCHEDULED") if run["state_name"] == "Late"]

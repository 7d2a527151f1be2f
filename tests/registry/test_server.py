"""The same registry behind an MLflow server: registered, looked at and pulled over HTTP."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry import glance, promotion, store
from registry.leaderboard import leaderboard
from registry.pull import pull
from registry.rest import answers as is_alive
from registry.settings import Settings
from zoo.artifact import verify

from .conftest import ENTRY, Making, answers

pytestmark = pytest.mark.slow
SECONDS_TO_START = 120


@pytest.fixture
def served(settings: Settings) -> Iterator[Settings]:
    """An MLflow server of its own on this machine, which keeps the artifacts itself."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "--backend-store-uri": settings.tracking_uri,
        "--artifacts-destination": str(settings.home / "kept"),
        "--host": "127.0.0.1",
        "--port": str(port),
        "--workers": "1",
    }
    command = [sys.executable, "-m", "mlflow", "server", *(word for option in options.items() for word in option)]
    with (settings.home / "server.log").open("wb") as log:
        quiet = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
        server = subprocess.Popen(command, stdout=log, stderr=log, env=quiet, cwd=settings.home, start_new_session=True)
    there = Settings(settings.project, settings.home / "elsewhere", f"http://127.0.0.1:{port}")
    try:
        _wait_for(there, server, settings.home / "server.log")
        yield there
    finally:
        os.killpg(server.pid, 9)
        server.wait()


def test_register_look_judge_and_pull_over_http(served: Settings, make_model: Making, tmp_path: Path) -> None:
    folder = make_model("good", right=0.7)
    version = store.register(folder, served)
    assert store.register(folder, served) == version
    assert version.source.startswith("mlflow-artifacts:")
    verdict = promotion.challenge(version, served)
    assert verdict is not None
    assert verdict.decision == "PROMOTE"
    second = store.register(make_model("second"), served)
    held = glance.read(served)
    assert held.versions() == glance.Snapshot(glance._from_client(served, None)).versions()
    assert held.champion(ENTRY).number == 1
    assert [row.version for row in leaderboard(held)[0].rows] == [2, 1]
    assert pull(f"{ENTRY}@champion", tmp_path / "pulled", served).number == 1
    assert verify(tmp_path / "pulled") == verify(folder)
    (kept,) = tmp_path.rglob(f"{second.model_id}/artifacts/weights.safetensors")
    kept.write_bytes(kept.read_bytes()[:-1] + b"\1")
    with pytest.raises(ValueError, match=r"changed: weights.safetensors"):
        pull(f"{ENTRY}/2", tmp_path / "again", served)


def test_rescored_units_are_kept_and_a_champion_abdicates_over_http(
    served: Settings, make_model: Making, tmp_path: Path
) -> None:
    promotion.challenge(store.register(make_model("old", right=0.6), served), served)
    new = store.register(make_model("new", right=0.9, data_digest="e" * 32), served)
    rescored = tmp_path / "rescored" / "units.parquet"
    rescored.parent.mkdir()
    answers(0.5, seed=9).write(rescored)
    verdict = promotion.challenge(new, served, rescored=rescored)
    rescored.unlink()
    judged = glance.read(served).numbered(ENTRY, 2)
    assert promotion.replay(judged, served) == (verdict, verdict)
    anew = store.register(make_model("anew", weights="new", protocol="digits-test/accuracy@1:anew"), served)
    assert promotion.challenge(anew, served).challenge == 0
    assert glance.read(served).champion(ENTRY).number == 3
    promotion.abdicate(anew, "gone", served)
    held = glance.read(served)
    assert (held.champion(ENTRY), held.numbered(ENTRY, 3).abdicated, held.unsettled()) == (None, "gone", ())


def _wait_for(settings: Settings, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(SECONDS_TO_START * 2):
        assert server.poll() is None, log.read_text()
        try:
            is_alive(settings.tracking_uri)
            return
        except ConnectionError:
            time.sleep(0.5)
    pytest.fail(f"no answer of the MLflow server in {SECONDS_TO_START} s: {log.read_text()}")

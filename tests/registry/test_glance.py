"""The quick look agrees with MLflow's own client, says only what is READY, and imports nothing heavy."""

import subprocess
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from registry import gate, glance, store
from registry.settings import Settings

from .conftest import ENTRY, Making

RFC_7617 = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="  # section 2's own example


def test_it_agrees_with_the_client(settings: Settings, make_model: Making) -> None:
    for name, entry in (("a", ENTRY), ("b", ENTRY), ("c", "other.digits")):
        gate.challenge(store.register(make_model(name, entry=entry), settings), settings)
    for entry in (None, ENTRY, "other.digits", "absent"):
        assert glance.all_versions(settings, entry) == tuple(
            sorted(glance._from_client(settings, entry), key=lambda v: (v.entry, v.number))
        )
    assert [str(v) for v in glance.ready_versions(settings)] == [f"{ENTRY}/1", f"{ENTRY}/2", "other.digits/1"]
    assert glance.champion(settings, ENTRY).number == 1
    assert glance.proof(settings, ENTRY, "b".ljust(64, "0")).number == 2
    assert glance.proof(settings, "other.digits", "b".ljust(64, "0")) is None


def test_no_database_no_versions(tmp_path: Path) -> None:
    assert glance.ready_versions(Settings(tmp_path, tmp_path, f"sqlite:///{tmp_path / 'mlflow.db'}")) == ()
    assert not (tmp_path / "mlflow.db").exists()


def test_a_schema_it_does_not_know_is_left_to_the_client(settings: Settings, make_model: Making) -> None:
    store.register(make_model(), settings)
    known = glance.all_versions(settings)
    empty = settings.home / "empty.db"
    empty.touch()
    assert glance.all_versions(replace(settings, tracking_uri=f"sqlite:///{empty}")) == ()
    assert glance.all_versions(settings) == known


def test_a_silent_server_is_said_so_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError, match="does not answer"):
        glance.ready_versions(Settings(tmp_path, tmp_path, "http://127.0.0.1:9"))


@pytest.mark.parametrize(
    ("variables", "header"),
    [
        ({"MLFLOW_TRACKING_TOKEN": "secret"}, "Bearer secret"),
        ({"MLFLOW_TRACKING_USERNAME": "Aladdin", "MLFLOW_TRACKING_PASSWORD": "open sesame"}, RFC_7617),
        ({}, None),
    ],
)
def test_it_shows_the_credentials_that_the_client_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], header: str | None
) -> None:
    for name in ("TOKEN", "USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    shown = []

    class Doorkeeper(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shown.append(self.headers["Authorization"])
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Doorkeeper) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        with pytest.raises(ConnectionError, match=r"HTTP 403 .*MLFLOW_TRACKING_TOKEN"):
            glance.ready_versions(Settings(tmp_path, tmp_path, f"http://127.0.0.1:{server.server_port}"))
    assert shown == [header]


def test_it_imports_neither_mlflow_nor_torch(settings: Settings, make_model: Making) -> None:
    version = store.register(make_model(), settings)
    look = (
        "import sys; from pathlib import Path; from registry.settings import Settings; import registry.gate\n"
        "from registry.glance import ready_versions; from registry.leaderboard import leaderboard\n"
        "from registry.pull import pull\n"
        f"s = Settings(Path('.'), Path('.'), {settings.tracking_uri!r})\n"
        f"print(len(ready_versions(s)), len(leaderboard(s)), pull({ENTRY + '@latest'!r}, Path('pulled'), s))\n"
        "print([m for m in ('mlflow', 'torch', 'prefect', 'typer') if m in sys.modules])\n"
    )
    answer = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True, cwd=settings.home)
    assert answer.stdout.splitlines() == [f"1 1 {version}", "[]"]

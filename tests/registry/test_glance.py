"""The quick look agrees with MLflow's own client, says only what is READY, reads once, and imports nothing heavy."""

import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from registry import glance, promotion, store
from registry.client import connect
from registry.glance import Snapshot, Version
from registry.settings import Settings

from .conftest import ENTRY, Making, identity_of, multiply

RFC_7617 = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="  # section 2's own example


def everything(held: Snapshot) -> list[Version]:
    return sorted((*held.versions(), *held.unready), key=lambda version: (version.entry, version.number))


def test_it_agrees_with_the_client(settings: Settings, make_model: Making) -> None:
    for name, entry in (("a", ENTRY), ("b", ENTRY), ("c", "other.digits")):
        promotion.challenge(store.register(make_model(name, entry=entry), settings), settings)
    connect(settings).delete_model_version_tag("other.digits", "1", glance.READY)
    for entry in (None, ENTRY, "other.digits", "absent"):
        known = Snapshot(glance._from_client(settings, entry))
        assert everything(glance.read(settings, entry)) == everything(known)
    assert [str(v) for v in everything(glance.read(settings))] == [f"{ENTRY}/1", f"{ENTRY}/2", "other.digits/1"]


def test_what_a_snapshot_is_asked(settings: Settings, make_model: Making) -> None:
    for name, trains in (("a", "one"), ("b", "two"), ("c", "one")):
        promotion.challenge(store.register(make_model(name, trains=trains), settings), settings)
    store.register(make_model("d", entry="other.digits"), settings)
    held = glance.read(settings)
    assert held.entries == (ENTRY, "other.digits")
    assert [version.number for version in held.versions(ENTRY)] == [1, 2, 3]
    assert held.versions("absent") == ()
    assert (held.champion(ENTRY), held.latest(ENTRY)) == (held.numbered(ENTRY, 1), held.numbered(ENTRY, 3))
    assert held.champion("other.digits") is held.latest("absent") is None
    assert held.proof(ENTRY, identity_of("b")) == held.numbered(ENTRY, 2)
    assert held.proof("other.digits", identity_of("b")) is None
    assert held.by_trains(ENTRY, "one") == held.numbered(ENTRY, 3)
    assert held.by_trains("other.digits", "one") is None
    assert [str(version) for version in held.unsettled()] == ["other.digits/1"]
    with pytest.raises(ValueError, match=rf"no version {ENTRY}/4 in the registry; it has: 1, 2, 3"):
        held.numbered(ENTRY, 4)


def test_an_older_version_has_one_fingerprint_for_both_identities(settings: Settings, make_model: Making) -> None:
    version = store.register(make_model(), settings)
    client = connect(settings)
    for tag in ("trains", "scores", "weights", "recipe_name"):
        client.delete_model_version_tag(ENTRY, "1", tag)
    client.set_model_version_tag(ENTRY, "1", "fingerprint", "f" * 64)
    record = json.loads(version.tags["record"])
    older = {key: value for key, value in record.items() if key not in ("trains", "scores", "weights")}
    client.set_model_version_tag(ENTRY, "1", "record", json.dumps(older | {"fingerprint": "f" * 64}))
    (old,) = glance.read(settings).versions()
    assert (old.trains, old.scores, old.weights, old.recipe_name) == ("f" * 64, "f" * 64, "", "")
    assert (old.record.trains, old.record.scores, old.record.weights) == ("f" * 64, "f" * 64, "")
    assert store.register(make_model("same", trains="f" * 64, scores="f" * 64), settings).number == 1


def test_a_command_reads_the_registry_once(
    settings: Settings, make_model: Making, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 60 entries and 6,000 versions: three statements, and no tag's JSON is parsed that was not asked for."""
    promotion.challenge(store.register(make_model(), settings), settings)
    multiply(settings, entries=60, versions=100)
    statements: list[str] = []
    connecting = sqlite3.connect

    def counted(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connecting(*arguments, **options)
        connection.set_trace_callback(statements.append)
        return connection

    monkeypatch.setattr(sqlite3, "connect", counted)
    began = time.process_time()
    held = glance.read(settings)
    for number, entry in enumerate(held.entries):
        proof = held.proof(entry, f"{number:032x}{100:032x}")
        assert proof is not None
        assert proof.settled
        assert held.champion(entry) is not None
        assert held.by_trains(entry, proof.trains) == proof
    took = time.process_time() - began
    assert (len(held.entries), len(held.versions())) == (60, 6000)
    assert len(statements) == 3
    parsed = [version for version in held.versions() if {"record", "verdict", "recipe"} & set(vars(version))]
    assert len(parsed) == 60
    assert took < 3  # 0.2 s on an idle core


def test_no_database_no_versions(tmp_path: Path) -> None:
    assert glance.read(Settings(tmp_path, tmp_path, f"sqlite:///{tmp_path / 'mlflow.db'}")).versions() == ()
    assert not (tmp_path / "mlflow.db").exists()


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 100)
    with pytest.raises(ValueError, match=r"mlflow.db: expected MLflow's database, got a damaged file"):
        glance.read(Settings(tmp_path, tmp_path, f"sqlite:///{tmp_path / 'mlflow.db'}"))


def test_a_schema_it_does_not_know_is_left_to_the_client(settings: Settings, make_model: Making) -> None:
    store.register(make_model(), settings)
    empty = settings.home / "empty.db"
    empty.touch()
    assert glance.read(replace(settings, tracking_uri=f"sqlite:///{empty}")).versions() == ()
    assert len(glance.read(settings).versions()) == 1


def test_a_silent_server_is_said_so_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError, match="does not answer"):
        glance.read(Settings(tmp_path, tmp_path, "http://127.0.0.1:9"))


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
    with answering(403) as (uri, asked), pytest.raises(ConnectionError, match=r"HTTP 403 .*MLFLOW_TRACKING_TOKEN"):
        glance.read(Settings(tmp_path, tmp_path, uri))
    assert [credentials for _, credentials in asked] == [header]


@pytest.mark.parametrize("page", [b"<!doctype html>\n<title>Sign in</title>", b"[]", b"\xff\xfe", b""])
def test_an_address_that_is_not_mlflows_is_said_so(tmp_path: Path, page: bytes) -> None:
    """A login page, another service, an empty answer: all entries would stop on a bare JSON error."""
    with answering(page) as (uri, _), pytest.raises(ConnectionError, match=r"MLflow's JSON, got .*MLFLOW_TRACKING_URI"):
        glance.read(Settings(tmp_path, tmp_path, uri))
    with answering(page) as (uri, _), pytest.raises(ConnectionError, match=r"MLflow's JSON"):
        connect(Settings(tmp_path, tmp_path, uri))


def test_a_server_is_asked_once_for_models_and_once_for_versions(tmp_path: Path) -> None:
    row = {"name": ENTRY, "creation_timestamp": "0", "tags": [{"key": "ready", "value": "true"}]}
    pages: list[dict[str, Any]] = [
        {"registered_models": [{"name": ENTRY, "aliases": [{"alias": "champion", "version": "10"}]}]},
        {"model_versions": [row | {"version": "10"}], "next_page_token": "more"},
        {"model_versions": [row | {"version": "9"}]},
    ]
    with answering(*(json.dumps(page).encode() for page in pages)) as (uri, asked):
        held = glance.read(Settings(tmp_path, tmp_path, f"{uri}/"))
    assert [(version.number, version.champion) for version in held.versions()] == [(9, False), (10, True)]
    paths = [urlsplit(path) for path, _ in asked]
    assert [Path(path.path).parent.name for path in paths] == ["registered-models", "model-versions", "model-versions"]
    assert parse_qs(paths[2].query)["page_token"] == ["more"]


@contextmanager
def answering(*answers: bytes | int) -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """A server that gives these answers (a body, or the number of an error), and what it was asked, by whom."""
    asked: list[tuple[str, str | None]] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers["Authorization"]))
            answer = answers[min(len(asked), len(answers)) - 1]
            if isinstance(answer, int):
                self.send_error(answer)
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def test_a_look_imports_no_numpy() -> None:
    rooms = "registry.leaderboard, registry.figures, registry.pull"
    look = f"import sys, {rooms}; print({{'numpy', 'pyarrow'}} & {{*sys.modules}})"
    answer = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert answer.stdout == "set()\n"


def test_it_imports_neither_mlflow_nor_torch(settings: Settings, make_model: Making) -> None:
    version = store.register(make_model(), settings)
    look = (
        "import sys; from pathlib import Path; from registry.settings import Settings; import registry.promotion\n"
        "from registry.glance import read; from registry.leaderboard import leaderboard\n"
        "from registry.pull import pull\n"
        f"s = Settings(Path('.'), Path('.'), {settings.tracking_uri!r})\n"
        f"print(len(read(s).versions()), len(leaderboard(read(s))), pull({ENTRY + '@latest'!r}, Path('pulled'), s))\n"
        "print([m for m in ('mlflow', 'torch', 'prefect', 'typer') if m in sys.modules])\n"
    )
    answer = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True, cwd=settings.home)
    assert answer.stdout.splitlines() == [f"1 1 {version}", "[]"]

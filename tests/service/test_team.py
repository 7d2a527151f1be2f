"""docker-compose.yml: what it refuses, and its programs started as it says, with a night against them and a pull."""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
import pytest

from flows.datasets.commands import make
from registry.settings import Settings
from tests.service.compose import ROOT, Machine, interpolated, loaded
from zoo.artifact import verify

VARIABLES = {
    "POSTGRES_PASSWORD": "p@ss/w%rd: é?#",
    "S3_ACCESS_KEY": "zoo",
    "S3_SECRET_KEY": "st@re/k%y of ours",
    "MLFLOW_PASSWORD": "ml@flow/k%y: ours",
    "MLFLOW_SECRET_KEY": "what signs a session",
    "PREFECT_PASSWORD": "pre@fect/k%y: ours",
    "ZOO_HOST": "zoo.example.org",
}
SECRETS = [name for name in VARIABLES if name not in ("S3_ACCESS_KEY", "ZOO_HOST")]
SECONDS = 400  # that a server gets to answer

NIGHT = """
import json
from flows.lineups import Slot
from flows.night import night
from registry.settings import settings

summary = night((Slot("k-nn", "smoke"),), settings=settings(), say=lambda entry, event: None)
print(json.dumps(summary.model_dump(mode="json")["outcomes"]))
"""


@pytest.mark.parametrize("name", SECRETS)
def test_an_empty_secret_is_refused_before_anything_starts(name: str) -> None:
    assert loaded(VARIABLES)
    with pytest.raises(ValueError, match=f"{name}: set it in .env"):
        loaded(VARIABLES | {name: ""})


def test_the_example_has_no_secret_to_forget_in_it() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    told = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    assert {name: told[name] for name in SECRETS} == dict.fromkeys(SECRETS, "")
    assert set(told) >= set(VARIABLES)


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("POSTGRES_PASSWORD", "short", "expected at least 12 characters, got 5"),
        ("MLFLOW_PASSWORD", "change-me-please", "looks like an example's"),
        ("PREFECT_PASSWORD", VARIABLES["S3_SECRET_KEY"], "got one that another name has too"),
    ],
)
def test_a_secret_that_is_none_stops_all_others(name: str, value: str, complaint: str, tmp_path: Path) -> None:
    assert Machine.of(VARIABLES, tmp_path).run("secrets").returncode == 0
    refused = Machine.of(VARIABLES | {name: value}, tmp_path).run("secrets")
    assert refused.returncode == 1
    assert f"{name}: " in refused.stdout
    assert complaint in refused.stdout
    assert value not in refused.stdout


def test_every_service_is_pinned_healthy_restarted_and_waits_for_the_secrets() -> None:
    services = loaded(VARIABLES)["services"]
    once = {"secrets", "bucket"}
    for name, service in services.items():
        image, _, tag = service["image"].partition(":")
        assert tag not in ("", "latest") or service["build"]["dockerfile"] == "deploy/Dockerfile", (
            f"{image} is not pinned"
        )
        assert service["restart"] == ("no" if name in once else "unless-stopped")
        assert name in once or "healthcheck" in service

    def waits_for(name: str) -> set[str]:
        before = set(services[name].get("depends_on", ()))
        return before.union(*map(waits_for, before))

    assert all("secrets" in waits_for(name) for name in services if name != "secrets")
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {"mlflow": ["127.0.0.1:5000:5000"], "prefect": ["127.0.0.1:4200:4200"]}
    assert services["worker"]["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]
    assert set(loaded(VARIABLES)["volumes"]) == {"postgres", "store", "zoo"}


def test_variables_are_understood_as_compose_does() -> None:
    text = "${A:-x}-${B:?gone}-${C:-}-$${D}"
    assert interpolated(text, {"A": "", "B": "b"}) == "x-b--${D}"
    assert interpolated(text, {"A": "a", "B": "b", "C": "c"}) == "a-b-c-${D}"
    with pytest.raises(ValueError, match="B: gone"):
        interpolated(text, {})


def _binary(name: str) -> str:
    """A program of PostgreSQL, which Debian keeps off the path."""
    kept = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    found = shutil.which(name) or (str(kept[0]) if kept else "")
    if not found:
        pytest.skip(f"no {name}: `apt-get install postgresql` to start the team's database")
    return found


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """All services of the file but the worker, on loopback, healthy by their own checks."""
    initdb, postgres, psql = map(_binary, ("initdb", "postgres", "psql"))
    machine = Machine.of(VARIABLES, tmp_path_factory.mktemp("team"))
    with ExitStack() as running:
        data = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="zoo-postgres-")))
        _start_postgres(machine, data, initdb=initdb, postgres=postgres, psql=psql, running=running)
        with (machine.folder / "store.log").open("wb") as log:
            words = ("-m", "moto.server", "-H", "127.0.0.1", "-p", str(machine.ports["store"]))
            store = subprocess.Popen([sys.executable, *words], stdout=log, stderr=log, start_new_session=True)
        running.callback(_end, store)
        _until(lambda: machine.run("bucket").returncode == 0, "the bucket")
        assert machine.run("bucket").returncode == 0, "made twice"
        servers = {name: machine.start(name) for name in ("mlflow", "prefect")}
        for server in servers.values():
            running.callback(_end, server)
        for name, server in servers.items():
            log_file = machine.folder / f"{name}.log"
            _until(lambda name=name: machine.run(name, machine.check(name)).returncode == 0, log_file, server)
        yield machine


def _start_postgres(machine: Machine, data: Path, *, initdb: str, postgres: str, psql: str, running: ExitStack) -> None:
    """PostgreSQL as its image makes it: the user and database of the environment, then the mounted script."""
    given = machine.environment("postgres")
    (data / "password").write_text(given["POSTGRES_PASSWORD"])
    user: str | None = None
    if os.geteuid() == 0:  # PostgreSQL refuses to be root
        user = "postgres"
        shutil.chown(data, user)
        shutil.chown(data / "password", user)
    options = ("-U", given["POSTGRES_USER"], "--pwfile", str(data / "password"), "--auth=scram-sha-256", "-E", "UTF8")
    subprocess.run([initdb, "-D", str(data / "data"), *options], user=user, check=True, capture_output=True)
    words = ("-p", str(machine.ports["postgres"]), "-c", "listen_addresses=127.0.0.1", "-k", str(data))
    with (machine.folder / "postgres.log").open("wb") as log:
        server = subprocess.Popen([postgres, "-D", str(data / "data"), *words], user=user, stdout=log, stderr=log)
    running.callback(_end, server)
    to = {"PGHOST": "127.0.0.1", "PGPORT": str(machine.ports["postgres"]), "PGUSER": given["POSTGRES_USER"]}
    environment = os.environ | to | {"PGPASSWORD": given["POSTGRES_PASSWORD"]}

    def sql(database: str, text: str) -> bool:
        asked = [psql, "-v", "ON_ERROR_STOP=1", "-d", database, "-c", text]
        return subprocess.run(asked, env=environment, capture_output=True).returncode == 0

    _until(lambda: sql("postgres", "SELECT 1"), machine.folder / "postgres.log", server)
    assert sql("postgres", f"CREATE DATABASE {given['POSTGRES_DB']}")
    for line in machine.compose["configs"]["databases"]["content"].splitlines():
        assert sql(given["POSTGRES_DB"], line), line


def _until(done: Any, what: Any, process: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + SECONDS
    while not done():
        said = what.read_text()[-3000:] if isinstance(what, Path) else what
        assert process is None or process.poll() is None, said
        assert time.monotonic() < deadline, said
        time.sleep(1)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _code(url: str, user: str = "", *, content: bytes | None = None, **headers: str) -> int:
    credentials = {"Authorization": "Basic " + base64.b64encode(user.encode()).decode()} if user else {}
    try:
        with urlopen(Request(url, content, credentials | headers), timeout=60) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


@pytest.mark.slow
@pytest.mark.servers
@pytest.mark.timeout(1800)
def test_mlflow_wants_to_know_who_asks_and_what_it_is_called(team: Machine) -> None:
    search = f"http://127.0.0.1:{team.ports['mlflow']}/api/2.0/mlflow/registered-models/search"
    admin = f"admin:{VARIABLES['MLFLOW_PASSWORD']}"
    assert _code(search, admin) == 200
    assert _code(search) == _code(search, "admin:password1234") == 401
    assert _code(search, admin, Host="zoo.example.org:5000") == _code(search, admin, Host="zoo.example.org") == 200
    assert _code(search, admin, Host="evil.example:5000") == 403
    experiments = search.replace("registered-models", "experiments")
    body = {"content": b'{"max_results": 1}', "Content-Type": "application/json"}
    assert _code(experiments, admin, **body, Host="zoo.example.org:5000", Origin="http://zoo.example.org:5000") == 200
    assert _code(experiments, admin, **body, Origin="http://evil.example") == 403


@pytest.mark.slow
@pytest.mark.servers
@pytest.mark.timeout(1800)
def test_prefect_wants_to_know_who_asks(team: Machine) -> None:
    version = f"http://127.0.0.1:{team.ports['prefect']}/api/admin/version"
    assert _code(version, f"zoo:{VARIABLES['PREFECT_PASSWORD']}") == 200
    assert _code(version) == _code(version, "zoo:wrong") == 401


@pytest.mark.slow
@pytest.mark.servers
@pytest.mark.timeout(1800)
def test_a_night_is_registered_there_and_pulled_from_another_folder(team: Machine, tmp_path: Path) -> None:
    environment = team.environment("worker") | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    project, home = Path(environment["ZOO_PROJECT"]), Path(environment["ZOO_HOME"])
    project.mkdir(parents=True)
    make(["digits"], Settings(project, home, ""))
    for _ in range(3):  # on a busy machine MLflow may be too slow for one: the next night goes on
        night = [sys.executable, "-P", "-c", NIGHT]
        told = subprocess.run(night, env=environment, cwd=project, capture_output=True, text=True)
        assert told.returncode == 0, told.stderr
        (outcome,) = json.loads(told.stdout.splitlines()[-1])
        if outcome["done"] != "undelivered":
            break
    assert (outcome["version"], outcome["verdict"]) == (1, "PROMOTE"), outcome
    assert not list(home.glob("nights/*/server.log")), "a temporary Prefect server was used"
    given = team.environment("bucket")
    store = boto3.client(
        "s3",
        endpoint_url=given["MLFLOW_S3_ENDPOINT_URL"],
        aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
        region_name=given["AWS_DEFAULT_REGION"],
    )
    keys = [item["Key"] for item in store.list_objects_v2(Bucket="mlflow")["Contents"]]
    assert any(key.endswith("weights.safetensors") for key in keys)

    users = f"{environment['MLFLOW_TRACKING_URI']}/api/2.0/mlflow/users/create"
    ana = {"username": "ana", "password": "reads, and no more"}
    new = {"content": json.dumps(ana).encode(), "Content-Type": "application/json"}
    assert _code(users, f"admin:{VARIABLES['MLFLOW_PASSWORD']}", **new) in (200, 201)
    reader = {"MLFLOW_TRACKING_USERNAME": ana["username"], "MLFLOW_TRACKING_PASSWORD": ana["password"]}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    other = environment | reader | {"ZOO_HOME": str(elsewhere / "home"), "ZOO_PROJECT": str(elsewhere)}
    pull = [sys.executable, "-P", "-c", "from cli.app import main; main()", "pull", "k-nn.digits@latest", "model"]
    pulled = subprocess.run(pull, env=other, cwd=elsewhere, capture_output=True, text=True)
    assert pulled.returncode == 0, pulled.stderr
    (made,) = home.glob("runs/k-nn.digits/*/model-*")
    assert verify(elsewhere / "model") == verify(made)
    alias = {
        "content": b'{"name": "k-nn.digits", "alias": "champion", "version": "1"}',
        "Content-Type": "application/json",
    }
    crown = f"{environment['MLFLOW_TRACKING_URI']}/api/2.0/mlflow/registered-models/alias"
    assert _code(crown, f"ana:{ana['password']}", **alias) == 403, "who may read has made a champion"
    stranger = other | {"MLFLOW_TRACKING_PASSWORD": "wrong"}
    refused = subprocess.run([*pull[:-1], "again"], env=stranger, cwd=elsewhere, capture_output=True, text=True)
    assert refused.returncode == 1
    assert "HTTP 401" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.servers
@pytest.mark.timeout(1800)
def test_a_worker_reaches_the_pool_and_no_log_holds_a_secret(team: Machine) -> None:
    Path(team.environment("worker")["ZOO_HOME"]).mkdir(parents=True, exist_ok=True)
    worker = team.start("worker")
    try:
        healthy = team.check("worker")
        _until(lambda: team.run("worker", healthy).returncode == 0, team.folder / "worker.log", worker)
        _until(lambda: "started" in (team.folder / "worker.log").read_text(), team.folder / "worker.log", worker)
    finally:
        _end(worker)
    logs = sorted(team.folder.glob("*.log"))
    assert {log.stem for log in logs} >= {"mlflow", "postgres", "prefect", "store", "worker"}
    for log in logs:
        told = log.read_text(errors="replace")
        assert not [name for name in SECRETS if VARIABLES[name] in told], log

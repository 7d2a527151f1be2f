"""What is done to nights: each fault disturbs one, says how often, and lets the next one recover."""

import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from flows.summary import Summary
from registry.rest import answers
from tests.faults.scene import ENTRIES, LINEUP, PATIENCE, Night, Scene, command_of

PHASES = ("", "training", "evaluating", "sealing", "done")
WITHIN = 10.0  # seconds, in which a signal ends a night
LONGEST = 3.0  # seconds, at most, between a phase's begin and the fault
LOCKED = 60.0  # seconds
DISK = 140  # MB of the disk that fills; a night needs 100 free to begin


class Skipped(Exception):
    """A fault that cannot be had on this machine; the message says why."""


Fault = Callable[[Scene, random.Random], None]


def kill_night(scene: Scene, chance: random.Random) -> None:
    """SIGKILL of the night's process, at a random moment of a random phase."""
    _struck(scene, chance, lambda night: night.signal(signal.SIGKILL))


def kill_trainer(scene: Scene, chance: random.Random) -> None:
    """SIGKILL of a process that trains or scores."""
    _struck(scene, chance, lambda _: _kill(scene, "flows.worker"))


def kill_prefect(scene: Scene, chance: random.Random) -> None:
    """SIGKILL of Prefect's server, the temporary one of the night."""
    shared, scene.place.prefect = scene.place.prefect, ""
    try:
        _struck(scene, chance, lambda _: _kill(scene, "flows.server"))
    finally:
        scene.place.prefect = shared


def interrupt(scene: Scene, chance: random.Random) -> None:
    """Ctrl-C."""
    _ended(scene, chance, signal.SIGINT)


def terminate(scene: Scene, chance: random.Random) -> None:
    """`kill`."""
    _ended(scene, chance, signal.SIGTERM)


def kill_first_night(scene: Scene, chance: random.Random) -> None:
    """SIGKILL while MLflow's database is first made."""
    home = scene.place.settings.home
    (home / "mlflow.db").unlink(missing_ok=True)
    shutil.rmtree(home / "artifacts", ignore_errors=True)
    scene.forget()
    night = scene.night()
    while not night.over and not list(home.glob(".mlflow.db.*.tmp/*")):
        time.sleep(0.005)
    time.sleep(chance.uniform(0, 1.5))
    night.signal(signal.SIGKILL)
    night.end()
    scene.recover()


def two_nights(scene: Scene, chance: random.Random) -> None:
    """A second night while the first one trains; which is told so, and ends."""
    first = scene.night()
    first.wait_for(": training")
    time.sleep(chance.uniform(0, LONGEST))
    second = scene.night(fresh=False)
    assert second.end() == 1 or first.over
    assert first.over or any("a night is already at work here" in line for line in second.said), second.said
    first.end()
    scene.recover()


def locked(scene: Scene, chance: random.Random) -> None:
    """MLflow's SQLite file is locked by another process for a minute, from somewhere in the training on."""
    night = scene.night()
    night.wait_for(": training", ": done")
    time.sleep(chance.uniform(0, LONGEST))
    with closing(sqlite3.connect(scene.place.settings.home / "mlflow.db", timeout=PATIENCE)) as other:
        other.execute("BEGIN EXCLUSIVE")
        time.sleep(LOCKED)
    night.end()
    assert "digit-classifier.digits" in night.printed
    scene.recover()


def hang_and_eat(scene: Scene, chance: random.Random) -> None:
    """One entry's step sleeps for ever, with a child that does; the other's takes all the memory there is."""
    classifier, linear = "zoo/recognition/digit_classifier.py", "zoo/recognition/linear.py"
    source, before = scene.place.project.parent / f"{scene.place.project.name}-source", scene.place.source
    sleeps = "__import__('subprocess').run(['sleep', '9999'])"
    step = "    def step(self, batch: Batch) -> Scalars:\n"
    scene.place.edit(
        source, classifier, f"{step}        scores = self", f"{step}        {sleeps}\n        scores = self"
    )
    eats = "self.eaten = getattr(self, 'eaten', []) + [bytearray(10**8)]"
    scene.place.edit(source, linear, f"{step}        scores", f"{step}        {eats}\n        scores")
    scene.place.changes |= {"ZOO_SILENCE_LIMIT": f"{chance.uniform(60, 70):.0f}s", "ZOO_MEMORY_LIMIT": "2GB"}
    night = scene.night()
    assert night.end() == 1
    said = "".join(night.said)
    assert "and was taken to hang" in said, said
    assert "more than its limit of 2.00 GB" in said, said
    for variable in ("ZOO_SILENCE_LIMIT", "ZOO_MEMORY_LIMIT"):
        del scene.place.changes[variable]
    scene.place.source = before
    shutil.rmtree(source)
    scene.recover()


def full_disk(scene: Scene, chance: random.Random) -> None:
    """The disk of the zoo's home fills up while training, evaluating or registering."""
    home = scene.place.settings.home
    with _small_disk(home):
        night = scene.night()
        night.wait_for(*(f": {phase}" for phase in chance.choice((("training", "done"), ("evaluating", "done")))))
        ballast = home / "ballast"
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(b"\0" * 65536):
                pass
        night.end()
        assert ENTRIES[0] in night.printed, night.said
        scene.look()
        begun = scene.night(fresh=False)  # on the disk that is still full
        begun.end()
        assert any("free" in line or "full" in line for line in (*night.said, *begun.said)), night.said
        ballast.unlink()
        scene.recover()


def mlflow_gone(scene: Scene, chance: random.Random) -> None:
    """MLflow's server refuses every connection from somewhere in the training on."""
    _served(scene, chance, "gone")


def mlflow_errs(scene: Scene, chance: random.Random) -> None:
    """MLflow's server answers 500."""
    _served(scene, chance, "errs")


def mlflow_slow(scene: Scene, chance: random.Random) -> None:
    """MLflow's server takes two seconds for every answer."""
    _served(scene, chance, "slow")


def mlflow_killed(scene: Scene, chance: random.Random) -> None:
    """SIGKILL of MLflow's server, most often while it registers."""
    _served(scene, chance, "killed")


FAULTS: dict[str, Fault] = {
    "SIGKILL of the night": kill_night,
    "SIGKILL of a trainer": kill_trainer,
    "Ctrl-C": interrupt,
    "SIGTERM": terminate,
    "killed making mlflow.db": kill_first_night,
    "hang, and memory eaten": hang_and_eat,
    "SIGKILL of Prefect": kill_prefect,
    "two nights at once": two_nights,
    "disk full": full_disk,
    "SIGKILL of MLflow": mlflow_killed,
    "MLflow gone": mlflow_gone,
    "MLflow answers 500": mlflow_errs,
    "MLflow slow": mlflow_slow,
    "SQLite locked 60 s": locked,
}
SHORT = ("SIGKILL of the night", "Ctrl-C", "killed making mlflow.db")


def _struck(scene: Scene, chance: random.Random, strike: Callable[[Night], None]) -> None:
    night = scene.night()
    _moment(night, chance)
    strike(night)
    night.end()
    scene.recover()


def _moment(night: Night, chance: random.Random) -> None:
    """A random moment of a random phase."""
    phase = chance.choice(PHASES)
    if phase:
        night.wait_for(f": {phase}")
    time.sleep(chance.uniform(0, LONGEST if phase else 3 * LONGEST))


def _kill(scene: Scene, module: str) -> None:
    for pid in [pid for pid in scene.processes() if module in command_of(pid)][:1]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _ended(scene: Scene, chance: random.Random, number: int) -> None:
    """A signal ends the night in time, with its exit status, its summary, and a word for each entry."""
    night = scene.night()
    _moment(night, chance)
    already = night.over
    sent = time.monotonic()
    night.signal(number)
    status = night.end()
    took = time.monotonic() - sent
    scene.look()
    if already or status == 0 or status == -number:  # it had ended, or not yet begun: Python itself was starting
        return scene.recover()
    assert status == 128 + number, (status, night.said)
    assert took < WITHIN, f"{took:.1f} s"
    told = [line for line in night.said if f"stopped by {signal.Signals(number).name}" in line]
    assert told, night.said
    newest = max(scene.place.settings.home.glob("nights/*/summary.json"), default=None)
    if any("the night ends now" in line for line in night.said):
        assert newest
        summary = Summary.model_validate_json(newest.read_bytes())
        assert summary.stopped == signal.Signals(number).name
        assert all(outcome.entry in night.printed for outcome in summary.outcomes), night.printed
    return scene.recover()


@contextmanager
def _small_disk(home: Path) -> Iterator[None]:
    """Put a folder on a disk of its own, of `DISK` MB more than it holds."""
    aside = home.with_name(".zoo-aside")
    home.rename(aside)
    home.mkdir()
    size = DISK * 2**20 + sum(path.stat().st_size for path in aside.rglob("*") if path.is_file())
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(home)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        home.rmdir()
        aside.rename(home)
        raise Skipped(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        shutil.copytree(aside, home, symlinks=True, dirs_exist_ok=True)
        yield
        shutil.rmtree(aside)
        shutil.copytree(home, aside, symlinks=True)
    finally:
        subprocess.run(["umount", "-l", str(home)], check=True)
        home.rmdir()
        aside.rename(home)


@dataclass
class Server:
    """An MLflow server, and a proxy before it that misbehaves when told to."""

    folder: Path
    port: int
    mode: str = ""
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start the server and wait for it."""
        options = {
            "--backend-store-uri": f"sqlite:///{self.folder / 'mlflow.db'}",
            "--artifacts-destination": str(self.folder / "kept"),
            "--host": "127.0.0.1",
            "--port": str(self.port),
            "--workers": "1",
        }
        command = [sys.executable, "-m", "mlflow", "server", *(word for option in options.items() for word in option)]
        with (self.folder / "server.log").open("ab") as log:
            quiet = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env=quiet, cwd=self.folder, start_new_session=True
            )
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with suppress(ConnectionError):
                return answers(f"http://127.0.0.1:{self.port}")
            time.sleep(0.5)
        raise TimeoutError((self.folder / "server.log").read_text())

    def kill(self) -> None:
        """Kill the server and its processes."""
        if self.process:
            with suppress(ProcessLookupError):  # it died by itself
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def handler(self) -> type[BaseHTTPRequestHandler]:
        """What answers at the proxy's address."""
        server = self

        class Proxy(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
                if server.mode == "gone":
                    return self.connection.close()
                if server.mode == "slow":
                    time.sleep(2)
                if server.mode == "errs":
                    return self.told(500, b"")
                headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
                url = f"http://127.0.0.1:{server.port}{self.path}"
                try:
                    with urlopen(Request(url, body, headers, method=self.command), timeout=60) as reply:
                        return self.told(reply.status, reply.read())
                except HTTPError as error:
                    return self.told(error.code, error.read())
                except (URLError, OSError):
                    return self.connection.close()

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

            def told(self, status: int, content: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """The harness tells what there is to tell."""

        return Proxy


@contextmanager
def serving(folder: Path) -> Iterator[tuple[Server, str]]:
    """An MLflow server behind its proxy, and the proxy's address."""
    folder.mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = Server(folder, free.getsockname()[1])
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), server.handler())
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        server.start()
        yield server, f"http://127.0.0.1:{proxy.server_port}"
    finally:
        proxy.shutdown()
        proxy.server_close()
        server.kill()


def _served(scene: Scene, chance: random.Random, mode: str) -> None:
    """A night whose MLflow server misbehaves; recovered from when it does not any more."""
    scene.forget()
    with serving(scene.place.project / "server") as (server, url):
        scene.place.changes["MLFLOW_TRACKING_URI"] = url
        try:
            night = scene.night()
            night.wait_for(*chance.choice(((": training",), (": sealing", ": done"))))
            time.sleep(chance.uniform(0, LONGEST))
            if mode == "killed":
                server.kill()
            server.mode = mode
            night.end()
            assert all(entry in night.printed for entry in ENTRIES[: len(LINEUP)]), night.said
            server.mode = ""
            if mode == "killed":
                server.start()
            scene.recover()
        finally:
            del scene.place.changes["MLFLOW_TRACKING_URI"]
            scene.forget()

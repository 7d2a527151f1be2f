"""What a verified pull costs beside MLflow's own download: 100 MB from a warm cache, whole processes.

    python tests/bench/pulling.py

It registers a model of 100 MB, starts an MLflow server, and lets `zoo pull` (from its cache, every byte hashed) and
`mlflow artifacts download` (which keeps nothing and checks nothing) bring the same files, turn by turn; elapsed and
processor seconds, medians.
"""

import hashlib
import os
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

SIZE = 100_000_000  # bytes
TURNS = 3

Command = Callable[[Path], list[str]]
"""The words that bring the model to a folder."""


def main() -> None:
    """Print the medians and their ratios."""
    with TemporaryDirectory() as scratch:
        home = Path(scratch)
        rivals: dict[str, Command] = {"zoo pull": _zoo, "mlflow artifacts download": _mlflow}
        server, uri = _served(home)
        try:
            source = _register(home, uri)
            environment = os.environ | {"MLFLOW_TRACKING_URI": uri, "ZOO_CACHE": str(home / "cache"), "SOURCE": source}
            taken = _race(rivals, environment, home)
        finally:
            os.killpg(server.pid, signal.SIGKILL)  # with its workers
            server.wait()
    for kind, what in enumerate(("elapsed", "of the processor")):
        ours = statistics.median(both[kind] for both in taken["zoo pull"])
        for name, times in taken.items():
            middle = statistics.median(both[kind] for both in times)
            print(f"{name}: {middle:.2f} s {what}, {middle / ours:.1f} times zoo pull")


def _race(rivals: dict[str, Command], environment: dict[str, str], home: Path) -> dict[str, list[tuple[float, float]]]:
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in rivals}
    for turn in range(TURNS + 1):
        for name, command in rivals.items():
            target = home / f"target-{turn}"
            words = [word.replace("$SOURCE", environment["SOURCE"]) for word in command(target)]
            started, used = time.perf_counter(), _used()
            subprocess.run(words, env=environment, check=True, capture_output=True, cwd=home)
            if turn:  # the first fills caches
                taken[name].append((time.perf_counter() - started, _used() - used))
            brought = next(target.rglob("weights.safetensors"))
            with brought.open("rb") as file:
                assert hashlib.file_digest(file, "sha256").hexdigest() == _digest(home), name
            shutil.rmtree(target)
    return taken


def _used() -> float:
    """Processor seconds of all processes that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def _zoo(target: Path) -> list[str]:
    return [str(Path(sys.executable).with_name("zoo")), "pull", "cnn.bench/1", str(target)]


def _mlflow(target: Path) -> list[str]:
    mlflow = str(Path(sys.executable).with_name("mlflow"))
    return [mlflow, "artifacts", "download", "--artifact-uri", "$SOURCE", "--dst-path", str(target)]


def _served(home: Path) -> tuple[subprocess.Popen[bytes], str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{home / 'mlflow.db'}", "--artifacts-destination", str(home / "kept")]
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=home, start_new_session=True)
    for _ in range(600):
        try:
            with urlopen(f"http://127.0.0.1:{port}/health", timeout=1):
                return server, f"http://127.0.0.1:{port}"
        except OSError:
            time.sleep(0.5)
    raise SystemExit(f"MLflow did not start: {(home / 'server.log').read_text()}")


def _register(home: Path, uri: str) -> str:
    """A version of the right size, and where its files are; its row is as little as a pull needs."""
    from mlflow import MlflowClient

    from zoo.artifact import Record, Score, seal, sha256_of

    folder = home / "model"
    folder.mkdir()
    (folder / "weights.safetensors").write_bytes(os.urandom(SIZE))
    (home / "digest").write_text(sha256_of(folder / "weights.safetensors"))
    manifest = seal(folder)
    score = Score(name="bench", metrics={"accuracy": 0.5})
    record = Record(
        entry="cnn.bench", trains="0", scores="0", dataset="bench", data_digest="0", scored="bench", scored_digest="0",
        protocol="bench", score=score, floor=score, parameters=1, steps=1, seconds=1.0, placement={}, versions={},
    )  # fmt: skip
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    run_id = client.create_run("0").info.run_id
    model = client.create_logged_model("0", name="bench", source_run_id=run_id)
    client.log_model_artifacts(model.model_id, str(folder))
    client.create_registered_model("cnn.bench")
    tags = {"ready": "true", "manifest": manifest, "protocol": "bench", "record": record.model_dump_json()}
    client.create_model_version("cnn.bench", model.artifact_location, run_id, tags=tags, model_id=model.model_id)
    return str(model.artifact_location)


def _digest(home: Path) -> str:
    return (home / "digest").read_text()


if __name__ == "__main__":
    main()

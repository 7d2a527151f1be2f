"""A server that stands before a registry's artifacts and misbehaves as it is told: run by a test, or by hand.

It answers the two searches that a pull asks from an embedded registry, and artifacts from where that keeps them; or it
hands everything on to a real MLflow server. `faults` says what goes wrong with the next answers for a file.
"""

import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from registry.glance import read
from registry.settings import Settings

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts/"

Fault = Literal["well", "closed", "short", "wrong", "longer", "endless", "500", "404", "401", "slow", "no ranges"]


@dataclass
class Unreliable:
    """What is served, and how badly."""

    registry: Settings  # embedded
    real: str = ""  # host:port of a real MLflow server to ask instead
    faults: dict[str, deque[Fault]] = field(default_factory=dict)  # by the end of a file's name
    asked: list[tuple[str, str]] = field(default_factory=list)  # artifact and Range, in order
    pause: float = 0.0  # seconds before each further part of a slow answer
    credentials: set[str | None] = field(default_factory=set)

    def fault(self, name: str) -> Fault:
        """What goes wrong with this answer; the last fault stays."""
        for ending, waiting in self.faults.items():
            if name.endswith(ending):
                return waiting.popleft() if len(waiting) > 1 else waiting[0]
        return "well"

    def search(self, path: str) -> dict[str, object]:
        """What MLflow's REST interface says of all versions and models."""
        versions = read(self.registry).versions()
        if "registered-models" in path:
            aliases = [
                {"name": version.entry, "aliases": [{"alias": alias, "version": str(version.number)}]}
                for version in versions
                for alias in version.aliases
            ]
            return {"registered_models": aliases}
        rows = [
            {
                "name": version.entry,
                "version": str(version.number),
                "creation_timestamp": int(version.created.timestamp() * 1000),
                "run_id": version.run_id,
                "source": version.source.replace("file://", "mlflow-artifacts:"),
                "tags": [{"key": key, "value": value} for key, value in version.tags.items()],
            }
            for version in versions
        ]
        return {"model_versions": rows}


@contextmanager
def served_by(what: Unreliable) -> Iterator[str]:
    """The address of a server that does this."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if not path.startswith(ARTIFACTS):
                self._answer(200, json.dumps(what.search(path)).encode() if not what.real else self._real()[1])
                return
            name, begin = unquote(path.removeprefix(ARTIFACTS)), self.headers.get("Range", "")
            what.asked.append((name, begin))
            what.credentials.add(self.headers.get("Authorization"))
            fault = what.fault(name)
            if fault.isdecimal():
                self._answer(int(fault), b"no")
                return
            if what.real:
                status, content, start = *self._real(), int(begin[6:-1] or 0) if begin else 0
            else:
                whole, start = Path("/", name).read_bytes(), int(begin[6:-1]) if begin and fault != "no ranges" else 0
                status, content = (206 if start else 200), whole[start:]
                if start and not content:
                    self._answer(416, b"nothing there")
                    return
            self._send(status, content, start, fault)

        def _real(self) -> tuple[int, bytes]:
            asked = {"Range": self.headers["Range"]} if "Range" in self.headers else {}
            connection = HTTPConnection(what.real)
            connection.request("GET", self.path, headers=asked)
            answer = connection.getresponse()
            return answer.status, answer.read()

        def _send(self, status: int, content: bytes, start: int, fault: Fault) -> None:
            changed = bytes([content[0] ^ 1]) + content[1:] if content else b"x"
            told = {"short": len(content) // 2, "longer": len(content) + 1}.get(fault, len(content))
            self.send_response(status)
            if fault != "endless":
                self.send_header("Content-Length", str(told))
            if status == 206:
                self.send_header("Content-Range", f"bytes {start}-{start + len(content) - 1}/{start + len(content)}")
            self.end_headers()
            if fault == "endless":
                self._endless()
            elif fault == "slow":
                for at in range(0, len(content), 1 + len(content) // 10):
                    self.wfile.write(content[at : at + 1 + len(content) // 10])
                    time.sleep(what.pause)
            elif fault == "closed":
                self.wfile.write(content[: len(content) // 2])
                self.close_connection = True
            else:
                body = {"wrong": changed, "short": content[:told], "longer": content + b"x"}.get(fault, content)
                self.wfile.write(body)

        def _endless(self) -> None:
            try:
                while True:
                    self.wfile.write(bytes(1 << 16))
            except OSError:
                self.close_connection = True

        def _answer(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # a pull that was killed hangs up

    with Quiet(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()

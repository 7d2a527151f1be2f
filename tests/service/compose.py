"""docker-compose.yml as Compose would understand it, and its programs started on loopback without any container.

Where a service says `postgres`, `store`, `mlflow` or `prefect`, it means another machine: here each of these names with
its port becomes a free port of 127.0.0.1. Everything else of its command and environment is used as it stands.
"""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
PORTS = {"postgres": 5432, "store": 9000, "mlflow": 5000, "prefect": 4200, "127.0.0.1": 8080}
"""The names that services have for each other, and for themselves, with the port of each."""

VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?:(:\?|:-)([^}]*))?\})")


def interpolated(text: str, variables: Mapping[str, str]) -> str:
    """A text with Compose's `${NAME}`, `${NAME:-otherwise}`, `${NAME:?complaint}` and `$$` replaced.

    Raises:
        ValueError: a variable with a complaint is unset or empty.
    """

    def value(match: re.Match[str]) -> str:
        dollar, name, operator, rest = match.groups()
        if dollar:
            return "$"
        if not variables.get(name) and operator == ":?":
            raise ValueError(f"{name}: {rest}")
        return variables.get(name) or (rest if operator == ":-" else "")

    return VARIABLE.sub(value, text)


def loaded(variables: Mapping[str, str]) -> dict[str, Any]:
    """The file, with its variables replaced in every text."""
    return _replaced(yaml.safe_load((ROOT / "docker-compose.yml").read_text()), variables)


def _replaced(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return interpolated(value, variables)
    if isinstance(value, dict):
        return {key: _replaced(item, variables) for key, item in value.items()}
    return [_replaced(item, variables) for item in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class Machine:
    """Loopback, in the place of Compose's network."""

    compose: dict[str, Any]
    folder: Path  # for logs, and files that Compose would mount
    ports: Mapping[str, int]

    @classmethod
    def of(cls, variables: Mapping[str, str], folder: Path) -> "Machine":
        return cls(loaded(variables), folder, {name: _free_port() for name in PORTS})

    def environment(self, service: str) -> dict[str, str]:
        """What the service gives to its program, beside what finding programs takes."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        binaries = Path(sys.executable).parent
        given = {name: self.here(value) for name, value in self.compose["services"][service]["environment"].items()}
        place = {"HOME": str(self.folder), "PATH": f"{binaries}:{kept.get('PATH', '')}"}
        if given.get("PGHOST") == "postgres":  # the only one whose host and port are said apart
            given["PGHOST"] = "127.0.0.1"
        return kept | place | given

    def command(self, service: str) -> list[str]:
        return [self.here(word) for word in self.compose["services"][service]["command"]]

    def check(self, service: str) -> list[str]:
        """What the service's health check runs."""
        kind, *command = self.compose["services"][service]["healthcheck"]["test"]
        assert kind == "CMD", "a health check that needs a shell of the container"
        return [self.here(word) for word in command]

    def here(self, text: str) -> str:
        """A text of the file in which the other machines are this one, and the container's folders lie in ours."""
        for name, port in PORTS.items():
            text = text.replace(f"{name}:{port}", f"127.0.0.1:{self.ports[name]}")
            text = re.sub(rf"^(--port=)?{port}$", rf"\g<1>{self.ports[name]}", text)
        text = text.replace("--host=0.0.0.0", "--host=127.0.0.1").replace("/deploy/", f"{ROOT / 'deploy'}/")
        for config in self.compose["services"].values():
            for mounted in config.get("configs", ()):
                text = text.replace(mounted["target"], str(self.folder / mounted["source"]))
        return re.sub("^/zoo/", f"{self.folder}/zoo/", text)

    def run(self, service: str, command: list[str] | None = None) -> subprocess.CompletedProcess[str]:
        """A service that ends, or another command in its environment."""
        return subprocess.run(
            command or self.command(service),
            env=self.environment(service),
            cwd=self.folder,
            capture_output=True,
            text=True,
        )

    def start(self, service: str) -> subprocess.Popen[bytes]:
        """A service that goes on, in a session of its own."""
        for name, config in self.compose["configs"].items():
            (self.folder / name).write_text(config["content"])
        with (self.folder / f"{service}.log").open("wb") as log:
            return subprocess.Popen(
                self.command(service),
                env=self.environment(service),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])

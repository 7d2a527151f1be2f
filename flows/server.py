"""Prefect's API for one night: the server that PREFECT_API_URL names, else that of `zoo up`, else a temporary one.

Prefect would start a temporary server by itself, but a killed night would leave that one running. This one watches a
pipe from the night (`flows.lifeline`). Its database stays under the zoo home, where `zoo up` shows past nights too.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.request import urlopen

from flows.lifeline import die_with_parent
from registry.service import running

STARTUP_SECONDS = 120.0  # 10 to 17 are usual, more while other processes keep the machine busy


@contextmanager
def prefect_api(home: Path, *, log: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Have PREFECT_API_URL name an API that answers; to be entered before Prefect is first imported.

    Args:
        home: PREFECT_HOME of a temporary server, in the zoo's home.
        log: where a temporary server writes what it has to say.
        say: told when the server that PREFECT_API_URL names is not there.

    Raises:
        RuntimeError: the temporary server did not start; its log is named.
    """
    named = os.environ.get("PREFECT_API_URL", "")
    url = lasting(home.parent)
    if url and answers(url):
        os.environ["PREFECT_API_URL"] = url
        yield
        return
    if named:
        say(f"PREFECT_API_URL={named} does not answer: this night uses a temporary server instead.")
    with log.open("ab") as output, _temporary(home, output) as url:
        # Its log ends with it, so nobody would read there what the night's own log file tells.
        os.environ |= {"PREFECT_API_URL": url, "PREFECT_HOME": str(home), "PREFECT_LOGGING_TO_API_ENABLED": "false"}
        yield


def lasting(home: Path) -> str:
    """The API of a server that outlives nights: PREFECT_API_URL, else what `zoo up` started here; empty for neither."""
    up = running(home).get("prefect")
    return os.environ.get("PREFECT_API_URL", "") or (up.url if up else "")


def use(url: str) -> None:
    """Have Prefect's client talk to this server; to be called before Prefect is first imported.

    Raises:
        ConnectionError: it does not answer.
    """
    if not answers(url):
        raise ConnectionError(
            f"no Prefect server answers at {url}: `zoo up` starts one, PREFECT_API_URL names another."
        )
    os.environ["PREFECT_API_URL"] = url


def answers(url: str) -> bool:
    """Whether a Prefect API is alive at a URL."""
    try:
        with urlopen(f"{url.rstrip('/')}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False


@contextmanager
def _temporary(home: Path, output: IO[bytes]) -> Iterator[str]:
    home.mkdir(parents=True, exist_ok=True)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        environment = os.environ | {
            "PREFECT_HOME": str(home),
            "PREFECT_UI_ENABLED": "0",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT__SERVER_EPHEMERAL": "1",  # as Prefect sets for its own temporary server
            "PREFECT__SERVER_FINAL": "1",
        }
        environment.pop("PREFECT_API_URL", None)
        server = subprocess.Popen(
            [sys.executable, "-P", "-m", "flows.server", str(listening.fileno())],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=environment,
            pass_fds=[listening.fileno()],
            start_new_session=True,  # Ctrl-C ends the night, which needs it to the end
        )
    url = f"http://127.0.0.1:{port}/api"
    try:
        _wait(server, url, output)
        yield url
    finally:
        server.terminate()
        try:
            server.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.communicate()


def _wait(server: subprocess.Popen[bytes], url: str, output: IO[bytes]) -> None:
    deadline = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        if answers(url):
            return
        time.sleep(0.1)
    raise RuntimeError(
        f"Prefect's temporary server did not answer within {STARTUP_SECONDS:g} s (exit status {server.poll()}); "
        f"see {output.name}. Nothing is lost: start the night again, or name a server in PREFECT_API_URL."
    )


def main(descriptor: int) -> None:
    """Serve Prefect's API on an inherited socket until the night ends."""
    die_with_parent()
    import uvicorn

    config = uvicorn.Config("prefect.server.api.server:create_app", factory=True, log_level="error", lifespan="on")
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    main(int(sys.argv[1]))

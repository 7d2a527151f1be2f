"""Bringing one file of a registered version, from wherever its registry keeps them.

Only names that a manifest gave are asked for: what else lies there never comes. Nothing here believes what arrives; who
asks for it hashes it.
"""

import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Protocol
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import Request, url2pathname, urlopen

from registry import rest
from registry.glance import Version
from registry.settings import Settings

Report = Callable[[str, int, int | None], None]
"""Told the name of a file, the bytes of it that are here, and those it will have, where that is known."""

CHUNK = 1 << 20
TIMEOUT = 30  # seconds without a byte
ATTEMPTS = 4
PAUSE = 0.5  # seconds before the second attempt; each further one waits twice as long
GONE = frozenset({400, 404, 410})
REFUSED = frozenset({401, 403})
NOTHING_THERE = 416  # the file has no bytes behind those that are here


class Absent(ValueError):
    """A file that its registry does not have, or not as a plain file of this size."""


class Remote(Protocol):
    """A place that files have to be brought from."""

    def bring(self, name: str, part: Path, *, size: int | None, most: int, report: Report) -> None:
        """Bring a file to `part`, going on from what is there where the place can do that.

        Args:
            size: that it must have, where that is known.
            most: bytes that are taken at most.

        Raises:
            Absent: it is not there, or cannot be this file.
            ConnectionError: the place does not answer, or breaks off again and again.
        """


def beside(version: Version) -> Path | None:
    """The folder of a version's files where it is on this machine, None where they have to be brought."""
    if version.source.startswith("file:"):
        return Path(url2pathname(version.source.removeprefix("file://")))
    return Path(version.source) if version.source.startswith("/") else None


def remote(version: Version, settings: Settings) -> Remote:
    """Where a version's files have to be brought from."""
    place = urlsplit(version.source)
    asked = urlsplit(settings.tracking_uri)
    if (place.scheme, asked.scheme[:4]) == ("mlflow-artifacts", "http") and place.netloc in ("", asked.netloc):
        path = quote(place.path.strip("/"))
        return Server(f"{settings.tracking_uri.rstrip('/')}/api/2.0/mlflow-artifacts/artifacts/{path}")
    return Elsewhere(version.source, settings)


def opened(folder: Path, name: str) -> IO[bytes]:
    """A file of the folder, opened for reading: no link on the way to it is followed, no device or pipe is read.

    Raises:
        Absent: it is not there, or is something else.
    """
    path = folder
    try:
        for part in Path(name).parts[:-1]:
            path = path / part
            if path.is_symlink():
                raise Absent(f"{path}: expected a folder, got a link.")
        descriptor = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise Absent(f"{folder / name}: expected a plain file, got none ({error.strerror}).") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Absent(f"{folder / name}: expected a plain file, got a folder, a pipe or a device.")
    return os.fdopen(descriptor, "rb")


class Server:
    """An MLflow server that hands out the artifacts itself: asked over HTTP, without importing MLflow."""

    def __init__(self, url: str) -> None:
        self.url = url

    def bring(self, name: str, part: Path, *, size: int | None, most: int, report: Report) -> None:
        url = f"{self.url}/{quote(name)}"
        failed = 0
        while True:
            before = part.stat().st_size
            try:
                return self._continue(url, name, part, size=size, most=most, report=report)
            except _BrokeOff as reason:
                here = part.stat().st_size
                failed = 1 if here > before else failed + 1  # what gets on is not given up
                if failed == ATTEMPTS:
                    raise ConnectionError(
                        f"{url}: {reason}, {ATTEMPTS} times. {here:,} bytes of it are kept; the same command goes on "
                        "from there."
                    ) from reason
            time.sleep(PAUSE * 2 ** (failed - 1))

    def _continue(self, url: str, name: str, part: Path, *, size: int | None, most: int, report: Report) -> None:
        """One answer of the server, behind what is here already if it can begin there."""
        here = part.stat().st_size
        if size is not None and here >= size:
            return
        with self._answer(url, part, here) as answer:
            if answer.status != 206 or not answer.headers.get("Content-Range", "").startswith(f"bytes {here}-"):
                here = 0
            total = _total(answer, here)
            if size is not None and total not in (None, size):
                raise Absent(f"{url}: expected {size:,} bytes, the server has {total:,}.")
            most = most if size is None else size
            if total is not None and total > most:
                raise Absent(f"{url}: the server has {total:,} bytes of it; at most {most:,} are taken.")
            with part.open("r+b") as out:
                out.truncate(here)
                out.seek(here)
                for chunk in _chunks(answer):
                    here += len(chunk)
                    if here > most:
                        raise Absent(f"{url}: the server sends more than {most:,} bytes of it.")
                    out.write(chunk)
                    report(name, here, total if size is None else size)
        awaited = size if size is not None else total
        if awaited is not None and here < awaited:
            raise _BrokeOff(f"the transfer broke off after {here:,} of {awaited:,} bytes")

    def _answer(self, url: str, part: Path, here: int) -> HTTPResponse:
        request = Request(url, headers={"Range": f"bytes={here}-"} if here else {})
        for key, value in rest.credentials().items():
            request.add_unredirected_header(key, value)  # who is redirected to does not learn them
        try:
            answer: HTTPResponse = urlopen(request, timeout=TIMEOUT)
        except HTTPError as error:
            error.close()
            if error.code in GONE:
                raise Absent(f"{url}: the server does not have it: HTTP {error.code} {error.reason}.") from error
            if error.code in REFUSED:
                raise ConnectionError(
                    f"{url}: the server refuses it: HTTP {error.code} {error.reason}. Check MLFLOW_TRACKING_TOKEN or "
                    "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
                ) from error
            if error.code == NOTHING_THERE:
                os.truncate(part, 0)  # the next attempt begins anew
            raise _BrokeOff(f"the server answers HTTP {error.code} {error.reason}") from error
        except (OSError, HTTPException) as error:
            raise _BrokeOff(f"the server does not answer ({error})") from error
        return answer


class Elsewhere:
    """Any other place that MLflow knows (S3 and the like), through its own client, a whole file at a time."""

    def __init__(self, location: str, settings: Settings) -> None:
        self.location = location.rstrip("/")
        self.settings = settings

    def bring(self, name: str, part: Path, *, size: int | None, most: int, report: Report) -> None:
        from registry.store import brought

        with TemporaryDirectory() as scratch:
            try:
                came = brought(f"{self.location}/{name}", self.settings, Path(scratch))
            except OSError as error:
                raise ConnectionError(f"{self.location}/{name}: {error}") from error
            found = came.stat().st_size
            if size not in (None, found) or found > most:
                raise Absent(f"{self.location}/{name}: expected {size or most:,} bytes, got {found:,}.")
            shutil.copyfile(came, part)  # not renamed: the lock is on the file that is there
        report(name, found, size)


class _BrokeOff(Exception):
    """What may be better the next time."""


def _chunks(answer: HTTPResponse) -> Iterator[bytes]:
    """The bytes of an answer as they come."""
    while True:
        try:
            chunk = answer.read1(CHUNK)
        except (OSError, HTTPException) as error:
            raise _BrokeOff(f"the transfer broke off ({error})") from error
        if not chunk:
            return
        yield chunk


def _total(answer: HTTPResponse, here: int) -> int | None:
    """The size of the whole file, where the server tells it."""
    length = answer.headers["Content-Length"]
    return here + int(length) if length and length.isdecimal() else None

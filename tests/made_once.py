"""The data sets that the zoo makes, made once for all runs and all workers in a checkout."""

import hashlib
import json
import shutil
import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

import pytest

from flows.datasets.hashing import digest_of, hash_files
from flows.locks import held
from zoo.data import made

LIBRARIES = ("numpy", "pillow", "scikit-image", "scikit-learn", "scipy", "opencv-python-headless", "av", "pycocotools")
PATIENCE = 300  # seconds to wait for another worker that is making them


def made_once(root: Path, recorded: dict[str, str], names: Iterable[str] = made.MADE) -> Path:
    """A folder of made data sets below `root`, every byte verified, made now if they are not there as they should be.

    Args:
        root: keeps the sets of today's making code and libraries; others are removed.
        recorded: the digests that have to come out; a set that is not among them is taken as it was made.

    Raises:
        ValueError: other bytes came out.
    """
    folder = root / _key() / "datasets"
    with held(root / "lock", what="making the data sets of the tests", patience=PATIENCE):
        if not _whole(folder, recorded, names):
            for stale in root.glob("sets-*"):
                shutil.rmtree(stale)
            _make(folder, recorded, names)
    return folder


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    """Fail if a file in the folder has come, gone or been written to in the block."""
    before = _stamps(folder)
    yield
    if touched := sorted(path for path, _ in before ^ _stamps(folder)):
        shutil.rmtree(folder)
        pytest.fail(
            f"a test wrote to the made data that all tests share (`made_copy` gives one its own): {touched[:5]}"
        )


def _key() -> str:
    """A name that changes with what decides the bytes."""
    code = (path.read_bytes() for path in sorted(Path(made.__file__).parent.glob("*.py")))
    libraries = f"{sys.version_info[:2]} {[version(name) for name in LIBRARIES]}".encode()
    parts = (hashlib.sha256(part).digest() for part in (*code, libraries))
    return f"sets-{hashlib.sha256(b''.join(parts)).hexdigest()[:16]}"


def _whole(folder: Path, recorded: dict[str, str], names: Iterable[str]) -> bool:
    note = folder.with_name("digests.json")
    if not note.is_file():
        return False
    wanted = json.loads(note.read_text()) | recorded
    return all(digest_of(hash_files(folder / name)) == wanted.get(name) for name in names)


def _make(folder: Path, recorded: dict[str, str], names: Iterable[str]) -> None:
    folder.mkdir(parents=True)
    digests = {}
    for name in names:
        with _no_network():
            made.make(name, folder / name)
        digests[name] = digest_of(hash_files(folder / name))
        if digests[name] != recorded.get(name, digests[name]):
            raise ValueError(
                f"made {name}: expected the digest {recorded[name][:16]}... of datasets.dvc, got "
                f"{digests[name][:16]}... If the making was changed on purpose: `zoo data make {name} --accept`."
            )
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o444)  # the folders stay as they are, so that anyone can delete all of it
    folder.with_name("digests.json").write_text(json.dumps(digests))  # last: what was broken off has none


@contextmanager
def _no_network() -> Iterator[None]:
    """Making a data set downloads nothing."""

    def refuse(*_args: object, **_options: object) -> NoReturn:
        raise AssertionError("making a data set asked for the network")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "socket", refuse)
        yield


def _stamps(folder: Path) -> set[tuple[str, int]]:
    return {(str(path), path.stat().st_mtime_ns) for path in folder.rglob("*")}

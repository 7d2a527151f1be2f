"""What is costly to make of a video, as rows of bytes in one memory-mapped file: named by content, checked, shared.

    the hash that the file is named by (32 bytes), a CRC-32 of each row (little-endian), the rows

A file appears whole or not at all. It is believed if its size and hash are those that were expected, and each row once
it was compared with its checksum; else it is made again. Pages are read as they are touched and shared by all
processes, so that a crop costs what it shows.
"""

import hashlib
import json
import math
import shutil
import warnings
import zlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt

from zoo.durable import atomically

MAPPED = 2**14  # files at a time; Linux lets a process map 65,530
FREE = 0.1  # of the disk, which files that may be missing leave free

Rows = npt.NDArray[np.uint8 | np.int8]


class Damaged(ValueError):
    """A file that does not hold what was written."""


class Kept:
    """The rows of each video, made when they are first asked for; callable from any thread.

    Args:
        folder: of the files.
        source: all that the rows of the i-th video come from, as JSON has it: it names the file.
        shape: of the i-th video's rows, the first axis their number.
        make: the i-th video's rows.
    """

    def __init__(
        self,
        folder: Path,
        *,
        source: Callable[[int], object],
        shape: Callable[[int], tuple[int, ...]],
        make: Callable[[int], Rows],
        dtype: type[np.uint8 | np.int8],
    ) -> None:
        self.folder, self.source, self.shape, self.make, self.dtype = folder, source, shape, make, dtype
        self._locks: dict[int, Lock] = {}
        self._name = lru_cache(None)(self._named)
        self._file = lru_cache(MAPPED)(self._opened)

    def __call__(self, i: int, start: int, stop: int) -> Rows:
        """Rows of the i-th video, where they lie in the file: what is written to them is lost, and seen by others
        in this process."""
        try:
            return self._file(i).rows(start, stop)
        except Damaged as error:
            warnings.warn(f"{self.path(i)}: damaged ({error}). It is made again.", stacklevel=2)
            self.path(i).unlink(missing_ok=True)
            self._file.cache_clear()
            return self._file(i).rows(start, stop)

    def has_room(self, i: int) -> bool:
        """Whether the i-th video's rows are there, or leave enough of the disk free."""
        if self.path(i).exists():
            return True
        self.folder.mkdir(parents=True, exist_ok=True)
        total, _, free = shutil.disk_usage(self.folder)
        return free - math.prod(self.shape(i)) > FREE * total

    def path(self, i: int) -> Path:
        """The file of the i-th video, which need not exist."""
        return self.folder / f"{self._name(i)}.rows"

    def _named(self, i: int) -> str:
        return hashlib.sha256(json.dumps(self.source(i)).encode()).hexdigest()

    def _opened(self, i: int) -> "_File":
        """The file as it is, or made.

        Raises:
            Damaged: it is not what it should be.
        """
        path, name = self.path(i), bytes.fromhex(self._name(i))
        with self._locks.setdefault(i, Lock()):
            if not path.exists():
                _write(path, name, np.ascontiguousarray(self.make(i)))
            return _File(path, name, self.shape(i), self.dtype)


def _write(path: Path, name: bytes, rows: Rows) -> None:
    sums = np.array([zlib.crc32(row) for row in rows], "<u4")
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomically(path) as file:
        for part in (name, sums.data, rows.data):
            file.write(part)


class _File:
    """A mapped file."""

    def __init__(self, path: Path, name: bytes, shape: tuple[int, ...], dtype: type[np.uint8 | np.int8]) -> None:
        first = len(name) + 4 * shape[0]
        expected, found = first + math.prod(shape), path.stat().st_size
        if found != expected:
            raise Damaged(f"expected {expected} bytes, got {found}")
        data = np.memmap(path, np.uint8, "c")  # private and writable, because a tensor cannot be read-only
        if data[: len(name)].tobytes() != name:
            raise Damaged("it holds something else than its name says")
        self._sums = data[len(name) : first].view("<u4")
        self._rows = data[first:].view(dtype).reshape(shape)
        self._compared = np.zeros(shape[0], bool)

    def rows(self, start: int, stop: int) -> Rows:
        for number in range(start, stop):
            if not self._compared[number]:
                if zlib.crc32(self._rows[number]) != self._sums[number]:
                    raise Damaged(f"row {number} is not what was written")
                self._compared[number] = True
        return np.asarray(self._rows[start:stop])

"""Checkpoints that are whole or absent, and known by their hash.

The index is written after the file it names, and the file before last is kept until the next one is visible: a kill
at any moment leaves a good checkpoint, and a byte that flips later is noticed before it is trained on.
"""

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch
from pydantic import BaseModel, ConfigDict

from zoo.artifact import sha256_of
from zoo.durable import atomically, write_atomically

KEPT = 2  # the newest, and one to fall back on when the newest is found damaged


class Checkpoint(BaseModel):
    """One line of the index."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int
    seconds: float  # that training cost so far, all attempts together
    file: str
    sha256: str


class Checkpoints:
    """The checkpoints of one run folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index = folder / "index.json"

    def listed(self) -> list[Checkpoint]:
        """What the index names, oldest first."""
        if not self.index.exists():
            return []
        return [Checkpoint.model_validate(line) for line in json.loads(self.index.read_text())]

    def save(self, state: dict[str, Any], *, step: int, seconds: float) -> Checkpoint:
        """Make a state the newest checkpoint."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"step-{step:08d}.pt"
        with atomically(path) as file:
            hashing = _HashingWriter(file)
            torch.save(state, cast(BinaryIO, hashing))
        saved = Checkpoint(step=step, seconds=seconds, file=path.name, sha256=hashing.hash.hexdigest())
        older = [checkpoint for checkpoint in self.listed() if checkpoint.file != saved.file]
        kept = [*older, saved][-KEPT:]
        self._write_index(kept)
        for stray in self.folder.glob("step-*.pt"):
            if stray.name not in {checkpoint.file for checkpoint in kept}:
                stray.unlink()
        return saved

    def newest(self, device: str) -> tuple[Checkpoint, dict[str, Any]] | None:
        """The newest checkpoint that is what was written, and its state; None where there is none.

        A damaged file is named in a warning, set aside as `*.damaged`, and the one before it is used.
        """
        for checkpoint in reversed(self.listed()):
            path = self.folder / checkpoint.file
            found = sha256_of(path) if path.exists() else "no file"
            if found == checkpoint.sha256:
                return checkpoint, torch.load(path, map_location=device, weights_only=True)
            warnings.warn(
                f"checkpoint {path}: expected SHA-256 {checkpoint.sha256}, got {found}. "
                "It is set aside and training goes on from the one before it.",
                stacklevel=2,
            )
            if path.exists():
                path.replace(path.with_suffix(".damaged"))
            self._write_index([c for c in self.listed() if c != checkpoint])
        return None

    def _write_index(self, checkpoints: list[Checkpoint]) -> None:
        write_atomically(self.index, json.dumps([c.model_dump() for c in checkpoints], indent=2).encode())


class _HashingWriter:
    """A file that hashes what is written to it: the hash of what was meant, not of what a disk gave back."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.hash = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.hash.update(data)
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()

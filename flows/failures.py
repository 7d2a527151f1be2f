"""What a worker's failure means to the person who reads of it in the morning."""

import errno
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
FULL_SIGNS = ("No space left on device", "Disk quota exceeded", "File too large", "unexpected pos")
"""How safetensors, and PyTorch's zip writer, say so."""
MEMORY_SIGNS = ("can't allocate memory", "not enough memory")
"""How PyTorch says so on a CPU, in a plain RuntimeError."""


def explained(error: BaseException, folder: Path, recipe: Mapping[str, Any]) -> str:
    """What went wrong and what to do about it.

    Args:
        folder: the run folder.
        recipe: the numbers that it was trained with.
    """
    causes = tuple(_causes(error))
    if any(map(_is_full, causes)):
        disk = shutil.disk_usage(folder)
        return (
            f"The disk of {folder} is full or its quota used up ({disk.free / 1e6:.1f} MB of {disk.total / 1e9:.1f} GB "
            f"are free): free some space (caches and pulled copies can be had again), then start the night again, "
            f"which goes on from the last checkpoint. ({_short(error)})"
        )
    if any(map(_is_memory, causes)):
        number = f"batch_size, now {recipe['batch_size']}" if "batch_size" in recipe else "numbers"
        return (
            f"Out of memory: lower the recipe's {number}, or train it alone (`zoo night --only ENTRY`) on a machine "
            f"or GPU with more. ({_short(error)})"
        )
    if isinstance(error, ValueError):  # for users: the message says what to do
        return str(error)
    return f"{type(error).__name__}: {_short(error)}. See {folder / 'failure.json'}."


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_full(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in FULL
    return not isinstance(error, ValueError) and any(sign in str(error) for sign in FULL_SIGNS)


def _is_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in MEMORY_SIGNS)


def _short(error: BaseException) -> str:
    """The first line of what an error says."""
    return (str(error).strip() or repr(error)).splitlines()[0].rstrip(".")

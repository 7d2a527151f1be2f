"""Files to MD5s, which DVC records, and the MD5s of a data set to its digest."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

Files = Mapping[str, str]
"""The MD5 of every file of a data set, by its path within it."""


def md5_of(path: Path) -> str:
    """The MD5 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def hash_files(folder: Path) -> dict[str, str]:
    """The MD5 of every file below a folder."""
    return {path.relative_to(folder).as_posix(): md5_of(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def digest_of(files: Files) -> str:
    """The identity of a data set: SHA-256 over the paths and MD5s of its files."""
    return hashlib.sha256("".join(f"{files[path]} {path}\n" for path in sorted(files)).encode()).hexdigest()


def differences(have: Files, wanted: Files) -> Iterator[str]:
    """What is missing, not recorded or changed, in words."""
    for path in sorted(have.keys() | wanted.keys()):
        if path not in have:
            yield f"missing: {path}"
        elif path not in wanted:
            yield f"not recorded: {path}"
        elif have[path] != wanted[path]:
            yield f"changed: {path}"


def listed(words: Iterable[str]) -> str:
    """The first ten, and how many more there are."""
    words = list(words)
    return ", ".join(words[:10]) + (f" and {len(words) - 10} more" if len(words) > 10 else "")

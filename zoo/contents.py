"""What a sealed folder holds, read as if anybody may have written it: each file's SHA-256 and size.

A manifest decides which files are asked for and where they are put, so it is believed only in plain names below the
folder, no two of which a file system could take for one.
"""

import hashlib
import json
import os
import re
import stat
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
LARGEST_MANIFEST = 4 << 20  # bytes; the largest that was sealed has some thousand
MOST_FILES = 10_000
LONGEST = 200  # bytes of one part of a name: staging and cache put something before it
SHA256 = re.compile(r"[0-9a-f]{64}")
FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\]")


@dataclass(frozen=True, kw_only=True)
class Content:
    """The bytes that a file has to have."""

    sha256: str
    size: int | None  # None where an older manifest does not tell it


class Contents:
    """The files of a sealed folder by name, the manifest itself left out."""

    def __init__(self, files: Mapping[str, Content]) -> None:
        self.files = files

    @staticmethod
    def parsed(manifest: bytes) -> "Contents":
        """Of a manifest's bytes.

        Raises:
            ValueError: it is none, or it names what must not be written.
        """
        if len(manifest) > LARGEST_MANIFEST:
            raise ValueError(f"expected a manifest of at most {LARGEST_MANIFEST:,} bytes, got {len(manifest):,}.")
        try:
            told = json.loads(manifest)
            digests, sizes = dict(told["files"]), dict(told.get("sizes", {}))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(
                f'expected a manifest ({{"files": {{name: SHA-256}}}}), got no such JSON: {error}'
            ) from None
        if len(digests) > MOST_FILES:
            raise ValueError(f"expected a manifest of at most {MOST_FILES:,} files, got {len(digests):,}.")
        files = {name: _content(name, digest, sizes.get(name)) for name, digest in digests.items()}
        _check_names(files)
        return Contents(files)

    @staticmethod
    def of(folder: Path) -> "Contents":
        """Of the files that lie in a folder now.

        Raises:
            ValueError: a name that no manifest may have, or something that is no plain file.
        """
        files = {}
        for name, plain in _below(folder):
            if not plain:
                raise ValueError(f"{folder / name}: expected a plain file, got a link or a device. Remove it.")
            if name != MANIFEST:
                content = Content(sha256=sha256_of(folder / name), size=(folder / name).stat().st_size)
                files[name] = content
        _check_names(files)
        return Contents(files)

    def manifest(self) -> bytes:
        """The bytes of the manifest that says this."""
        digests = {name: content.sha256 for name, content in self.files.items()}
        sizes = {name: content.size for name, content in self.files.items()}
        return json.dumps({"files": digests, "sizes": sizes}, indent=2, sort_keys=True).encode()

    def faults(self, folder: Path, names: Collection[str] | None = None) -> tuple[str, ...]:
        """What keeps a folder from being this, a line each; links are never followed and devices never read.

        Args:
            names: of the files that must be there; None: all. Others may be there too, but not with other bytes.
        """
        present = dict(_below(folder))
        present.pop(MANIFEST, None)
        wanted = set(self.files if names is None else names)
        wrong = [f"missing: {name}" for name in sorted(wanted - set(present))]
        wrong += [f"not in the manifest: {name}" for name in sorted(set(present) - set(self.files))]
        for name in sorted(set(present) & set(self.files)):
            if not present[name]:
                wrong.append(f"a link or a device: {name}")
            elif not is_content(folder / name, self.files[name]):
                wrong.append(f"changed: {name}")
        return tuple(wrong)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_content(path: Path, content: Content) -> bool:
    """Whether a plain file has these bytes; one of another size is not read."""
    if content.size is not None and path.stat().st_size != content.size:
        return False
    return sha256_of(path) == content.sha256


def _below(folder: Path) -> Iterator[tuple[str, bool]]:
    """Every name below a folder that is no folder itself, and whether it is a plain file."""
    waiting = [folder]
    while waiting:
        with os.scandir(waiting.pop()) as found:
            for line in found:
                if line.is_dir(follow_symlinks=False):
                    waiting.append(Path(line.path))
                else:
                    plain = stat.S_ISREG(line.stat(follow_symlinks=False).st_mode)
                    yield Path(line.path).relative_to(folder).as_posix(), plain


def _content(name: str, digest: Any, size: Any) -> Content:
    if not isinstance(digest, str) or not SHA256.fullmatch(digest):
        raise ValueError(f"{name!r}: expected a SHA-256 of 64 hexadecimal digits, got {str(digest)[:80]!r}.")
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0):
        raise ValueError(f"{name!r}: expected a size in bytes, got {str(size)[:80]!r}.")
    return Content(sha256=digest, size=size)


def _check_names(names: Collection[str]) -> None:
    """Only names below the folder, and no two that a file system without case or accents would take for one."""
    spelt: dict[str, str] = {_folded(MANIFEST): MANIFEST}
    folders = set()
    for name in names:
        parts = name.split("/")
        if FORBIDDEN.search(name) or not all(_harmless(part) for part in parts):
            raise ValueError(f"{name[:80]!r} is no name of a file below the folder: the manifest is not believed.")
        if _folded(name) == _folded(MANIFEST):
            raise ValueError(f"{name!r} is the manifest's own name: the manifest is not believed.")
        for depth in range(1, len(parts) + 1):
            part = "/".join(parts[:depth])
            if spelt.setdefault(_folded(part), part) != part:
                raise ValueError(
                    f"{part!r} and {spelt[_folded(part)]!r} are one name on some disks: the manifest is not believed."
                )
            if depth < len(parts):
                folders.add(part)
    both = sorted(folders & {*names, MANIFEST})
    if both:
        raise ValueError(f"{both[0]!r} is a file and a folder: the manifest is not believed.")


def _harmless(part: str) -> bool:
    """Whether a part of a name is one that every file system takes as it is."""
    try:
        return part not in ("", ".", "..") and len(part.encode()) <= LONGEST
    except UnicodeEncodeError:
        return False


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())

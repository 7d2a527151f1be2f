"""What every conversion has in common: what it says of itself, and how it refers to files that it takes as they are."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

Report = Callable[[int, int], None]
"""Told how many items are done, and how many there are."""


@dataclass(frozen=True, kw_only=True)
class Converted:
    """What a conversion wrote."""

    counts: Mapping[str, int]  # of what there is now, by what it is
    remarks: tuple[str, ...] = ()  # what was left out and why, and which count is not the official one


def found_in(folder: Path, sign: str, *below: str) -> Path:
    """The folder, or one of those below it that archives unpack to, which holds a certain file or folder.

    Raises:
        ValueError: none does.
    """
    for root in (folder, *(folder / name for name in below)):
        if (root / sign).exists():
            return root
    raise ValueError(f"{folder}: expected {sign} in it{_or_below(below)}, found none. Name the folder that has it.")


def _or_below(names: Iterable[str]) -> str:
    return "".join(f" or in {name}/" for name in names)


def link(source: Path, target: Path) -> None:
    """Let one file be found under another name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(source.resolve())


def names_in(path: Path) -> tuple[str, ...]:
    """The lines of a list.

    Raises:
        ValueError: no such file, an empty one, or a name that comes twice.
    """
    if not path.is_file():
        raise ValueError(f"{path}: expected a list of names, but there is no such file.")
    names = tuple(line.strip() for line in path.read_text().splitlines() if line.strip())
    if not names:
        raise ValueError(f"{path}: expected one name a line, got an empty list.")
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise ValueError(f"{path}: expected each name once, got {twice!r} twice.")
    return names

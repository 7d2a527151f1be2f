"""Damaged items of a data set that a person chose to do without: named in a file beside the data.

`left-out.tsv` holds an item and what is wrong with it on each line. As part of the data it is versioned with them and
changes their digest, so that no score on a cut set passes for one on the whole set.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

FILE = "left-out.tsv"
_Item = TypeVar("_Item")


class BadItems(ValueError):
    """Items of a data set that are absent or damaged; it could do without them."""

    def __init__(self, message: str, items: Iterable[str]) -> None:
        super().__init__(message)
        self.items = tuple(items)


def left_out(folder: Path) -> dict[str, str]:
    """What is wrong with each item that the data set in a folder does without."""
    if not (folder / FILE).is_file():
        return {}
    lines = (folder / FILE).read_text(encoding="utf-8").splitlines()
    return {item: fault for item, _, fault in (line.partition("\t") for line in lines)}


def leave_out(folder: Path, faults: Mapping[str, str]) -> None:
    """From now on do without these items; what is wrong with each, by item."""
    lines = (f"{item}\t{' '.join(fault.split())}\n" for item, fault in (left_out(folder) | dict(faults)).items())
    (folder / FILE).write_text("".join(lines), encoding="utf-8")


def kept(folder: Path, items: Mapping[str, _Item]) -> dict[str, _Item]:
    """The items that are not left out.

    Raises:
        ValueError: there were some, and all are left out.
    """
    without = left_out(folder)
    rest = {name: item for name, item in items.items() if name not in without}
    if items and not rest:
        first = next(iter(items))
        raise ValueError(
            f"{folder / FILE}: all {len(items)} items of a split are damaged or absent, first {first}: "
            f"{without[first]} Nothing would remain; fetch the data set again."
        )
    return rest

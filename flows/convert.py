"""A data set that lies elsewhere in its publisher's layout into `datasets/` and its record: convert, add."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from flows.datasets import commands
from flows.datasets.manifest import Manifest
from registry.settings import Settings
from zoo.data.convert.outcome import Converted


class Recorded(NamedTuple):
    """What a conversion came to."""

    converted: Converted
    words: str | None  # what the reader says it is
    digest: str


def convert(name: str, settings: Settings, conversion: Callable[[Path], Converted]) -> Recorded:
    """Convert a data set and record it.

    Args:
        conversion: writes into a folder that is not there yet. What it leaves as links is copied from where they lead.

    Raises:
        ValueError: the name is taken, or the conversion or the reader of what came out refuses.
    """
    commands.check_name(name, settings)
    folder = settings.home / "converted" / name
    shutil.rmtree(folder, ignore_errors=True)  # of a conversion that was stopped half way
    converted = conversion(folder)
    try:
        words = commands.add(name, folder, settings, outward_links=True)
    except ValueError as error:
        raise ValueError(f"{error} What was converted is kept in {folder}, for `zoo data add` to take.") from error
    shutil.rmtree(folder)
    return Recorded(converted, words, Manifest(settings).digest(name))

"""A data set from its official source into `datasets/` and its record: bring, verify, unpack, add."""

import shutil
from collections.abc import Mapping

from flows.datasets.commands import add, check_name
from registry.settings import Settings
from zoo.data.fetch import Report, download, unpack
from zoo.data.sources import Source


def fetch(
    name: str,
    settings: Settings,
    *,
    sources: Mapping[str, Source],
    skip_bad: bool = False,
    report: Report = lambda *_: None,
) -> str | None:
    """Fetch a data set; what an interrupted fetch brought is kept in the zoo's home and continued.

    Returns:
        What it is, in words; None where no reader knows its layout.

    Raises:
        ValueError: it could not be recorded, a transfer broke off, or what came is not what the source should hold.
    """
    check_name(name, settings)  # before the hours of a transfer
    source = sources[name]
    folder = settings.home / "downloads" / name
    files = [download(file, folder / "files", report) for file in source.files]
    shutil.rmtree(folder / "unpacked", ignore_errors=True)  # of a fetch that was stopped half way
    for path in files:
        unpack(path, folder / "unpacked", root=source.root)
    for part in source.without:
        if (unwanted := folder / "unpacked" / source.root / part).is_dir():
            shutil.rmtree(unwanted)
    words = add(name, folder / "unpacked" / source.root, settings, skip_bad=skip_bad)
    shutil.rmtree(folder)
    return words

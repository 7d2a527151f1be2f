"""What `zoo data` does: list, make, add, pull and push data sets."""

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flows.datasets import dvc
from flows.datasets.copying import check_files, copy, staging
from flows.datasets.hashing import listed
from flows.datasets.manifest import Manifest, recorded
from flows.datasets.recording import check_as_recorded, check_recordable, made_along, record
from flows.datasets.verifying import verify
from registry.settings import Settings
from zoo.data import made

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """What `zoo data ls` says about one data set."""

    name: str
    state: Literal["ready", "absent", "unrecorded"]  # absent: recorded or makeable, but not here
    title: str
    files: int
    size: int  # bytes
    digest: str  # as recorded; empty where it is not


def ls(settings: Settings) -> tuple[Dataset, ...]:
    """Every data set that is here, recorded, or can be made. Looks at no file's content."""
    known = recorded(settings)
    here = {path.name for path in settings.datasets.glob("*") if path.is_dir()}
    found = []
    for name in sorted(here | set(known) | set(made.MADE)):
        sizes = [path.stat().st_size for path in (settings.datasets / name).rglob("*") if path.is_file()]
        state: Literal["ready", "absent", "unrecorded"] = "ready" if name in known else "unrecorded"
        found.append(
            Dataset(
                name=name,
                state=state if name in here else "absent",
                title=made.MADE.get(name, ""),
                files=len(sizes),
                size=sum(sizes),
                digest=known.get(name, ""),
            )
        )
    return tuple(found)


def chosen(names: Iterable[str], settings: Settings) -> tuple[str, ...]:
    """The named data sets, or all that are recorded if none is named.

    Raises:
        ValueError: one is not recorded, or none is.
    """
    known = recorded(settings)
    wanted = tuple(dict.fromkeys(names)) or tuple(known)
    for name in wanted:
        if name not in known:
            raise ValueError(f"data set {name!r} is not recorded in datasets.dvc; recorded: {listed(known)}.")
    if not wanted:
        raise ValueError("datasets.dvc records no data set yet: `zoo data make` or `zoo data add NAME PATH` first.")
    return wanted


def make(names: Iterable[str], settings: Settings, *, accept: bool = False) -> tuple[str, ...]:
    """Make data sets and record them; returns the names of those now here and as recorded.

    In a clone that has no manifest yet, the other recorded sets that can be made are made too, so that the record
    stays whole.

    Args:
        names: of data sets that can be made; all of them if empty.
        accept: record what was made even where `datasets.dvc` says that other bytes must come out.

    Raises:
        ValueError: no such data set, or other bytes came out (or lie there) than are recorded.
    """
    wanted = tuple(dict.fromkeys([*(tuple(names) or made.MADE), *made_along(settings)]))
    check_recordable(wanted, settings)
    for name in wanted:
        _make(name, settings, accept=accept)
    record(wanted, settings)
    return wanted


def add(
    name: str, path: Path, settings: Settings, *, skip_bad: bool = False, outward_links: bool = False
) -> str | None:
    """Copy a data set that lies elsewhere into `datasets/` and record it; hidden files are left out.

    In a clone that has no manifest yet, the recorded sets that can be made are made first (`made_along`).

    Args:
        skip_bad: do without absent and damaged items, and record which (`zoo.data.left_out`), instead of refusing.
        outward_links: whether links may lead out of the folder, because we made them ourselves.

    Returns:
        What it is, in words; None where no reader knows its layout.

    Raises:
        ValueError: a bad or taken name, no such folder, links that lead nowhere or out of it, a known layout with
            something missing or damaged in it, or a record that cannot take another data set. Nothing of it is left in
            `datasets/` then.
    """
    check_name(name, settings)
    if not path.is_dir():
        raise ValueError(f"expected the folder of a data set, got {path}, which is none.")
    from zoo.data.layouts import examine  # with numpy and cv2, which a night that skips everything never needs

    words = None
    if not skip_bad:  # before anything is made or copied
        check_files(path, outward_links=outward_links)
        words = examine(path)
    along = made_along(settings)
    for other in along:
        _make(other, settings)
    with staging(name, settings) as staged:
        copy(path, staged, outward_links=outward_links)
        if skip_bad:
            words = examine(staged, skip_bad=True)
        staged.rename(settings.datasets / name)
    try:
        record([name, *along], settings)
    except BaseException:
        shutil.rmtree(settings.datasets / name)  # or the next attempt would find the name taken
        raise
    return words


def check_name(name: str, settings: Settings) -> None:
    """See to it that a data set of this name could be brought in.

    Raises:
        ValueError: a bad or taken name, or a record that cannot take another data set.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"expected a name of lower-case letters, digits, '.', '_' and '-' for a data set, got {name!r}."
        )
    if name in made.MADE:
        raise ValueError(f"{name!r} is a data set that the zoo makes (`zoo data make {name}`). Choose another name.")
    if (settings.datasets / name).exists():
        raise ValueError(f"there is a data set {name!r} already. Choose another name, or delete datasets/{name} first.")
    check_recordable([name], settings)


def pull(names: Iterable[str], settings: Settings) -> tuple[str, ...]:
    """Bring recorded data sets (all if none is named) from the remote, and verify every byte that came.

    Raises:
        ValueError: not recorded, not on the remote, or damaged there.
    """
    wanted = chosen(names, settings)
    dvc.configure_remote(settings)
    before = Manifest(settings)
    if before.present:
        for name in wanted:
            dvc.drop_damaged(before.files(name), settings)
    dvc.run(settings, "pull", *(f"datasets/{name}" for name in wanted))
    _verify_all(wanted, settings)
    return wanted


def push(names: Iterable[str], settings: Settings) -> tuple[str, ...]:
    """Bring recorded data sets (all if none is named) to the remote, each verified first.

    Raises:
        ValueError: not recorded, damaged here, or the remote cannot be written.
    """
    wanted = chosen(names, settings)
    _verify_all(wanted, settings)
    dvc.configure_remote(settings)
    dvc.run(settings, "push", *(f"datasets/{name}" for name in wanted))
    return wanted


def _make(name: str, settings: Settings, *, accept: bool = False) -> None:
    """Have a made data set in `datasets/`, if it is not there, and as recorded unless other bytes are accepted."""
    folder = settings.datasets / name
    if folder.exists():
        if not accept:
            check_as_recorded(name, folder, settings)
        return
    with staging(name, settings) as staged:
        made.make(name, staged)
        if not accept:
            check_as_recorded(name, staged, settings)
        staged.rename(folder)


def _verify_all(names: Iterable[str], settings: Settings) -> None:
    manifest = Manifest(settings)
    for name in names:
        verify(name, manifest)

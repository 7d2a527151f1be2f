"""Bringing in the files of a data set from elsewhere, and where they are assembled."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from registry.settings import Settings
from zoo.data.left_out import BadItems, leave_out


@contextmanager
def staging(name: str, settings: Settings) -> Iterator[Path]:
    """A path to fill and then to rename into `datasets/`: what is half made never lies there."""
    incoming = settings.project / ".dvc" / "tmp"
    incoming.mkdir(parents=True, exist_ok=True)
    settings.datasets.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=incoming, prefix="incoming-") as folder:
        yield Path(folder) / name


def check_files(source: Path, *, outward_links: bool = False) -> None:
    """See to it that everything in a folder, hidden files apart, can be copied.

    Args:
        outward_links: whether links may lead out of the folder, because we made them ourselves.

    Raises:
        ValueError: something is neither file nor folder: a link that leads nowhere, in circles or out of the folder, a
            socket, a pipe.
    """
    faults = {name: fault for name, fault in _found(source, outward_links) if isinstance(fault, str)}
    if faults:
        name, fault = next(iter(faults.items()))
        raise BadItems(
            f"{source}: expected files and folders, got {len(faults)} entries that are neither, first {name}: {fault}. "
            "Put files there (`cp -rL` copies what links lead to), or leave those entries out by --skip-bad.",
            faults,
        )


def copy(source: Path, target: Path, *, outward_links: bool = False) -> None:
    """Contents only: the permissions of where it came from are no part of a data set.

    What cannot be copied is named in the copy's `left-out.tsv`.

    Raises:
        ValueError: there are no files.
    """
    target.mkdir()
    faults = {}
    for name, found in _found(source, outward_links):
        if isinstance(found, str):
            faults[name] = found
        else:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(found, target / name)
    if not any(target.iterdir()):
        raise ValueError(f"{source}: expected the files of a data set, found none.")
    if faults:
        leave_out(target, faults)


def _found(source: Path, outward_links: bool) -> Iterator[tuple[str, Path | str]]:
    """Every file below a folder by its path within it; of what is no file, why not."""
    root = Path(source.resolve().anchor) if outward_links else source.resolve()
    folders = [source]
    while folders:
        for path in sorted(folders.pop(0).iterdir()):
            name = path.relative_to(source).as_posix()
            if path.name.startswith("."):
                continue
            if fault := _fault(path, root):
                yield name, fault
            elif path.is_dir():
                folders.append(path)
            else:
                yield name, path


def _fault(path: Path, root: Path) -> str:
    """Why this is neither a file nor a folder below the root; empty if it is."""
    if not path.is_symlink():
        return "" if path.is_file() or path.is_dir() else "a special file"
    if not path.exists():
        return f"a link to {path.readlink()}, which is not there"
    target = path.resolve()
    if not target.is_relative_to(root):
        return f"a link to {target}, out of the folder"
    return "a link to a folder around it" if path.parent.resolve().is_relative_to(target) else ""

"""Which bytes `datasets/` holds, and that it holds them: DVC, and no trust in it.

DVC tracks the folder as one (`datasets.dvc`): its manifest in DVC's cache lists the MD5 of every file. A data set's
*digest* is the SHA-256 of its own lines there, so that adding one data set changes no other's identity. The digests
are also kept in `datasets.dvc` itself (under `meta`, which DVC leaves alone): a fresh clone, which has no manifest yet,
can tell by name which data set it made differently.

DVC hands out damaged bytes with exit code 0, so whatever it brings is hashed again here. Everything that a night asks
for (`digest`, `verify`) is read from the files themselves; DVC runs only to change something, in a process of its own.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from configparser import ConfigParser
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from registry.settings import Settings
from zoo.data import made
from zoo.durable import write_atomically

Files = Mapping[str, str]
"""The MD5 of every file of a data set, by its path within it."""

_CONFIG = """\
[core]
    analytics = false
    check_update = false
    no_scm = true
"""
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
    recorded = _recorded(settings)
    here = {path.name for path in settings.datasets.glob("*") if path.is_dir()}
    found = []
    for name in sorted(here | set(recorded) | set(made.MADE)):
        sizes = [path.stat().st_size for path in (settings.datasets / name).rglob("*") if path.is_file()]
        state: Literal["ready", "absent", "unrecorded"] = "ready" if name in recorded else "unrecorded"
        found.append(
            Dataset(
                name=name,
                state=state if name in here else "absent",
                title=made.MADE.get(name, ""),
                files=len(sizes),
                size=sum(sizes),
                digest=recorded.get(name, ""),
            )
        )
    return tuple(found)


def chosen(names: Iterable[str], settings: Settings) -> tuple[str, ...]:
    """The named data sets, or all that are recorded if none is named.

    Raises:
        ValueError: one is not recorded, or none is.
    """
    recorded = _recorded(settings)
    wanted = tuple(dict.fromkeys(names)) or tuple(recorded)
    for name in wanted:
        if name not in recorded:
            raise ValueError(f"data set {name!r} is not recorded in datasets.dvc; recorded: {_listed(recorded)}.")
    if not wanted:
        raise ValueError("datasets.dvc records no data set yet: `zoo data make` or `zoo data add NAME PATH` first.")
    return wanted


def digest(name: str, settings: Settings) -> str:
    """The identity of a data set's content, as recorded: SHA-256 of its lines in the manifest. Reads no data file.

    Raises:
        ValueError: it is not recorded, or the manifest is absent or damaged.
    """
    return _digest(_manifest_of(name, settings))


def verify(name: str, settings: Settings) -> str:
    """Hash every byte of a data set, and of its copy in DVC's cache; returns its digest.

    Raises:
        ValueError: something differs; the message names each file that is missing, changed, or not recorded.
    """
    wanted = _manifest_of(name, settings)
    wrong = list(_differences(_hashed(settings.datasets / name), wanted))
    wrong += [f"damaged in DVC's cache: {path} ({_object(md5, settings)})" for path, md5 in _damaged(wanted, settings)]
    if wrong:
        raise ValueError(f"data set {name!r} is not what datasets.dvc records: {_listed(wrong)}. {_remedy(name)}")
    return _digest(wanted)


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
    recorded = _recorded(settings)
    wanted = list(dict.fromkeys(names)) or list(made.MADE)
    if not _has_manifest(settings):
        wanted += [name for name in made.MADE if name in recorded and name not in wanted]
    for name in wanted:
        if not (settings.datasets / name).exists():
            with _staging(name, settings) as staged:
                made.make(name, staged)
                if not accept:
                    _check_as_recorded(name, staged, settings)
                staged.rename(settings.datasets / name)
        elif not accept:
            _check_as_recorded(name, settings.datasets / name, settings)
    _record(wanted, settings)
    return tuple(wanted)


def add(name: str, path: Path, settings: Settings, *, skip_bad: bool = False) -> str | None:
    """Copy a data set that lies elsewhere into `datasets/` and record it; hidden files are left out.

    Args:
        skip_bad: do without absent and damaged items, and record which (`zoo.data.left_out`), instead of refusing.

    Returns:
        What it is, in words; None where no reader knows its layout.

    Raises:
        ValueError: a bad or taken name, no such folder, or a known layout with something missing or damaged in it.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"expected a name of lower-case letters, digits, '.', '_' and '-' for a data set, got {name!r}."
        )
    if name in made.MADE:
        raise ValueError(f"{name!r} is a data set that the zoo makes (`zoo data make {name}`). Choose another name.")
    if (settings.datasets / name).exists():
        raise ValueError(f"there is a data set {name!r} already. Choose another name, or delete datasets/{name} first.")
    if not path.is_dir():
        raise ValueError(f"expected the folder of a data set, got {path}, which is none.")
    from zoo.data.layouts import examine  # with numpy and cv2, which a night that skips everything never needs

    words = None if skip_bad else examine(path)  # before the copy is made
    with _staging(name, settings) as staged:
        _copy(path, staged)
        if skip_bad:
            words = examine(staged, skip_bad=True)
        staged.rename(settings.datasets / name)
    _record([name], settings)
    return words


def pull(names: Iterable[str], settings: Settings) -> tuple[str, ...]:
    """Bring recorded data sets (all if none is named) from the remote, and verify every byte that came.

    Raises:
        ValueError: not recorded, not on the remote, or damaged there.
    """
    wanted = chosen(names, settings)
    _configure_remote(settings)
    if _has_manifest(settings):
        for name in wanted:
            _drop_damaged(_manifest_of(name, settings), settings)
    _dvc(settings, "pull", *(f"datasets/{name}" for name in wanted))
    for name in wanted:
        verify(name, settings)
    return wanted


def push(names: Iterable[str], settings: Settings) -> tuple[str, ...]:
    """Bring recorded data sets (all if none is named) to the remote, each verified first.

    Raises:
        ValueError: not recorded, damaged here, or the remote cannot be written.
    """
    wanted = chosen(names, settings)
    for name in wanted:
        verify(name, settings)
    _configure_remote(settings)
    _dvc(settings, "push", *(f"datasets/{name}" for name in wanted))
    return wanted


# What is recorded: datasets.dvc and the manifest it points at


def _pointer(settings: Settings) -> str:
    """The text of datasets.dvc; empty where there is none yet."""
    path = settings.project / "datasets.dvc"
    return path.read_text() if path.is_file() else ""


def _recorded(settings: Settings) -> dict[str, str]:
    """The digest of every recorded data set, by name, from the `meta` of datasets.dvc."""
    return dict(re.findall(r"^    (\S+): ([0-9a-f]{64})$", _pointer(settings), re.MULTILINE))


def _manifest_path(settings: Settings) -> Path | None:
    found = re.search(r"^- md5: ([0-9a-f]{32}\.dir)$", _pointer(settings), re.MULTILINE)
    return _object(found[1], settings) if found else None


def _has_manifest(settings: Settings) -> bool:
    path = _manifest_path(settings)
    return path is not None and path.is_file()


def _manifest(settings: Settings) -> dict[str, dict[str, str]]:
    """Per data set, its files.

    Raises:
        ValueError: the manifest is absent or damaged.
    """
    path = _manifest_path(settings)
    if path is None:
        raise ValueError(f"{settings.project}: no data set is recorded in datasets.dvc. Run `zoo data make` first.")
    if not path.is_file():
        raise ValueError(
            f"{path}: the manifest that datasets.dvc names is not in DVC's cache, so no data set's identity is known. "
            f"Run `zoo data make` (for {', '.join(made.MADE)}) or `zoo data pull`."
        )
    if _md5(path) != path.parent.name + path.stem:
        raise ValueError(f"{path}: this manifest in DVC's cache is damaged. Delete it, then `zoo data make` or pull.")
    files: dict[str, dict[str, str]] = {}
    for line in json.loads(path.read_bytes()):
        name, _, within = line["relpath"].partition("/")
        files.setdefault(name, {})[within] = line["md5"]
    return files


def _manifest_of(name: str, settings: Settings) -> Files:
    manifest = _manifest(settings)
    if name not in manifest:
        raise ValueError(
            f"data set {name!r} is not recorded in datasets.dvc; recorded: {_listed(manifest)}. "
            f"Run `zoo data {'make ' + name if name in made.MADE else f'add {name} PATH'}`."
        )
    return manifest[name]


def _record(names: Sequence[str], settings: Settings) -> None:
    """Take what now lies under the names into the record, and leave every other data set's as it is.

    DVC can replace part of a manifest that it has (what is not touched need not be here); without one, all must be.
    """
    _prepare(settings)
    for name in names:
        _drop_damaged(_hashed(settings.datasets / name), settings)
    if _has_manifest(settings):
        _dvc(settings, "add", *(f"datasets/{name}" for name in names))
    else:
        _check_whole(names, settings)
        _dvc(settings, "add", "datasets")
    lines = (f"    {name}: {_digest(files)}\n" for name, files in sorted(_manifest(settings).items()))
    text = _pointer(settings).partition("meta:\n")[0] + "meta:\n  digests:\n" + "".join(lines)
    write_atomically(settings.project / "datasets.dvc", text.encode())
    for name in names:
        verify(name, settings)


def _check_whole(names: Sequence[str], settings: Settings) -> None:
    """Without a manifest all of `datasets/` is recorded as it lies: nothing may be absent, nothing new slip in."""
    recorded, here = set(_recorded(settings)), {path.name for path in settings.datasets.iterdir()}
    if absent := recorded - here:
        raise ValueError(
            f"datasets.dvc also records {_listed(absent)}, neither here nor in DVC's cache: "
            f"`zoo data pull {' '.join(sorted(absent))}` first, so that recording {_listed(names)} does not forget it."
        )
    if strange := here - recorded - set(names):
        raise ValueError(
            f"datasets/ also holds {_listed(strange)}, which is not recorded. "
            "Move it elsewhere and bring it in by `zoo data add NAME PATH`."
        )


def _check_as_recorded(name: str, folder: Path, settings: Settings) -> None:
    files, recorded = _hashed(folder), _recorded(settings)
    if recorded.get(name, _digest(files)) == _digest(files):
        return
    differing = list(_differences(files, _manifest_of(name, settings))) if _has_manifest(settings) else []
    raise ValueError(
        f"data set {name!r}: expected the digest {recorded[name][:16]}... that datasets.dvc records, "
        f"got {_digest(files)[:16]}...{': ' if differing else ''}{_listed(differing)}. If files were damaged, delete "
        f"datasets/{name} and make it again; if the making was changed on purpose, `zoo data make {name} --accept`."
    )


# Bytes


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _hashed(folder: Path) -> dict[str, str]:
    """Every file below a folder."""
    return {path.relative_to(folder).as_posix(): _md5(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def _digest(files: Files) -> str:
    return hashlib.sha256("".join(f"{files[path]} {path}\n" for path in sorted(files)).encode()).hexdigest()


def _differences(have: Files, wanted: Files) -> Iterator[str]:
    for path in sorted(have.keys() | wanted.keys()):
        if path not in have:
            yield f"missing: {path}"
        elif path not in wanted:
            yield f"not recorded: {path}"
        elif have[path] != wanted[path]:
            yield f"changed: {path}"


def _object(md5: str, settings: Settings) -> Path:
    """Where DVC's cache keeps an object; `cache.dir` may be set in the project's DVC configuration."""
    config = _configuration(settings, ".dvc/config", ".dvc/config.local")
    root = settings.project / ".dvc" / config.get("cache", "dir", fallback="cache")
    return root / "files" / "md5" / md5[:2] / md5[2:]


def _damaged(files: Files, settings: Settings) -> Iterator[tuple[str, str]]:
    """Path and MD5 of those files whose object in the cache is there, but is not what its name says."""
    for path, md5 in files.items():
        cached = _object(md5, settings)
        if cached.is_file() and _md5(cached) != md5:
            yield path, md5


def _drop_damaged(files: Files, settings: Settings) -> None:
    """DVC never writes an object again that it believes to have."""
    for _, md5 in _damaged(files, settings):
        _object(md5, settings).unlink(missing_ok=True)


@contextmanager
def _staging(name: str, settings: Settings) -> Iterator[Path]:
    """A path to fill and then to rename into `datasets/`: what is half made never lies there."""
    incoming = settings.project / ".dvc" / "tmp"
    incoming.mkdir(parents=True, exist_ok=True)
    settings.datasets.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=incoming, prefix="incoming-") as folder:
        yield Path(folder) / name


def _copy(source: Path, target: Path) -> None:
    """Contents only: the permissions of where it came from are no part of a data set."""
    for path in sorted(source.rglob("*")):
        within = path.relative_to(source)
        if path.is_file() and not any(part.startswith(".") for part in within.parts):
            (target / within).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / within)
    if not target.is_dir():
        raise ValueError(f"{source}: expected the files of a data set, found none.")


def _listed(words: Iterable[str]) -> str:
    words = list(words)
    return ", ".join(words[:10]) + (f" and {len(words) - 10} more" if len(words) > 10 else "")


def _remedy(name: str) -> str:
    if name in made.MADE:
        return f"Delete datasets/{name} and run `zoo data make {name}`."
    return f"Delete datasets/{name} and run `zoo data pull {name}`, or add it again."


# DVC


def _prepare(settings: Settings) -> None:
    """What `dvc init` would do, without asking for a git repository."""
    config = settings.project / ".dvc" / "config"
    if not config.is_file():
        config.parent.mkdir(exist_ok=True)
        write_atomically(config, _CONFIG.encode())


def _configuration(settings: Settings, *files: str) -> ConfigParser:
    parser = ConfigParser(interpolation=None)
    parser.read(settings.project / file for file in files)
    return parser


def _configure_remote(settings: Settings) -> None:
    """The project's default remote, or a folder in the zoo's home where it has none; either verifies what it is sent.

    Written to `.dvc/config.local`, which is nobody else's: the home is where $ZOO_HOME says today.
    """
    _prepare(settings)
    local = _configuration(settings, ".dvc/config.local")
    remote = _configuration(settings, ".dvc/config", ".dvc/config.local").get("core", "remote", fallback="home")
    section = f"'remote \"{remote}\"'"
    wanted = {"core": {"remote": remote}, section: {"verify": "true"}}
    if remote == "home":
        wanted[section]["url"] = str(settings.home / "remote")
    for name, options in wanted.items():
        if not local.has_section(name):
            local.add_section(name)
        for option, value in options.items():
            local.set(name, option, value)
    with (settings.project / ".dvc" / "config.local").open("w") as file:
        local.write(file)


def _dvc(settings: Settings, *arguments: str) -> None:
    """Run DVC in the project. `-P`: or it would take the project's `datasets/` for the package of that name.

    Raises:
        ValueError: it failed; the message is its own.
    """
    environment = os.environ | {"DVC_SITE_CACHE_DIR": str(settings.home / "dvc")}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "dvc", *arguments],
        cwd=settings.project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = " ".join(done.stderr[max(done.stderr.find("ERROR"), 0) :].split())
        raise ValueError(f"`dvc {' '.join(arguments)}` failed: {said}")

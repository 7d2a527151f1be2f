"""DVC in a process of its own: its settings in the project, its remote, and its cache, which is hashed here."""

import configparser
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from flows.datasets.hashing import Files, md5_of
from registry.settings import Settings
from zoo.durable import write_atomically

_CONFIG = """\
[core]
    analytics = false
    check_update = false
    no_scm = true
"""


def run(settings: Settings, *arguments: str) -> None:
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


def prepare(settings: Settings) -> None:
    """What `dvc init` would do, without asking for a git repository."""
    config = settings.project / ".dvc" / "config"
    if not config.is_file():
        config.parent.mkdir(exist_ok=True)
        write_atomically(config, _CONFIG.encode())


def configure_remote(settings: Settings) -> None:
    """The project's default remote, or a folder in the zoo's home where it has none; either verifies what it is sent.

    Written to `.dvc/config.local`, which is nobody else's: the home is where $ZOO_HOME says today.
    """
    prepare(settings)
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


def cache_folder(settings: Settings) -> Path:
    """Where the cache lies; `cache.dir` may be set in the project's DVC configuration."""
    config = _configuration(settings, ".dvc/config", ".dvc/config.local")
    return settings.project / ".dvc" / config.get("cache", "dir", fallback="cache")


def cached(md5: str, cache: Path) -> Path:
    """Where the cache keeps an object."""
    return cache / "files" / "md5" / md5[:2] / md5[2:]


def damaged(files: Files, settings: Settings) -> Iterator[tuple[str, Path]]:
    """Those files whose object in the cache is there, but is not what its name says, and that object."""
    cache = cache_folder(settings)
    for path, md5 in files.items():
        copy = cached(md5, cache)
        if copy.is_file() and md5_of(copy) != md5:
            yield path, copy


def drop_damaged(files: Files, settings: Settings) -> None:
    """Have DVC write damaged objects anew, which it never does to those that it believes to have."""
    for _, copy in damaged(files, settings):
        copy.unlink(missing_ok=True)


def _configuration(settings: Settings, *files: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(settings.project / file for file in files)
    except configparser.Error as error:
        raise ValueError(f"expected a configuration of DVC, got: {' '.join(str(error).split())}. Mend it.") from error
    return parser

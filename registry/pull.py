"""Bringing a registered model to a folder: every byte checked against the registry before it is there.

Nothing from the artifact is executed: not MLflow's loaders (an `MLmodel` file names a module to import), not pickle.
"""

import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from registry.glance import Version, read
from registry.settings import Settings
from zoo.artifact import MANIFEST, sha256_of, verify
from zoo.durable import sync_folder

REFERENCE = re.compile(r"(?P<entry>[^@/\s]+)(?:@(?P<alias>[\w-]+)|/(?P<number>\d+))?")


def resolve(reference: str, settings: Settings) -> Version:
    """The READY version that a reference names: `entry@champion`, `entry@latest`, `entry/3`; `entry` is its champion.

    Raises:
        ValueError: no such entry, alias or number; the message names what there is.
    """
    parts = REFERENCE.fullmatch(reference)
    if not parts:
        raise ValueError(f"{reference!r}: expected ENTRY@champion, ENTRY@latest or ENTRY/NUMBER, as in siamfc.otb/3.")
    versions = read(settings, parts["entry"]).versions()
    if not versions:
        known = ", ".join(read(settings).entries)
        raise ValueError(
            f"no entry {parts['entry']!r} in the registry; it has: {known or 'none yet, run `zoo night`'}."
        )
    if parts["number"]:
        found = next((v for v in versions if v.number == int(parts["number"])), None)
    elif parts["alias"] == "latest":  # MLflow reserves the word, and would count versions that are not READY
        found = versions[-1]
    else:
        found = next((v for v in versions if (parts["alias"] or "champion") in v.aliases), None)
    if found is None:
        there = ", ".join(f"{v}{''.join(f' @{alias}' for alias in v.aliases)}" for v in versions)
        raise ValueError(f"{reference}: no such version; there are: {there}; @latest is {versions[-1]}.")
    return found


def pull(reference: str, destination: Path, settings: Settings) -> Version:
    """Bring a version to a folder that does not exist yet, is empty, or holds exactly this version already.

    Raises:
        ValueError: no such version, the folder holds something else, or a registered file was changed (named).
        ConnectionError: the tracking server does not answer.
    """
    from registry.store import fetch

    version = resolve(reference, settings)
    destination = destination.resolve()
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        _same(destination, version)
        return version
    destination.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{destination.name}.", dir=destination.parent) as scratch:
        arriving = Path(scratch) / "model"
        shutil.copytree(fetch(version, settings, Path(scratch) / "download"), arriving)
        verify(arriving, version.manifest)
        arriving.replace(destination)
        sync_folder(destination.parent)
    return version


def _same(destination: Path, version: Version) -> None:
    manifest = destination / MANIFEST
    if not manifest.is_file() or sha256_of(manifest) != version.manifest:
        raise ValueError(
            f"{destination}: expected an empty folder or one that holds {version}, but something else is in it. "
            "Choose another folder, or remove it."
        )
    verify(destination, version.manifest)

"""What a page shows of a version besides its record: card, curves and pictures, checked, made small, kept.

Kept by content under the cache, so that a night reads only what is new; whoever deletes the cache loses nothing.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from registry.glance import Version
from registry.settings import Settings
from registry.store import fetch
from zoo.artifact import MANIFEST, sha256_of
from zoo.durable import write_atomically

QUALITY = 82  # of WebP: a third to a tenth of a PNG's size, and nobody sees the difference at this size
DRAWN = "pictures/training.png"  # the page draws the curves itself


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A version's card, the points of its curves and its pictures (WebP), by name."""

    card: str = ""
    curves: tuple[Mapping[str, Any], ...] = ()
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    fault: str = ""  # why there is nothing of all that


def shown(version: Version, settings: Settings) -> Shown:
    """What there is to show of a version; what cannot be shown says why, and hides no other."""
    folder = settings.cache / "shown" / version.manifest[:32]
    try:
        if not folder.is_dir():
            _keep(version, settings, folder)
        return _kept(folder)
    except (OSError, ValueError) as error:  # a file that is gone or was changed, a server that is away
        return Shown(fault=str(error))


def card(version: Version, settings: Settings) -> str:
    """A version's card; empty where it has none.

    Raises:
        ValueError: it was changed since it was registered.
        OSError: its files are gone, or the tracking server does not answer.
    """
    with TemporaryDirectory() as scratch:
        files = _files(version, settings, Path(scratch))
        if "card.md" not in files:
            return ""
        return _file(version, "card.md", files, settings, Path(scratch)).read_text(encoding="utf-8")


def _keep(version: Version, settings: Settings, folder: Path) -> None:
    """Bring what is shown of a version into a folder, in one step."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".", dir=folder.parent) as scratch:
        making = Path(scratch) / "shown"
        making.mkdir()
        files = _files(version, settings, Path(scratch))
        for name in files:
            if name in ("card.md", "curves.jsonl"):
                shutil.copyfile(_file(version, name, files, settings, Path(scratch)), making / name)
            elif name.startswith("pictures/") and name.endswith(".png") and name != DRAWN:
                picture = _file(version, name, files, settings, Path(scratch))
                write_atomically((making / Path(name).name).with_suffix(".webp"), _small(picture))
        if not folder.is_dir():
            making.replace(folder)


def _kept(folder: Path) -> Shown:
    text = {name: folder / name for name in ("card.md", "curves.jsonl")}
    lines = text["curves.jsonl"].read_text(encoding="utf-8").splitlines() if text["curves.jsonl"].is_file() else []
    return Shown(
        card=text["card.md"].read_text(encoding="utf-8") if text["card.md"].is_file() else "",
        curves=tuple(json.loads(line) for line in lines),
        pictures={picture.stem: picture.read_bytes() for picture in sorted(folder.glob("*.webp"))},
    )


def _files(version: Version, settings: Settings, scratch: Path) -> Mapping[str, str]:
    """Names and SHA-256 of a version's files, from the manifest that it was registered with."""
    manifest = fetch(version, settings, scratch, part=MANIFEST)
    if sha256_of(manifest) != version.manifest:
        raise ValueError(f"{manifest}: not the manifest that {version} was registered with; nothing of it is shown.")
    files: dict[str, str] = json.loads(manifest.read_text())["files"]
    return files


def _file(version: Version, name: str, files: Mapping[str, str], settings: Settings, scratch: Path) -> Path:
    """One of a version's files, as it was registered."""
    file = fetch(version, settings, scratch, part=name)
    if sha256_of(file) != files[name]:
        raise ValueError(f"{file}: changed since {version} was registered; nothing of it is shown.")
    return file


def _small(picture: Path) -> bytes:
    into = BytesIO()
    with Image.open(picture) as image:
        image.convert("RGB").save(into, "WEBP", quality=QUALITY)
    return into.getvalue()

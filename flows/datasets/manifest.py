"""What is recorded: `datasets.dvc`, which git keeps, and the manifest in DVC's cache that it names."""

import hashlib
import json
import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from flows.datasets.dvc import cache_folder, cached
from flows.datasets.hashing import Files, digest_of, listed
from registry.settings import Settings
from zoo.data.made import MADE
from zoo.durable import write_atomically


def pointer(settings: Settings) -> str:
    """The text of `datasets.dvc`; empty where there is none yet."""
    path = settings.project / "datasets.dvc"
    return path.read_text() if path.is_file() else ""


def recorded(settings: Settings) -> dict[str, str]:
    """The digest of every recorded data set by name, from the `meta` of `datasets.dvc`."""
    return dict(re.findall(r"^    (\S+): ([0-9a-f]{64})$", pointer(settings), re.MULTILINE))


def digests(names: Iterable[str], settings: Settings) -> dict[str, str]:
    """The recorded identity of each of some data sets.

    Raises:
        ValueError: one is not recorded, or the manifest is absent or damaged.
    """
    manifest = Manifest(settings)
    return {name: manifest.digest(name) for name in names}


class Manifest:
    """What was recorded when it was first asked: one reading for a whole command, however many data sets it is about.

    Its bytes are hashed each time. What they say is a function of them, so the digests of a manifest seen before are
    remembered in the zoo's home: parsing the hundred thousand lines of COCO costs ten times what hashing them does.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def digest(self, name: str) -> str:
        """The identity of a data set's content. Reads no file of it.

        Raises:
            ValueError: it is not recorded, or the manifest is absent or damaged.
        """
        self._expect(name, self._digests)
        return self._digests[name]

    def files(self, name: str) -> Files:
        """The MD5 of every file of a data set.

        Raises:
            ValueError: it is not recorded, or the manifest is absent or damaged.
        """
        self._expect(name, self._files)
        return self._files[name]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the data sets that it lists.

        Raises:
            ValueError: the manifest is absent or damaged.
        """
        return tuple(self._digests)

    def check(self) -> None:
        """Hash it.

        Raises:
            ValueError: it is absent or damaged.
        """
        self._content  # noqa: B018

    @property
    def present(self) -> bool:
        """Whether there is one in DVC's cache; a fresh clone has none."""
        return self._path is not None and self._path.is_file()

    def _expect(self, name: str, found: Iterable[str]) -> None:
        if name not in found:
            raise ValueError(
                f"data set {name!r} is not recorded in datasets.dvc; recorded: {listed(found)}. "
                f"Run `zoo data {'make ' + name if name in MADE else f'add {name} PATH'}`."
            )

    @cached_property
    def _path(self) -> Path | None:
        found = re.search(r"^- md5: ([0-9a-f]{32}\.dir)$", pointer(self.settings), re.MULTILINE)
        return cached(found[1], cache_folder(self.settings)) if found else None

    @cached_property
    def _content(self) -> bytes:
        path = self._path
        if path is None:
            raise ValueError(
                f"{self.settings.project}: no data set is recorded in datasets.dvc. Run `zoo data make` first."
            )
        if not path.is_file():
            raise ValueError(
                f"{path}: the manifest that datasets.dvc names is not in DVC's cache, so no data set's identity is "
                f"known. Run `zoo data make` (for {', '.join(MADE)}) or `zoo data pull`."
            )
        content = path.read_bytes()
        if hashlib.md5(content, usedforsecurity=False).hexdigest() != path.parent.name + path.stem:
            raise ValueError(
                f"{path}: this manifest in DVC's cache is damaged. Delete it, then `zoo data make` or pull."
            )
        return content

    @cached_property
    def _files(self) -> dict[str, dict[str, str]]:
        files: dict[str, dict[str, str]] = {}
        for line in json.loads(self._content):
            name, _, within = line["relpath"].partition("/")
            files.setdefault(name, {})[within] = line["md5"]
        return files

    @cached_property
    def _digests(self) -> dict[str, str]:
        memo = self.settings.home / "memo" / f"manifest-{hashlib.sha256(self._content).hexdigest()[:32]}.json"
        # What a damaged memo says is not what datasets.dvc says of the same manifest.
        if memo.is_file() and memo.read_bytes() == _as_json(stated := recorded(self.settings)):
            return stated
        found = {name: digest_of(files) for name, files in self._files.items()}
        memo.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(memo, _as_json(found))
        return found


def _as_json(digests: dict[str, str]) -> bytes:
    return json.dumps(digests, sort_keys=True).encode()

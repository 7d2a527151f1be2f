"""What verdicts are made from: the units of both sides, found in the registry, checked, and kept for a replay."""

import json
from pathlib import Path

from registry.gate import Side
from registry.glance import Version
from registry.settings import Settings
from registry.store import attach, attached, fetch
from zoo.artifact import MANIFEST, sha256_of

RESCORED = "rescored"  # folder of a challenger's run with its champion's units as they were scored for it


def alike(version: Version, other: Version) -> bool:
    """Whether the two were scored under one protocol on the same data, so that their numbers compare."""
    return (version.protocol, version.data_digest) == (other.protocol, other.data_digest)


def sides(
    challenger: Version, champion: Version | None, settings: Settings, scratch: Path, *, rescored: Path | None = None
) -> tuple[Side, Side]:
    """Challenger and champion (None: the challenger's floor) with the units that they are compared on.

    Args:
        scratch: where the files of a server are brought.
        rescored: the champion's units under the challenger's protocol and data, where the two are not `alike`.

    Raises:
        ValueError: a registered file was changed.
        ConnectionError: the tracking server does not answer.
    """
    mine = evaluation(challenger, settings, scratch / "challenger")
    protocol, data_digest = challenger.protocol, challenger.data_digest
    side = Side(number=challenger.number, protocol=protocol, data_digest=data_digest, units=mine / "units.parquet")
    if champion is None:
        return side, side.model_copy(update={"number": None, "units": mine / "floor.parquet"})
    if rescored is not None and not alike(challenger, champion):
        return side, side.model_copy(update={"number": champion.number, "units": rescored})
    theirs = evaluation(champion, settings, scratch / "champion")
    return side, Side(
        number=champion.number,
        protocol=champion.protocol,
        data_digest=champion.data_digest,
        units=theirs / "units.parquet",
    )


def keep(challenger: Version, rescored: Path, settings: Settings) -> None:
    """Store a champion's rescored units with the run of the challenger that they were made for, named by their hash."""
    constants = rescored.with_suffix(".safetensors")
    files = [rescored, constants] if constants.is_file() else [rescored]
    attach(challenger, f"{RESCORED}/{sha256_of(rescored)}", files, settings)


def kept(challenger: Version, digest: str, settings: Settings, scratch: Path) -> Path:
    """The rescored units of this SHA-256.

    Raises:
        ValueError: they were never kept.
        ConnectionError: the tracking server does not answer.
    """
    folder = attached(challenger, f"{RESCORED}/{digest}", settings, scratch)
    if folder is None:
        raise ValueError(
            f"{challenger}: its champion was scored again for it, and those units are not in the registry (older "
            "nightzoos did not keep them): this verdict cannot be made again."
        )
    return folder / "units.parquet"


def evaluation(version: Version, settings: Settings, scratch: Path) -> Path:
    """A version's evaluation, if its manifest is the registered one and the files are what the manifest says."""
    folder = fetch(version, settings, scratch)
    manifest = folder / MANIFEST
    if sha256_of(manifest) != version.manifest:
        raise ValueError(f"{manifest}: not the manifest that {version} was registered with; nothing was judged.")
    expected: dict[str, str] = json.loads(manifest.read_text())["files"]
    for name, digest in expected.items():
        if name.startswith("evaluation/") and sha256_of(folder / name) != digest:
            raise ValueError(f"{folder / name}: changed since {version} was registered; nothing was judged.")
    return folder / "evaluation"

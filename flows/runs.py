"""Where runs live: a folder for each identity of weights, in it a sealed model for each identity of numbers."""

from pathlib import Path

from flows.fingerprint import Ingredients
from registry.glance import Version, read
from registry.settings import Settings
from zoo.artifact import MANIFEST


def run_folder(settings: Settings, entry: str, trains: str) -> Path:
    """Of the one training of these weights: checkpoints, curves, and in the end its sealed models."""
    return settings.runs / entry / trains[:16]


def model_name(made: Ingredients) -> str:
    """What a sealed model is called in its run folder."""
    return f"model-{made.scores[:16]}"


def model_folder(settings: Settings, entry: str, made: Ingredients) -> Path:
    """Of the sealed model with these weights and these numbers."""
    return run_folder(settings, entry, made.trains) / model_name(made)


def sealed(settings: Settings, entry: str, trains: str) -> Path | None:
    """The newest sealed model with these weights on this machine, whatever its numbers."""
    found = run_folder(settings, entry, trains).glob(f"model-*/{MANIFEST}")
    return max((path.parent for path in found), key=lambda folder: folder.stat().st_mtime_ns, default=None)


def pulled(version: Version, settings: Settings) -> Path:
    """A registered version as a folder on this machine, every byte checked against the registry.

    Raises:
        ValueError: a registered file was changed.
        ConnectionError: the tracking server does not answer.
    """
    from registry.pull import pull

    folder = settings.home / "pulled" / version.entry / str(version.number)
    pull(str(version), folder, settings)
    return folder


def upstream_folder(entry: str, trains: str, settings: Settings) -> Path:
    """A sealed model with these weights: where it was made, else pulled from the registry.

    Raises:
        ValueError: neither this machine nor the registry has it.
    """
    here = sealed(settings, entry, trains)
    if here is not None:
        return here
    version = read(settings, entry).by_trains(entry, trains)
    if version is None:
        folder = run_folder(settings, entry, trains)
        raise ValueError(f"{entry}: expected a model in {folder}, which is gone. Start the night again to make it.")
    return pulled(version, settings)

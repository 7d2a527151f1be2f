"""Where runs live: a folder for each identity of weights, in it a sealed model for each identity of numbers."""

import shutil
from collections.abc import Callable
from pathlib import Path

from flows.fingerprint import Ingredients
from registry.glance import Version, read
from registry.settings import Settings
from zoo.artifact import MANIFEST, verify


def run_folder(settings: Settings, entry: str, trains: str) -> Path:
    """Of the one training of these weights: checkpoints, curves, and in the end its sealed models."""
    return settings.runs / entry / trains[:16]


def model_name(made: Ingredients) -> str:
    """What a sealed model is called in its run folder."""
    return f"model-{made.scores[:16]}"


def model_folder(settings: Settings, entry: str, made: Ingredients) -> Path:
    """Of the sealed model with these weights and these numbers."""
    return run_folder(settings, entry, made.trains) / model_name(made)


def sealed(settings: Settings, entry: str, trains: str) -> tuple[Path, ...]:
    """The sealed models with these weights on this machine, whatever their numbers, newest first."""
    found = run_folder(settings, entry, trains).glob(f"model-*/{MANIFEST}")
    return tuple(sorted((path.parent for path in found), key=lambda folder: -folder.stat().st_mtime_ns))


def pulled(version: Version, settings: Settings) -> Path:
    """A registered version as a folder on this machine, every byte checked against the registry.

    Raises:
        Damaged: a registered file was changed.
        ConnectionError: the tracking server does not answer.
    """
    from registry.pull import Damaged, pull

    folder = _pulled_folder(version, settings)
    try:
        pull(str(version), folder, settings)
    except Damaged:
        raise
    except ValueError:  # the copy here was changed since: it is the zoo's own, so it is brought again
        shutil.rmtree(folder)
        pull(str(version), folder, settings)
    return folder


def copies(version: Version, settings: Settings) -> tuple[Path, ...]:
    """The folders on this machine that may hold the bytes of a version: where it was made, and where it was pulled."""
    return (*sealed(settings, version.entry, version.trains), _pulled_folder(version, settings))


def set_aside(version: Version, settings: Settings) -> None:
    """Rename the sealed models of a version that are damaged here, so that it is made anew instead of delivered."""
    for folder in sealed(settings, version.entry, version.trains):
        try:
            verify(folder)
        except (OSError, ValueError):
            shutil.rmtree(folder.with_name(f"damaged-{folder.name}"), ignore_errors=True)
            folder.rename(folder.with_name(f"damaged-{folder.name}"))


def heal_some(settings: Settings, *, warn: Callable[[str], None]) -> None:
    """Check some registered versions and heal those that are damaged (`registry.healing.check_some`), before a night is
    planned: what had to be withdrawn is then trained again.

    Args:
        warn: told of each that was damaged and what was done, and where the registry could not be looked at.
    """
    from registry.healing import check_some

    try:
        found = check_some(settings, lambda version: copies(version, settings))
    except OSError as error:
        warn(f"registered models were not checked tonight: {error}")
        return
    for healed in found:
        warn(f"{healed.version} is not what was registered ({'; '.join(healed.faults)}): {healed.done}.")
        if healed.withdrawn:
            set_aside(healed.version, settings)


def whole_model(entry: str, trains: str, settings: Settings, *, warn: Callable[[str], None]) -> Path:
    """A sealed model with these weights, every byte of it checked: the newest made here, else the registry's copy.

    Args:
        warn: told what is damaged here, where the registry's copy is taken instead.

    Raises:
        ValueError: neither this machine nor the registry has it whole.
        ConnectionError: the tracking server does not answer.
    """
    damage = []
    for folder in sealed(settings, entry, trains):
        try:
            verify(folder)
            return folder
        except (OSError, ValueError) as error:
            damage.append(str(error))
    version = read(settings, entry).by_trains(entry, trains)
    if version is None:
        told = " ".join(damage) or f"{entry}: expected a model in {run_folder(settings, entry, trains)}, which is gone."
        raise ValueError(
            f"{told} The registry has none with these weights: remove what is left of it and start the "
            "night again, which makes it anew."
        )
    if damage:
        warn(f"{' '.join(damage)} Version {version.number} of {entry} is taken from the registry instead.")
    return pulled(version, settings)


def _pulled_folder(version: Version, settings: Settings) -> Path:
    return settings.home / "pulled" / version.entry / str(version.number)

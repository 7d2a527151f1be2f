"""Every byte of a data set against its record."""

from flows.datasets.dvc import damaged
from flows.datasets.hashing import differences, hash_files, listed
from flows.datasets.manifest import Manifest
from zoo.data.made import MADE


def verify(name: str, manifest: Manifest) -> str:
    """Hash every byte of a data set, and of its copy in DVC's cache; returns its digest.

    Raises:
        ValueError: something differs or cannot be read; the message names each file that is missing, changed, or not
            recorded.
    """
    settings, wanted = manifest.settings, manifest.files(name)
    try:
        wrong = list(differences(hash_files(settings.datasets / name), wanted))
        wrong += [f"damaged in DVC's cache: {path} ({copy})" for path, copy in damaged(wanted, settings)]
    except OSError as error:
        raise ValueError(f"data set {name!r} cannot be read: {error}. Mend the disk or the permissions.") from error
    if wrong:
        raise ValueError(f"data set {name!r} is not what datasets.dvc records: {listed(wrong)}. {_remedy(name)}")
    return manifest.digest(name)


def _remedy(name: str) -> str:
    if name in MADE:
        return f"Delete datasets/{name} and run `zoo data make {name}`."
    return f"Delete datasets/{name} and run `zoo data pull {name}`, or add it again."

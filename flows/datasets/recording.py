"""Taking what lies in `datasets/` into the record, and telling beforehand whether that can be done."""

from collections.abc import Sequence
from pathlib import Path

from flows.datasets import dvc
from flows.datasets.hashing import differences, digest_of, hash_files, listed
from flows.datasets.manifest import Manifest, pointer, recorded
from flows.datasets.verifying import verify
from registry.settings import Settings
from zoo.data.made import MADE
from zoo.durable import write_atomically


def made_along(settings: Settings) -> tuple[str, ...]:
    """The data sets that have to be made before another one can be recorded.

    DVC can replace part of a manifest that it has, but a fresh clone has none: it records all or nothing.
    """
    if Manifest(settings).present:
        return ()
    return tuple(name for name in MADE if name in recorded(settings))


def check_recordable(names: Sequence[str], settings: Settings) -> None:
    """See to it that recording these data sets would forget no other, and take in none that nobody asked for.

    Raises:
        ValueError: the manifest is damaged; or there is none, and something recorded is absent and cannot be made, or
            something lies in `datasets/` that is not recorded.
    """
    manifest = Manifest(settings)
    if manifest.present:
        manifest.check()
        return
    here = {path.name for path in settings.datasets.iterdir()} if settings.datasets.is_dir() else set()
    known = set(recorded(settings))
    if absent := sorted(known - here - set(MADE)):
        raise ValueError(
            f"datasets.dvc also records {listed(absent)}, neither here nor in DVC's cache: "
            f"`zoo data pull {' '.join(absent)}` first, so that recording {listed(names)} does not forget it."
        )
    if strange := sorted(here - known - set(names)):
        raise ValueError(
            f"datasets/ also holds {listed(strange)}, which is not recorded. "
            "Move it elsewhere and bring it in by `zoo data add NAME PATH`."
        )


def check_as_recorded(name: str, folder: Path, settings: Settings) -> None:
    """Compare a data set that was made with what is recorded of it, if anything is.

    Raises:
        ValueError: other bytes came out.
    """
    files, wanted = hash_files(folder), recorded(settings).get(name)
    if wanted in (None, digest_of(files)):
        return
    manifest = Manifest(settings)
    differing = list(differences(files, manifest.files(name))) if manifest.present else []
    raise ValueError(
        f"data set {name!r}: expected the digest {wanted[:16]}... that datasets.dvc records, "
        f"got {digest_of(files)[:16]}...{': ' if differing else ''}{listed(differing)}. If files were damaged, delete "
        f"datasets/{name} and make it again; if the making was changed on purpose, `zoo data make {name} --accept`."
    )


def record(names: Sequence[str], settings: Settings) -> None:
    """Take what now lies under the names into the record, and leave every other data set's as it is.

    Raises:
        ValueError: DVC failed, or what it took is not what lies there.
    """
    dvc.prepare(settings)
    for name in names:
        dvc.drop_damaged(hash_files(settings.datasets / name), settings)
    if Manifest(settings).present:
        dvc.run(settings, "add", *(f"datasets/{name}" for name in names))
    else:
        check_recordable(names, settings)
        dvc.run(settings, "add", "datasets")
    manifest = Manifest(settings)
    lines = (f"    {name}: {manifest.digest(name)}\n" for name in sorted(manifest.names))
    text = pointer(settings).partition("meta:\n")[0] + "meta:\n  digests:\n" + "".join(lines)
    write_atomically(settings.project / "datasets.dvc", text.encode())
    for name in names:
        verify(name, manifest)

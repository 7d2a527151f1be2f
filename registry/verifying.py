"""Whether a folder is the model that was sealed: asked offline, of a person's own copy."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from zoo.contents import MANIFEST, Contents, sha256_of


def verified(folder: Path, *, only: Sequence[str] = (), manifest: str = "") -> tuple[str, int, tuple[str, ...]]:
    """Hash the files of a sealed folder.

    Args:
        only: patterns of the files that have to be there; none: all. What else is there has to be as sealed too.
        manifest: SHA-256 that the manifest has to have, if that is known.

    Returns:
        The manifest's SHA-256, how many files were asked for, and what is wrong, a line each.

    Raises:
        ValueError: it is no sealed folder, or no file is like a pattern.
    """
    path = folder / MANIFEST
    if path.is_symlink() or not path.is_file():
        raise ValueError(f"{folder}: expected a folder that `zoo pull` wrote, but it has no {MANIFEST}.")
    digest = sha256_of(path)
    try:
        contents = Contents.parsed(path.read_bytes())
    except ValueError as error:
        return digest, 0, (f"{MANIFEST}: {error}",)
    names = [name for name in contents.files if not only or any(fnmatchcase(name, pattern) for pattern in only)]
    if not names and only:
        raise ValueError(f"{folder} has no file like {' or '.join(only)}; it has: {', '.join(contents.files)}.")
    wrong = [f"{MANIFEST}: expected SHA-256 {manifest}, got {digest}"] if manifest not in ("", digest) else []
    return digest, len(names), (*wrong, *contents.faults(folder, names))

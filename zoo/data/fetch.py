"""Bring files over HTTP and unpack archives, trusting neither the connection nor the archive."""

import hashlib
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from zoo.data.sources import File

Report = Callable[[str, int, int | None], None]
"""Told the name of a file, the bytes that are here, and the bytes there will be if that is known."""

CHUNK = 1 << 20
TIMEOUT = 60  # seconds without a byte


def download(file: File, folder: Path, report: Report = lambda *_: None) -> Path:
    """Bring a file; what an interrupted transfer left (`NAME.part`) is kept and continued.

    Raises:
        ValueError: the server refuses, the transfer breaks off, or size or checksum are not the known ones.
    """
    target, part = folder / file.name, folder / f"{file.name}.part"
    if target.is_file():  # it was verified before it got this name
        return target
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _continue(file, part, report)
    except (OSError, HTTPException) as error:
        here = part.stat().st_size if part.is_file() else 0
        raise ValueError(
            f"{file.url}: {error}. {here:,} bytes are kept in {part}; run the same command again to go on from there."
        ) from error
    _verify(file, part)
    return part.rename(target)


def _continue(file: File, part: Path, report: Report) -> None:
    """Ask for what is missing; begin anew where the server cannot, or where the file there is another one by now."""
    stamp = part.with_suffix(".stamp")  # the server's name for the version that the part is of
    here = part.stat().st_size if part.is_file() and stamp.is_file() else 0
    asked = {"Range": f"bytes={here}-", "If-Range": stamp.read_text()} if here else {}
    try:
        answer: HTTPResponse = urlopen(Request(file.url, headers=asked), timeout=TIMEOUT)
    except HTTPError as error:
        if error.code == 416 and here:  # nothing is missing, or it has become shorter: the checks below decide
            return
        raise
    with answer, part.open("ab" if answer.status == 206 else "wb") as out:
        here = here if answer.status == 206 else 0
        length = answer.headers["Content-Length"]
        total = here + int(length) if length else None
        if version := answer.headers["ETag"] or answer.headers["Last-Modified"]:
            stamp.write_text(version)
        for chunk in iter(lambda: answer.read(CHUNK), b""):
            out.write(chunk)
            here += len(chunk)
            report(file.name, here, total)
    if total is not None and here != total:
        raise OSError(f"the transfer broke off after {here:,} of {total:,} bytes")
    stamp.unlink(missing_ok=True)


def _verify(file: File, part: Path) -> None:
    """What is wrong is deleted: continuing it would not mend it."""
    algorithm, _, wanted = file.checksum.partition(":")
    size = part.stat().st_size
    wrong = f"expected {file.size:,} bytes, got {size:,}" if file.size not in (None, size) else ""
    if wanted and not wrong:
        with part.open("rb") as content:
            found = hashlib.file_digest(content, algorithm).hexdigest()
        wrong = "" if found.startswith(wanted) else f"expected the {algorithm} {wanted}, got {found[: len(wanted)]}"
    if wrong:
        part.unlink()
        raise ValueError(
            f"{file.url}: {wrong}. What came is deleted; fetch again, and if it repeats, the source changed."
        )


def unpack(path: Path, folder: Path, *, root: str = ".") -> None:
    """Unpack a zip or tar archive into a folder, or copy a file of another kind to where the data set lies there.

    Args:
        root: of the data set within the folder.

    Raises:
        ValueError: the archive is damaged, of a kind that Python cannot read, or holds a path outside of the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".rar":
        raise ValueError(
            f"{path}: Python cannot unpack RAR. Unpack it to where the rest lies, by `unrar x {path} {folder}/` or "
            f"`bsdtar -xf {path} -C {folder}`, then run `zoo data add NAME {folder / root}`."
        )
    try:
        if path.suffix == ".zip":
            _unpack_zip(path, folder)
        elif path.name.endswith((".tar", ".tar.gz", ".tgz", ".tar.bz2")):
            with tarfile.open(path) as archive:
                archive.extractall(folder, filter="data")  # refuses paths and links that lead outside
        else:
            (folder / root).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / root / path.name)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"{path}: cannot be unpacked: {error}. Delete it and fetch again.") from error


def _unpack_zip(path: Path, folder: Path) -> None:
    """`extractall` would quietly bend `../x` to `x`; an archive that tries is refused whole."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            outside = not (folder / member.filename).resolve().is_relative_to(folder.resolve())
            if outside or stat.S_ISLNK(member.external_attr >> 16):
                raise ValueError(f"{path}: holds {member.filename!r}, a link or a path outside. It is not unpacked.")
        archive.extractall(folder)

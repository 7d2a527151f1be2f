"""Bring files over HTTP and unpack archives, trusting neither the connection nor the archive."""

import bz2
import gzip
import hashlib
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from http.client import HTTPException, HTTPResponse
from io import BufferedIOBase
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from zoo.data.sources import File

Report = Callable[[str, int, int | None], None]
"""Told the name of a file, the bytes that are here, and the bytes there will be if that is known."""

CHUNK = 1 << 20
TIMEOUT = 60  # seconds without a byte
RATIO, SMALL = 100, 1 << 30
"""Archives that unpack to more than so many times their size hold no pictures; below so many bytes it may."""


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
        ValueError: the archive is damaged, of a kind that Python cannot read, holds a path outside of the folder, or
            says that it unpacks to more than the disk or a sane archive holds.
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
            _unpack_tar(path, folder)
        else:
            (folder / root).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / root / path.name)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, RuntimeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk's fault, not the archive's
            raise
        raise ValueError(f"{path}: cannot be unpacked: {error}. Delete it and fetch again.") from error


def _unpack_tar(path: Path, folder: Path) -> None:
    with _decompressed(path) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
        archive.extractall(folder, members=_fitting(archive, path, folder), filter="data")  # nothing leads outside
        while stream.read(CHUNK):  # tarfile stops before the checksum at the end of the stream
            pass


def _decompressed(path: Path) -> BufferedIOBase:
    with path.open("rb") as file:
        magic = file.read(3)
    if magic[:2] == b"\x1f\x8b":
        return gzip.open(path)
    return bz2.open(path) if magic == b"BZh" else path.open("rb")


def _fitting(archive: tarfile.TarFile, path: Path, folder: Path) -> Iterator[tarfile.TarInfo]:
    """The members, as long as they fit."""
    most, total = _room(path, folder), 0
    for member in archive:
        total += member.size
        _check_size(total, most, path)
        yield member


def _room(path: Path, folder: Path) -> int:
    """How many bytes an archive may unpack to: those that are free, and for a large one a hundred times its own."""
    return min(shutil.disk_usage(folder).free, max(RATIO * path.stat().st_size, SMALL))


def _check_size(total: int, most: int, path: Path) -> None:
    if total > most:
        raise ValueError(
            f"{path}: expected an archive that unpacks to at most {most:,} bytes (what is free on the disk, or {RATIO} "
            f"times the archive), got {total:,} or more. It is not unpacked. Free space, or fetch it from elsewhere."
        )


def _unpack_zip(path: Path, folder: Path) -> None:
    """`extractall` would quietly bend `../x` to `x`; an archive that tries is refused whole."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            outside = not (folder / member.filename).resolve().is_relative_to(folder.resolve())
            if outside or stat.S_ISLNK(member.external_attr >> 16):
                raise ValueError(f"{path}: holds {member.filename!r}, a link or a path outside. It is not unpacked.")
        _check_size(sum(member.file_size for member in archive.infolist()), _room(path, folder), path)
        archive.extractall(folder)

"""Fetching against a real server on 127.0.0.1 that breaks off, changes its mind and sends the wrong bytes."""

import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from torchvision import models

import zoo.data.fetch
from flows.fetch import fetch
from registry.settings import Settings
from zoo.data.fetch import download, unpack
from zoo.data.made import make
from zoo.data.sources import SOURCES, File, Source
from zoo.segmentation import fcn, mask_rcnn
from zoo.tracking import hcf
from zoo.video import two_stream


class Server(ThreadingHTTPServer):
    """Serves `content` at every path, at most `allowance` bytes an answer, in ranges if asked; remembers what was."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content, self.etag, self.allowance = b"", '"first"', 1 << 30
        self.asked: list[str | None] = []
        self.contents: dict[str, bytes] = {}

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers["Range"]
        self.server.asked.append(asked)
        content = self.server.contents.get(self.path[1:], self.server.content)
        start = 0
        if asked and self.headers["If-Range"] == self.server.etag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", self.server.etag)
        self.end_headers()
        self.wfile.write(content[start : start + self.server.allowance])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


CONTENT = bytes(range(256)) * 40


def file_of(server: Server, content: bytes = CONTENT) -> File:
    checksum = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return File(url=server.url("set.bin"), size=len(content), checksum=checksum)


def test_an_interrupted_transfer_goes_on(server: Server, tmp_path: Path) -> None:
    server.content, server.allowance = CONTENT, 4000
    file = file_of(server)
    for kept in (4000, 8000):
        with pytest.raises(ValueError, match=f"{kept:,} bytes are kept .* run the same command again"):
            download(file, tmp_path)
    assert download(file, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=4000-", "bytes=8000-"]
    assert [path.name for path in tmp_path.iterdir()] == ["set.bin"]


def test_a_file_that_changed_meanwhile_is_begun_anew(server: Server, tmp_path: Path) -> None:
    server.content, server.allowance = CONTENT, 4000
    with pytest.raises(ValueError, match="broke off"):
        download(file_of(server), tmp_path)
    new = CONTENT[::-1]
    server.content, server.etag, server.allowance = new, '"second"', 1 << 30
    assert download(file_of(server, new), tmp_path).read_bytes() == new


@pytest.mark.parametrize(
    ("sent", "said"), [(CONTENT[:-1], "expected 10,240 bytes, got 10,239"), (b"x" + CONTENT[1:], "expected the sha256")]
)
def test_wrong_bytes_are_deleted(server: Server, tmp_path: Path, sent: bytes, said: str) -> None:
    server.content = sent
    with pytest.raises(ValueError, match=said):
        download(file_of(server), tmp_path)
    assert not list(tmp_path.iterdir())
    server.content = CONTENT
    assert download(file_of(server), tmp_path).read_bytes() == CONTENT


def test_the_first_digits_of_a_checksum_are_compared_where_no_more_is_known(server: Server, tmp_path: Path) -> None:
    server.content = CONTENT
    digest = hashlib.sha256(CONTENT).hexdigest()
    file = File(url=server.url("set.bin"), checksum=f"sha256:{digest[:8]}")
    assert download(file, tmp_path).read_bytes() == CONTENT
    server.content, server.etag = CONTENT[::-1], '"other"'
    (tmp_path / "set.bin").unlink()
    with pytest.raises(ValueError, match=f"expected the sha256 {digest[:8]}, got [0-9a-f]{{8}}"):
        download(file, tmp_path)


def test_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"127\.0\.0\.1.* 0 bytes are kept"):
        download(File(url="http://127.0.0.1:9/set.bin"), tmp_path)


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:  # without the time, by which workers would name a test differently
            archive.writestr(zipfile.ZipInfo(name), "x")
    return out.getvalue()


def tarred(member: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(member)
    return out.getvalue()


def link(name: str, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.zip", zipped("fine", "../outside"), "a link or a path outside"),
        ("a.zip", zipped("/etc/outside"), "a link or a path outside"),
        ("a.tar", tarred(tarfile.TarInfo("../outside")), "outside"),
        ("a.tar", tarred(link("inside", "/etc")), "cannot be unpacked"),
        ("a.zip", zipped("fine")[:-30], "cannot be unpacked"),
        ("a.tar", b"nothing of the kind", "cannot be unpacked"),
        ("a.rar", b"Rar!", r"unrar x \S+/a\.rar \S+/in/to/`.* `zoo data add NAME \S+/in/to`"),
    ],
)
def test_archives_that_are_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=said):
        unpack(tmp_path / name, tmp_path / "in" / "to")
    assert not list(tmp_path.rglob("*outside*"))


def tarball(content: bytes, compression: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{compression}") as archive:
        member = tarfile.TarInfo("inside")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tgz", "a.tar.bz2"])
def test_tar_archives_are_unpacked(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(tarball(CONTENT, {"tgz": "gz", "tar": ""}.get(name[2:], name[6:])))
    unpack(tmp_path / name, tmp_path / "in")
    assert (tmp_path / "in" / "inside").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("compression", "at", "said"),
    [
        ("gz", -8, "CRC check failed"),
        ("gz", -1, "Incorrect length of data"),
        ("bz2", -3, "Invalid data stream"),
    ],
)
def test_the_checksum_at_the_end_of_a_stream_is_compared(tmp_path: Path, compression: str, at: int, said: str) -> None:
    """All of the archive is there before it: `tarfile` alone accepts this."""
    damaged = bytearray(tarball(CONTENT, compression))
    damaged[at] ^= 1
    path = tmp_path / f"a.tar.{compression}"
    path.write_bytes(damaged)
    with tarfile.open(path) as archive:
        archive.extractall(tmp_path / "unnoticed", filter="data")
    with pytest.raises(ValueError, match=rf"cannot be unpacked: {said}.*Delete it and fetch again"):
        unpack(path, tmp_path / "in")
    path.write_bytes(tarball(CONTENT, compression)[:-5])
    with pytest.raises(ValueError, match="cannot be unpacked: Compressed file ended"):
        unpack(path, tmp_path / "in")


def test_damage_within_a_zip_is_named(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside", np.random.default_rng(0).bytes(5000))
    whole = out.getvalue()
    encrypted = bytearray(whole)
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        encrypted[encrypted.index(header) + flags] |= 1
    for content, said in (
        (whole[:60] + b"\xff" * 40 + whole[100:], "Error -3|Bad CRC"),
        (bytes(encrypted), "encrypted"),
    ):
        (tmp_path / "a.zip").write_bytes(content)
        with pytest.raises(ValueError, match=f"cannot be unpacked: .*({said})"):
            unpack(tmp_path / "a.zip", tmp_path / "in")


def deflated(name: str, size: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, bytes(size))
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.zip", deflated("outsize", 3_000_000)), ("a.tar.gz", tarball(bytes(3_000_000), "gz"))],
)
def test_an_archive_that_unpacks_to_a_thousand_times_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    unpack(tmp_path / name, tmp_path / "small")  # nobody minds 3 MB
    monkeypatch.setattr(zoo.data.fetch, "SMALL", 2_000_000)
    with pytest.raises(ValueError, match=r"expected an archive that unpacks to at most 2,000,000 .* got 3,000,000"):
        unpack(tmp_path / name, tmp_path / "in")
    assert not list((tmp_path / "in").iterdir())


def test_an_archive_that_is_larger_than_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo.data.fetch, "SMALL", 1 << 62)
    member = tarfile.TarInfo("inside")
    member.size = 1 << 60
    (tmp_path / "a.tar").write_bytes(member.tobuf() + bytes(10_240))
    with pytest.raises(ValueError, match=r"what is free on the disk.* got 1,152,921,504,606,846,976 or more"):
        unpack(tmp_path / "a.tar", tmp_path / "in")


def test_from_server_to_record(server: Server, tmp_path: Path) -> None:
    """A data set in two files, one an archive, one plain, interrupted once; then it is there already."""
    made = tmp_path / "made"
    make("digits", made)
    *archived, plain = sorted(made.iterdir())
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for path in archived:
            archive.add(path, arcname=f"deep/{path.name}")
    server.contents = {"part.tar.gz": out.getvalue(), plain.name: plain.read_bytes()}
    sources = {
        "little": Source(
            title="",
            page="",
            licence="",
            root="deep",
            files=(File(url=server.url("part.tar.gz")), File(url=server.url(plain.name))),
        )
    }
    here = Settings(tmp_path, tmp_path / "home", "")
    server.allowance = 5000
    with pytest.raises(ValueError, match="broke off"):
        fetch("little", here, sources=sources)
    server.allowance = 1 << 30
    assert "pictures with one label each" in str(fetch("little", here, sources=sources))
    brought = {path.name: path.read_bytes() for path in (here.datasets / "little").iterdir()}
    assert brought == {path.name: path.read_bytes() for path in made.iterdir()}
    assert not (here.home / "downloads" / "little").exists()
    with pytest.raises(ValueError, match="there is a data set 'little' already"):
        fetch("little", here, sources=sources)


def test_parts_of_an_archive_that_are_another_data_set_stay_out(server: Server, tmp_path: Path) -> None:
    """As the passes of Sintel do."""
    make("digits", tmp_path / "made")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.add(tmp_path / "made", arcname="deep")
        archive.add(tmp_path / "made", arcname="deep/other/pass")
    server.contents = {"both.tar": out.getvalue()}
    file = File(url=server.url("both.tar"))
    source = Source(title="", page="", licence="", root="deep", without=("other", "absent"), files=(file,))
    here = Settings(tmp_path, tmp_path / "home", "")
    assert "pictures with one label each" in str(fetch("little", here, sources={"little": source}))
    names = {path.name for path in (here.datasets / "little").rglob("*")}
    assert names == {path.name for path in (tmp_path / "made").iterdir()}


def test_nothing_is_transferred_that_could_not_be_recorded(server: Server, tmp_path: Path) -> None:
    (tmp_path / "datasets.dvc").write_text(f"outs:\n- path: datasets\nmeta:\n  digests:\n    camvid: {'0' * 64}\n")
    file = File(url=server.url("set.bin"))
    sources = {"little": Source(title="", page="", licence="", files=(file,))}
    with pytest.raises(ValueError, match="also records camvid"):
        fetch("little", Settings(tmp_path, tmp_path / "home", ""), sources=sources)
    assert server.asked == []


def test_the_table_is_whole() -> None:
    lengths = {"md5": 32, "sha256": 64}
    for name, of in SOURCES.items():
        assert of.page.startswith("http"), name
        assert of.licence, name
        assert len({file.name for file in of.files}) == len(of.files), name
        for file in of.files:
            algorithm, _, value = file.checksum.partition(":")
            assert not file.checksum or len(value) in (8, lengths[algorithm]), file.url
    assert len(SOURCES["otb-2013"].files) == 50


def test_published_weights_are_where_recipes_look_for_them() -> None:
    """The addresses are those of the torchvision that is installed."""
    weights = {
        fcn.VGG16: models.VGG16_Weights.IMAGENET1K_V1,
        two_stream.VGG16: models.VGG16_Weights.IMAGENET1K_V1,
        hcf.VGG19: models.VGG19_Weights.IMAGENET1K_V1,
        mask_rcnn.RESNET50: models.ResNet50_Weights.IMAGENET1K_V1,
    }
    for path, theirs in weights.items():
        folder, name = path.split("/")
        (file,) = SOURCES[folder].files
        assert (file.url, file.name) == (theirs.url, name)
        assert f"-{file.checksum.removeprefix('sha256:')}.pth" in name

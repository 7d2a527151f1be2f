"""A manifest is believed only in names that are the same file, below the folder, on every disk."""

import json
from pathlib import Path

import pytest

from zoo.artifact import seal, verify
from zoo.contents import Contents, sha256_of

ZERO = "0" * 64


def manifest(*names: str, **more: object) -> bytes:
    return json.dumps({"files": dict.fromkeys(names, ZERO), **more}).encode()


@pytest.mark.parametrize(
    "names",
    [
        ["../x"],
        ["a/../../x"],
        ["/etc/x"],
        ["a//b"],
        ["a/"],
        ["."],
        [""],
        ["a\\b"],
        ["a\nb"],
        ["a\x00b"],
        ["\ud800"],
        ["x" * 201],
        ["A", "a"],
        ["pictures/a.png", "Pictures/b.png"],
        ["stra\u00dfe", "STRASSE"],
        ["\u00e9", "e\u0301"],
        ["a", "a/b"],
        ["manifest.json"],
        ["Manifest.JSON"],
        ["manifest.json/x"],
    ],
)
def test_hostile_names_are_refused(names: list[str]) -> None:
    with pytest.raises(ValueError, match="the manifest is not believed"):
        Contents.parsed(manifest(*names))


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"files": 3}', b'{"files": {"a": 3}}', b'{"files": {"a": "../"}}', b"[" * 100_000]
    + [manifest("a", sizes={"a": size}) for size in (-1, 1.5, "9", True)]
    + [manifest("a", sizes=3), manifest(*map(str, range(10_001))), manifest("a", pad="x" * (5 << 20)), b"\xff\xfe"],
)
def test_what_is_no_manifest_is_said_to_be_none(content: bytes) -> None:
    with pytest.raises(ValueError, match="expected a"):
        Contents.parsed(content)


def test_an_older_manifest_without_sizes_is_one(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "manifest.json").write_text(json.dumps({"files": {"a": sha256_of(tmp_path / "a")}}))
    assert verify(tmp_path) == sha256_of(tmp_path / "manifest.json")
    (tmp_path / "a").write_bytes(b"2")
    with pytest.raises(ValueError, match="changed: a"):
        verify(tmp_path)


def test_a_link_is_neither_sealed_nor_believed(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "a").write_bytes(b"1")
    seal(model)
    (model / "a").rename(tmp_path / "a")
    (model / "a").symlink_to(tmp_path / "a")
    with pytest.raises(ValueError, match="a link or a device: a"):
        verify(model)
    with pytest.raises(ValueError, match="expected a plain file"):
        seal(model)


def test_one_of_another_size_is_not_read(tmp_path: Path) -> None:
    """A file that says it has a terabyte would keep a reader for hours."""
    (tmp_path / "a").write_bytes(b"1")
    seal(tmp_path)
    with (tmp_path / "a").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ValueError, match="changed: a"):
        verify(tmp_path)

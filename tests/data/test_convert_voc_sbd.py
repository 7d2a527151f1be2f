"""SBD's .mat files and lists, as its archive has them, to VOC's layout; scipy and VOC's own PNGs as second opinions."""

import itertools
import shutil
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat, savemat
from scipy.sparse import csc_matrix

from zoo.data.convert.mat import read_field
from zoo.data.convert.voc_sbd import convert_voc_sbd, read_sbd, voc_palette
from zoo.data.layouts import examine
from zoo.data.segmentation import open_segmentation

SIZE = (30, 40)
FIRST = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128), (0, 128, 128), (128, 128, 128)]
"""Background to car, as VOC 2012's development kit prints them; 255 is (224, 224, 192)."""


def labels(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 21, size=SIZE).astype(np.uint8)


def write_mat(path: Path, label: np.ndarray, *, compressed: bool = True) -> None:
    """A file of `cls`: a struct of the boundaries of 20 classes (sparse), the classes present, and the labels."""
    boundaries = np.empty((20, 1), object)
    for i in range(20):
        boundaries[i, 0] = csc_matrix(label == i + 1)
    present = np.unique(label[label > 0])[:, None]
    path.parent.mkdir(parents=True, exist_ok=True)
    of = {"Boundaries": boundaries, "CategoriesPresent": present, "Segmentation": label}
    savemat(path, {"GTcls": of}, do_compression=compressed)


def photograph(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", SIZE[::-1], (crc32(path.name.encode()) % 256, 8, 7)).save(path)


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """VOC with four pictures to validate on, as its archive unpacks."""
    root = tmp_path / "VOCdevkit" / "VOC2012"
    for n in range(4):
        photograph(root / "JPEGImages" / f"2007_00000{n}.jpg")
        label = root / "SegmentationClass" / f"2007_00000{n}.png"
        label.parent.mkdir(exist_ok=True)
        indices = np.full(SIZE, [n, 255][n == 3], np.uint8)
        indices[0, 0] = n
        Image.fromarray(indices).save(label)
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("2007_000003\n2007_000000\n2007_000001\n2007_000002\n")
    return tmp_path / "VOCdevkit"


@pytest.fixture
def sbd(tmp_path: Path) -> Path:
    """SBD with three pictures to train on, one of which VOC validates on, as its archive unpacks."""
    root = tmp_path / "benchmark_RELEASE" / "dataset"
    for n, name in enumerate(("2008_000001", "2008_000002", "2007_000001")):
        photograph(root / "img" / f"{name}.jpg")
        write_mat(root / "cls" / f"{name}.mat", labels(n))
    (root / "train.txt").write_text("2008_000001\n2008_000002\n2007_000001\n")
    return tmp_path / "benchmark_RELEASE"


def test_what_comes_out_is_read_as_voc(voc: Path, sbd: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    done = convert_voc_sbd(voc, sbd, tmp_path / "out", report=lambda *at: told.append(at))
    assert (done.counts, told) == ({"train": 3, "val": 3}, [(1, 3), (2, 3), (3, 3)])
    assert examine(tmp_path / "out") == "pictures labelled by pixel: 3 train, 3 val"
    train, val = (open_segmentation(tmp_path / "out", split) for split in ("train", "val"))
    assert train.ids == ("2008_000001", "2008_000002", "2007_000001")
    for n in range(3):
        np.testing.assert_array_equal(train[n][1], labels(n))
    assert val.ids == ("2007_000000", "2007_000002", "2007_000003")
    assert [np.unique(val[n][1]).tolist() for n in range(3)] == [[0], [2], [3, 255]]
    assert not any(path.is_symlink() for path in (tmp_path / "out" / "SegmentationClass").glob("2008*"))


def test_counts_that_are_not_the_official_ones_are_said(voc: Path, sbd: Path, tmp_path: Path) -> None:
    done = convert_voc_sbd(voc, sbd, tmp_path / "out")
    left_out, train, val = done.remarks
    assert left_out == "left out of val: 1 of 4, on which SBD trains"
    assert train == "train: 3 pictures, where SBD's list has 8,498"
    assert val.startswith("val: 3 pictures, where the authors' seg11valid has 736: scores do not compare")


def test_another_list_to_validate_on(voc: Path, sbd: Path, tmp_path: Path) -> None:
    """What SBD trains on is left out of it, too."""
    chosen = tmp_path / "seg11valid.txt"
    chosen.write_text("2007_000001\n2007_000002\n")
    convert_voc_sbd(voc, sbd, tmp_path / "out", val=chosen)
    assert open_segmentation(tmp_path / "out", "val").ids == ("2007_000002",)
    chosen.write_text("2007_000001\n")
    with pytest.raises(
        ValueError, match=r"seg11valid\.txt: expected pictures that SBD does not train on, got none in 1"
    ):
        convert_voc_sbd(voc, sbd, tmp_path / "again", val=chosen)
    chosen.write_text("2007_000002\n2007_000002\n")
    with pytest.raises(ValueError, match="expected each name once, got '2007_000002' twice"):
        convert_voc_sbd(voc, sbd, tmp_path / "again", val=chosen)
    chosen.write_text("\n")
    with pytest.raises(ValueError, match=r"seg11valid\.txt: expected one name a line, got an empty list"):
        convert_voc_sbd(voc, sbd, tmp_path / "again", val=chosen)
    assert not (tmp_path / "again").exists()


def test_what_is_absent_is_named(voc: Path, sbd: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected cls in it or in dataset/ or in benchmark_RELEASE/dataset/"):
        convert_voc_sbd(voc, voc, tmp_path / "out")
    with pytest.raises(ValueError, match=r"benchmark_RELEASE: expected JPEGImages in it"):
        convert_voc_sbd(sbd, sbd, tmp_path / "out")
    (voc / "VOC2012" / "SegmentationClass" / "2007_000002.png").unlink()
    with pytest.raises(
        ValueError, match=r"2007_000002\.png: expected this and the 2 others of its list, but 1 are absent"
    ):
        convert_voc_sbd(voc, sbd, tmp_path / "out")
    (sbd / "dataset" / "cls" / "2008_000002.mat").unlink()
    with pytest.raises(ValueError, match=r"2008_000002\.mat: expected this and the 2 others"):
        convert_voc_sbd(voc, sbd, tmp_path / "out")
    (sbd / "dataset" / "train.txt").unlink()
    with pytest.raises(ValueError, match=r"train\.txt: expected a list of names, but there is no such file"):
        convert_voc_sbd(voc, sbd, tmp_path / "out")


@pytest.mark.parametrize("compressed", [True, False])
def test_it_is_what_scipy_reads(tmp_path: Path, compressed: bool) -> None:
    write_mat(tmp_path / "a.mat", labels(5), compressed=compressed)
    theirs = loadmat(tmp_path / "a.mat")["GTcls"][0, 0]
    np.testing.assert_array_equal(read_sbd(tmp_path / "a.mat"), theirs["Segmentation"])
    np.testing.assert_array_equal(
        read_field(tmp_path / "a.mat", "GTcls", "CategoriesPresent"), theirs["CategoriesPresent"]
    )


def test_other_numbers_and_variables(tmp_path: Path) -> None:
    """Of each type, and four bytes or fewer, which lie within their tag."""
    kinds = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64", "int64", "uint64")
    of: dict[str, np.ndarray] = {kind: np.arange(6, dtype=kind).reshape(2, 3) for kind in kinds}
    of["short"] = np.array([[1, 2]], np.uint8)
    savemat(tmp_path / "a.mat", {"first": np.eye(2), "struct": of})
    for name, values in of.items():
        np.testing.assert_array_equal(read_field(tmp_path / "a.mat", "struct", name), values)
    for variable, field, said in (
        ("other", "int8", "no variable other"),
        ("struct", "other", "struct has no field other"),
        ("first", "int8", "first is no struct of 1 x 1"),
    ):
        with pytest.raises(ValueError, match=said):
            read_field(tmp_path / "a.mat", variable, field)


def test_the_other_order_of_bytes(tmp_path: Path) -> None:
    """A file by hand: x.y = [7 8]', from a machine that puts the highest byte first."""

    def element(kind: int, content: bytes) -> bytes:
        return kind.to_bytes(4, "big") + len(content).to_bytes(4, "big") + content + bytes(-len(content) % 8)

    def ints(*values: int) -> bytes:
        return b"".join(value.to_bytes(4, "big") for value in values)

    value = element(6, ints(9, 0)) + element(5, ints(2, 1)) + element(1, b"") + element(2, b"\7\x08")
    fields = element(5, ints(2)) + element(1, b"y\0") + element(14, value)
    struct = element(6, ints(2, 0)) + element(5, ints(1, 1)) + element(1, b"x") + fields
    (tmp_path / "a.mat").write_bytes(bytes(124) + b"\1\0MI" + element(14, struct))
    assert read_field(tmp_path / "a.mat", "x", "y").tolist() == [[7], [8]]


@pytest.mark.parametrize("compressed", [True, False])
def test_damage_is_an_error_that_names_the_file(tmp_path: Path, compressed: bool) -> None:
    """Cut at any byte, or with bytes exchanged: read whole or refused. (scipy.io.loadmat dies of some of these.)"""
    write_mat(tmp_path / "a.mat", labels(5), compressed=compressed)
    whole = (tmp_path / "a.mat").read_bytes()
    random = np.random.default_rng(0)
    cut = [whole[:size] for size in range(0, len(whole) - 8, 13)]
    changed = [bytearray(whole) for _ in range(300)]
    for content in changed:
        for place in random.integers(len(whole), size=3):
            content[place] = random.integers(256)
    outcomes = [read_or_refuse(tmp_path / "a.mat", bytes(content)) for content in itertools.chain(cut, changed)]
    assert outcomes[: len(cut)] == [f"{tmp_path / 'a.mat'}: expected"] * len(cut)
    assert set(outcomes) <= {f"{SIZE}", outcomes[0]}


def read_or_refuse(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    try:
        return f"{read_sbd(path).shape}"
    except ValueError as error:
        return str(error)[: len(f"{path}: expected")]


@pytest.mark.parametrize(
    ("label", "said"),
    [
        (np.full(SIZE, 21, np.uint8), "expected classes 0 to 20, got 21"),
        (np.zeros(SIZE, np.float64), r"expected a matrix of bytes in GTcls\.Segmentation, got float64 \(30, 40\)"),
        (np.zeros((2, 3, 4), np.uint8), r"expected a matrix of bytes in GTcls\.Segmentation, got uint8 \(2, 3, 4\)"),
        (np.zeros((0, 0), np.uint8), r"got 0 numbers for a matrix of 0 x 0"),
    ],
)
def test_labels_that_are_none(tmp_path: Path, label: np.ndarray, said: str) -> None:
    savemat(tmp_path / "a.mat", {"GTcls": {"Segmentation": label}})
    with pytest.raises(ValueError, match=rf"a\.mat: .*{said}"):
        read_sbd(tmp_path / "a.mat")


def test_the_palette_is_the_development_kits() -> None:
    palette = voc_palette()
    assert [tuple(colour) for colour in palette[: len(FIRST)].tolist()] == FIRST
    assert tuple(palette[255].tolist()) == (224, 224, 192)
    assert len(np.unique(palette, axis=0)) == 256


@pytest.mark.shared_data
def test_the_palette_is_that_of_labels_in_circulation(shared_data: Path, tmp_path: Path) -> None:
    theirs = sorted((shared_data / "segmentation_voc_labelme" / "VOC_layout" / "SegmentationClass").glob("*.png"))[0]
    with Image.open(shutil.copy(theirs, tmp_path)) as picture:
        colours = picture.getpalette()
    assert colours == voc_palette()[: len(colours) // 3].flatten().tolist()

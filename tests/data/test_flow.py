"""FlyingChairs, Sintel, KITTI-2015 and Middlebury: what is read, and that damage is named."""

import shutil
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from zoo.data.flow import flow_splits, open_flow, read_flo, read_flow_png
from zoo.data.layouts import examine
from zoo.data.left_out import left_out

LIST = "FlyingChairs_release_test_train_split.list"


def write_flo(path: Path, flow: np.ndarray) -> None:
    path.write_bytes(struct.pack("<fii", 202021.25, flow.shape[1], flow.shape[0]) + flow.astype("<f4").tobytes())


@pytest.fixture
def chairs(tmp_path: Path) -> Path:
    """Three pairs of 6x4 pixels, the second for validation; pair n moves n to the right and 0.5 down."""
    for n in (1, 2, 3):
        for picture in (0, 1):
            Image.new("RGB", (6, 4), (n, picture, 0)).save(tmp_path / f"{n:07d}-img{picture}.ppm")
        write_flo(tmp_path / f"{n:07d}-gt.flo", np.full((4, 6, 2), (n, 0.5)))
    (tmp_path / LIST).write_text("1\n2\n1\n")
    return tmp_path


def test_chairs_by_the_list(chairs: Path) -> None:
    train, val = (open_flow(chairs, split) for split in ("train", "val"))
    assert (train.layout, train.ids, val.ids) == ("FlyingChairs", ("0000001", "0000003"), ("0000002",))
    first, second, flow, valid = train[1]
    assert (first[0, 0].tolist(), second[0, 0].tolist()) == ([3, 0, 0], [3, 1, 0])
    assert (flow == (3, 0.5)).all()
    assert valid.all()
    assert len(list(train)) == 2


def test_chairs_as_the_archive_has_it(chairs: Path) -> None:
    """Other endings, five digits, in data/."""
    (chairs / "data").mkdir()
    for ending, official in (("-img0.ppm", "_img1.ppm"), ("-img1.ppm", "_img2.ppm"), ("-gt.flo", "_flow.flo")):
        for n in (1, 2, 3):
            (chairs / f"{n:07d}{ending}").rename(chairs / "data" / f"{n:05d}{official}")
    (chairs / LIST).rename(chairs / "FlyingChairs_train_val.txt")
    pair = open_flow(chairs, "val")[0]
    assert (pair.first[0, 0].tolist(), pair.second[0, 0].tolist()) == ([2, 0, 0], [2, 1, 0])


def test_unknown_flow_is_left_out(tmp_path: Path) -> None:
    flow = np.zeros((2, 3, 2), np.float32)
    flow[0, 0], flow[0, 1], flow[1, 2], flow[1, 0] = (2e9, 0), (0, -2e9), (np.nan, 0), (999, -3)
    write_flo(tmp_path / "flow10.flo", flow)
    read, valid = read_flo(tmp_path / "flow10.flo")
    assert valid.tolist() == [[False, False, True], [True, True, False]]
    assert (read[~valid] == 0).all()
    assert read[1, 0].tolist() == [999, -3]


def test_kitti_flow_by_hand(tmp_path: Path) -> None:
    """The devkit's formula: (value - 2^15) / 64, known where the third channel is not 0."""
    channels = np.array([[(2**15 + 64, 2**15 - 32, 1), (7, 7, 0)]], np.uint16)  # right, down, known
    cv2.imwrite(str(tmp_path / "f.png"), channels[..., ::-1])
    flow, valid = read_flow_png(tmp_path / "f.png")
    assert flow.tolist() == [[[1, -0.5], [0, 0]]]
    assert valid.tolist() == [[True, False]]


@pytest.mark.shared_data
def test_real_sintel(shared_data: Path) -> None:
    folder = shared_data / "flow_sintel"
    assert flow_splits(folder) == ("clean", "final")
    clean, final = (open_flow(folder, split) for split in ("clean", "final"))
    assert clean.ids == final.ids == ("alley_1/frame_0002",)
    assert clean[0].first.shape == (436, 1024, 3)
    assert (clean[0].first != final[0].first).any()
    assert 0.99 < clean[0].valid.mean() < 1
    occluded = clean.occluded(0)
    assert _moved_back(clean[0], ~occluded) < 3 < _moved_back(clean[0], occluded)


@pytest.mark.shared_data
def test_real_kitti_and_middlebury(shared_data: Path) -> None:
    kitti = open_flow(shared_data / "flow_kitti", "training")
    assert kitti.ids == ("000000_10",)
    assert kitti[0].valid.mean() == pytest.approx(0.162, abs=1e-3)
    rubber = open_flow(shared_data / "flow_middlebury", "other")
    assert rubber.ids == ("RubberWhale",)
    assert 0.95 < rubber[0].valid.mean() < 1
    assert np.abs(rubber[0].flow).max() < 10
    for split in (kitti, rubber):
        pair = split[0]
        still = np.abs(pair.second.astype(int) - pair.first).mean(axis=2)[pair.valid].mean()
        assert _moved_back(pair, pair.valid) < 0.6 * still
        with pytest.raises(ValueError, match="has none; Sintel does"):
            split.occluded(0)


@pytest.mark.shared_data
def test_real_chairs(shared_data: Path) -> None:
    """FlowNet2's example as it comes, with the list of the whole release."""
    folder = shared_data / "flow_flyingchairs"
    official = (folder / LIST).read_text().splitlines()
    assert (len(official), official.count("2")) == (22872, 640)
    (pair,) = open_flow(folder, "train")
    assert pair.first.shape == (384, 512, 3)
    assert np.median(_differences(pair)) < 3
    assert flow_splits(folder) == ("train",)
    with pytest.raises(ValueError, match="expected pairs in the split val of FlyingChairs, found none"):
        open_flow(folder, "val")
    assert examine(folder) == "pairs with flow: 1 train; a sample: its list names 22,871 pairs more"


@pytest.fixture
def examples(chairs: Path) -> Path:
    """FlowNet2's nine examples count from 0; here three, and the 22,872 lines that lie beside them."""
    for n in (1, 2, 3):
        for ending in ("-img0.ppm", "-img1.ppm", "-gt.flo"):
            (chairs / f"{n:07d}{ending}").rename(chairs / f"{n - 1:07d}{ending}")
    (chairs / LIST).write_text("1\n2\n" + "1\n" * 22_870)
    return chairs


def test_examples_open_with_the_list_of_the_release(examples: Path) -> None:
    assert (open_flow(examples, "train").ids, open_flow(examples, "val").ids) == (("0000000", "0000002"), ("0000001",))
    assert examine(examples) == "pairs with flow: 2 train, 1 val; a sample: its list names 22,869 pairs more"
    (examples / "0000002-img1.ppm").unlink()
    with pytest.raises(ValueError, match=r"1 pairs with a file missing, first 0000002-img1\.ppm"):
        open_flow(examples, "train")


def test_only_examples_may_be_fewer_than_their_list(examples: Path) -> None:
    """Neither a release that was truncated, nor a cut of somebody's own."""
    (examples / LIST).write_text("1\n2\n" + "1\n" * 22_869)
    with pytest.raises(ValueError, match=r"names 22868 pairs that are absent.* leave them out by --skip-bad"):
        open_flow(examples, "train")
    (examples / LIST).write_text("1\n" * 22_872)
    for n in range(3):
        for ending, official in (("-img0.ppm", "_img1.ppm"), ("-img1.ppm", "_img2.ppm"), ("-gt.flo", "_flow.flo")):
            (examples / f"{n:07d}{ending}").rename(examples / f"{n + 1:05d}{official}")
    with pytest.raises(ValueError, match=r"names 22869 pairs that are absent, first 00004_flow\.flo"):
        open_flow(examples, "train")


def test_absent_pairs_are_left_out_by_name(chairs: Path) -> None:
    (chairs / LIST).write_text("1\n2\n1\n1\n")
    assert examine(chairs, skip_bad=True) == "pairs with flow: 2 train, 1 val; 1 left out"
    assert left_out(chairs)["0000004"].endswith("a line each, in order.")


def _differences(pair: tuple) -> np.ndarray:
    """How far each pixel differs from the one that the flow says it went to."""
    first, second, flow, _ = pair
    y, x = np.mgrid[: flow.shape[0], : flow.shape[1]].astype(np.float32)
    back = cv2.remap(second, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR)
    return np.abs(back.astype(int) - first).mean(axis=2)


def _moved_back(pair: tuple, where: np.ndarray) -> float:
    return float(_differences(pair)[where].mean())


def test_unknown_layout_and_split(chairs: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(ValueError, match="expected a split of FlyingChairs, train or val, got 'test'"):
        open_flow(chairs, "test")
    with pytest.raises(ValueError, match=r"expected the layout of FlyingChairs .* Sintel .* KITTI-2015"):
        open_flow(tmp_path_factory.mktemp("empty"), "train")


def test_list_and_files_that_do_not_fit(chairs: Path) -> None:
    listed = chairs / LIST
    for lines, said in (
        ("1\n2\n1\n1\n", r"names 1 pairs that are absent, first 0000004-gt\.flo"),
        ("1\n2\n", r"does not name 1 pairs, first 0000003-gt\.flo"),
        ("1\n3\n1\n", "line 2: expected 1 .train. or 2 .val., got '3'"),
        ("1\n1\n1\n", "expected pairs in the split val"),
    ):
        listed.write_text(lines)
        with pytest.raises(ValueError, match=said):
            open_flow(chairs, "val")
    listed.unlink()
    with pytest.raises(ValueError, match="expected the list FlyingChairs_release"):
        open_flow(chairs, "val")


def test_missing_picture(chairs: Path) -> None:
    (chairs / "0000003-img1.ppm").unlink()
    with pytest.raises(ValueError, match=r"split train has 1 pairs with a file missing, first 0000003-img1\.ppm"):
        open_flow(chairs, "train")


@pytest.mark.shared_data
def test_missing_frame_of_sintel(shared_data: Path, tmp_path: Path) -> None:
    shutil.copytree(shared_data / "flow_sintel", tmp_path / "sintel", copy_function=shutil.copyfile)
    (tmp_path / "sintel" / "training" / "clean" / "alley_1" / "frame_0003.png").unlink()
    with pytest.raises(ValueError, match=r"1 pairs with a file missing, first training/clean/alley_1/frame_0003\.png"):
        open_flow(tmp_path / "sintel", "clean")
    assert len(open_flow(tmp_path / "sintel", "final")) == 1


@pytest.mark.shared_data
@pytest.mark.parametrize(("kept", "gone"), [("clean", "final"), ("final", "clean")])
def test_a_pass_of_sintel_is_a_data_set(shared_data: Path, tmp_path: Path, kept: str, gone: str) -> None:
    folder = Path(shutil.copytree(shared_data / "flow_sintel", tmp_path / "sintel", copy_function=shutil.copyfile))
    shutil.rmtree(folder / "training" / gone)
    assert flow_splits(folder) == ("training",)
    alone, beside = open_flow(folder, "training"), open_flow(shared_data / "flow_sintel", kept)
    assert alone.ids == beside.ids
    for ours, theirs in zip(alone[0], beside[0], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(ValueError, match=f"expected a split of Sintel, training, got '{gone}'"):
        open_flow(folder, gone)
    shutil.rmtree(folder / "training" / kept)
    with pytest.raises(ValueError, match="expected Sintel's clean/ or final/ beside flow/, found neither"):
        open_flow(folder, "training")


def test_damaged_flo(chairs: Path) -> None:
    path = chairs / "0000002-gt.flo"
    whole = path.read_bytes()
    pairs = open_flow(chairs, "val")
    for content, said in (
        (whole[:-1], r"0000002-gt\.flo: expected 204 bytes for 6x4 pixels, got 203"),
        (whole + b"\0", "expected 204 bytes"),
        (whole[:7], "truncated"),
        (b"HEIP" + whole[4:], "begins with PIEH, got b'HEIP'"),
        (whole[:4] + struct.pack("<ii", -6, -4) + whole[12:], "for -6x-4 pixels"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=said):
            pairs[0]
    write_flo(path, np.zeros((4, 5, 2)))
    with pytest.raises(ValueError, match=r"gt\.flo: expected the size of the first picture .*img0\.ppm, 6x4, got 5x4"):
        pairs[0]


def test_damaged_pictures(chairs: Path) -> None:
    pairs = open_flow(chairs, "val")
    picture = chairs / "0000002-img1.ppm"
    picture.write_bytes(picture.read_bytes()[:-5])
    with pytest.raises(ValueError, match=r"img1\.ppm: expected a whole picture"):
        pairs[0]
    Image.new("RGB", (7, 4)).save(picture)
    with pytest.raises(ValueError, match=r"img1\.ppm: expected the size of the first picture .*, 6x4, got 7x4"):
        pairs[0]


def test_damaged_kitti_flow(tmp_path: Path) -> None:
    path = tmp_path / "f.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 2**16, (40, 60, 3), dtype=np.uint16))
    whole = path.read_bytes()
    for content in (whole[:-100], whole[:5000] + b"\xff" + whole[5001:], b"no picture"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"f\.png: expected a whole PNG"):
            read_flow_png(path)
    Image.new("RGB", (6, 4)).save(path)
    with pytest.raises(ValueError, match="three 16-bit channels"):
        read_flow_png(path)

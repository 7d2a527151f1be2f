"""FlyingThings3D in its official layout: which pairs RAFT's second stage has, and PFM in every form."""

import shutil
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from zoo.data.flow import flow_splits, open_flow
from zoo.data.flyingthings import read_flow_pfm
from zoo.data.layouts import examine
from zoo.data.left_out import BadItems

FRAMES = (6, 7, 8)  # official sequences have 6 to 15


def write_pfm(path: Path, flow: np.ndarray, *, order: str = "<", kind: str = "PF", scale: str = "1.0") -> None:
    height, width = flow.shape[:2]
    values = np.dstack([flow, np.zeros((height, width))])
    header = f"{kind}\n{width} {height}\n{'-' if order == '<' else ''}{scale}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header.encode() + values[::-1].astype(f"{order}f4").tobytes())


@pytest.fixture
def things(tmp_path: Path) -> Path:
    """A scene of three frames of 6x4 pixels, red by number, and 100 redder in the final pass; forward flow is (n, 0.5),
    backward (-n, -0.5). The right camera has files of its own, which nothing may read."""
    root = tmp_path / "things"
    for name, red in (("clean", 0), ("final", 100)):
        for n in FRAMES:
            folder = root / f"frames_{name}pass" / "TRAIN" / "A" / "0000" / "left"
            folder.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (6, 4), (red + n, 0, 0)).save(folder / f"{n:04d}.png")
    scene = root / "optical_flow" / "TRAIN" / "A" / "0000"
    for word, sign in (("Future", 1), ("Past", -1)):
        for n in FRAMES:
            named = f"OpticalFlowInto{word}_{n:04d}"
            write_pfm(
                scene / f"into_{word.lower()}" / "left" / f"{named}_L.pfm", np.full((4, 6, 2), (sign * n, sign * 0.5))
            )
            write_pfm(scene / f"into_{word.lower()}" / "right" / f"{named}_R.pfm", np.full((4, 6, 2), 99.0))
    return root


def test_the_pairs_are_those_of_rafts_second_stage(things: Path) -> None:
    """Both passes, both directions, the left camera; neither 8 into the future nor 6 into the past."""
    train = open_flow(things, "train")
    assert flow_splits(things) == ("train",)
    assert train.layout == "FlyingThings3D"
    seen = {
        name: (int(first[0, 0, 0]), int(second[0, 0, 0]), *flow[0, 0].tolist())
        for name, (first, second, flow, _) in zip(train.ids, train, strict=True)
    }
    assert seen == {
        "clean/A/0000/into_future/0006": (6, 7, 6, 0.5),
        "clean/A/0000/into_future/0007": (7, 8, 7, 0.5),
        "clean/A/0000/into_past/0007": (7, 6, -7, -0.5),
        "clean/A/0000/into_past/0008": (8, 7, -8, -0.5),
        "final/A/0000/into_future/0006": (106, 107, 6, 0.5),
        "final/A/0000/into_future/0007": (107, 108, 7, 0.5),
        "final/A/0000/into_past/0007": (107, 106, -7, -0.5),
        "final/A/0000/into_past/0008": (108, 107, -8, -0.5),
    }
    assert examine(things) == "pairs with flow: 8 train"


def test_what_is_absent_is_named(things: Path) -> None:
    with pytest.raises(ValueError, match="expected a split of FlyingThings3D, train, got 'clean'"):
        open_flow(things, "clean")
    shutil.rmtree(things / "frames_finalpass")
    with pytest.raises(BadItems, match=r"4 pairs with a file missing, first frames_finalpass/TRAIN/A/0000/left/0007"):
        open_flow(things, "train")
    assert examine(things, skip_bad=True) == "pairs with flow: 4 train; 4 left out"
    scene = things / "optical_flow" / "TRAIN" / "A" / "0000" / "into_past" / "left"
    (scene / "OpticalFlowIntoPast_0007_L.pfm").rename(scene / "flow.pfm")
    with pytest.raises(ValueError, match=r"flow\.pfm: expected a name like OpticalFlowIntoFuture_0006_L\.pfm"):
        open_flow(things, "train")
    (things / "optical_flow" / "TRAIN").rename(things / "optical_flow" / "other")
    with pytest.raises(ValueError, match=r"optical_flow: expected FlyingThings3D's TRAIN/ or TEST/, found neither"):
        examine(things)


@pytest.mark.parametrize(("order", "scale"), [("<", "1.0"), (">", "1.0"), ("<", "0.25"), (">", "3")])
def test_pfm_in_both_orders_of_bytes(tmp_path: Path, order: str, scale: str) -> None:
    """The top row first, whatever the scale; OpenCV reads the same where the scale is 1."""
    flow = np.random.default_rng(0).normal(size=(3, 5, 2)).astype(np.float32)
    path = tmp_path / "flow.pfm"
    write_pfm(path, flow, order=order, scale=scale)
    read, valid = read_flow_pfm(path)
    np.testing.assert_array_equal(read, flow)
    assert valid.all()
    if scale == "1.0":
        theirs = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(theirs[..., ::-1][..., :2], flow)  # OpenCV: blue, green, red


def test_flow_that_is_not_finite_is_unknown(tmp_path: Path) -> None:
    flow = np.ones((2, 3, 2), np.float32)
    flow[0, 0, 0], flow[1, 2, 1] = np.nan, np.inf
    write_pfm(tmp_path / "flow.pfm", flow)
    read, valid = read_flow_pfm(tmp_path / "flow.pfm")
    assert valid.tolist() == [[False, True, True], [True, True, False]]
    assert (read[~valid] == 0).all()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "expected a PFM file"),
        (b"PIEH\0\0\0\0", "expected a PFM file"),
        (b"PF\n3 -2\n-1.0\n", "expected a PFM file"),
        (b"PF\n1 1\nminus\n" + bytes(12), "expected a scale other than 0 .* got b'minus'"),
        (b"PF\n1 1\n0\n" + bytes(12), "expected a scale other than 0"),
        (b"PF\n1 1\nnan\n" + bytes(12), "expected a scale other than 0"),
        (b"PF\n0 1\n-1\n", "expected 0 bytes for 0x1 pixels"),
        (b"PF\n3 2\n-1\n" + bytes(71), "expected 72 bytes for 3x2 pixels, got 71"),
        (b"PF\n3 2\n-1\n" + bytes(73), "expected 72 bytes for 3x2 pixels, got 73"),
        (b"PF\n99999999 99999999\n-1\n" + struct.pack("<f", 1), "truncated"),
        (b"Pf\n1 1\n-1\n" + bytes(4), r"three channels \(PF\), got one \(Pf\), as disparity"),
    ],
)
def test_damage_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "flow.pfm").write_bytes(content)
    with pytest.raises(ValueError, match=rf"flow\.pfm: {said}|flow\.pfm: .*{said}"):
        read_flow_pfm(tmp_path / "flow.pfm")

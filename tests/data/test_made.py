"""The made data sets: exact truth, hard for a trivial method, no leak, the same bytes every time."""

import hashlib
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.datasets import load_digits

from zoo.data.coco import open_coco
from zoo.data.flow import FlowPair, open_flow
from zoo.data.made import MADE, collage_action, collage_flow, collage_seg, collage_track, make
from zoo.data.made.collage import Look, paste, render
from zoo.data.made.cutouts import _POLYGONS, cutout, photograph_of
from zoo.data.mnist import open_mnist
from zoo.data.otb import Sequence, open_otb
from zoo.data.segmentation import open_segmentation


def test_the_mask_is_where_the_object_covers_at_least_half_of_a_pixel() -> None:
    """Pasted onto black and onto white, coverage is 255 minus what still shines through."""
    thing = render(Look(name="pagoda", size=60, angle=17))
    black, white = np.zeros((80, 80, 3), np.uint8), np.full((80, 80, 3), 255, np.uint8)
    mask = paste(black, thing, x=-9, y=30)
    paste(white, thing, x=-9, y=30)
    coverage = 255 - (white.astype(int) - black).max(axis=2)
    assert mask[coverage >= 130].all()
    assert not mask[coverage <= 125].any()
    assert 300 < mask.sum() < 3000


@pytest.mark.parametrize("name", ["cat", "helmet", "rocket"])
def test_outlines_are_those_that_opencv_fills(name: str) -> None:
    points = np.array([tuple(map(int, p.split(","))) for p in _POLYGONS[name][1].split()], np.int32)
    filled = np.zeros((1000, 1000), np.uint8)
    cv2.fillPoly(filled, [points], 1)
    ours = np.array(cutout(name))[..., 3] == 255
    theirs = filled[points[:, 1].min() :, points[:, 0].min() :][: ours.shape[0], : ours.shape[1]] == 1
    assert (ours & theirs).sum() / (ours | theirs).sum() > 0.99


@pytest.mark.parametrize("name", ["cup", "cat"])
def test_boxes_are_those_of_the_opaque_pixels(name: str) -> None:
    """Drawn on black and on white, an object's box is that of the pixels where the canvas shines through less
    than half."""
    rng = np.random.default_rng(3)
    actor = collage_track._Actor(collage_track._look(name, rng), rng)
    for thing, (left, top, width, height) in zip(actor.things[::8], actor.boxes[::8], strict=True):
        black, white = np.zeros((120, 160, 3), np.uint8), np.full((120, 160, 3), 255, np.uint8)
        for canvas in (black, white):
            paste(canvas, thing, x=left, y=top)
        rows, columns = np.nonzero(255 - (white.astype(int) - black).max(axis=2) >= 128)
        assert (columns.min(), rows.min()) == (left, top)
        assert (columns.max() - left + 1, rows.max() - top + 1) == (width, height)


def test_digits_are_scikit_learns(datasets: Path) -> None:
    images = np.concatenate([open_mnist(datasets / "digits", split)[0] for split in ("train", "test")])
    labels = np.concatenate([open_mnist(datasets / "digits", split)[1] for split in ("train", "test")])
    found = load_digits()
    assert images.shape == (1797, 8, 8)
    assert (images.min(), images.max()) == (0, 255)
    np.testing.assert_array_equal(np.round(images / 255 * 16), found.images)
    np.testing.assert_array_equal(labels, found.target)


def test_collage_seg_is_hard_for_the_majority_class(datasets: Path) -> None:
    for split, count in (("train", 400), ("val", 100)):
        pictures = open_segmentation(datasets / "collage-seg", split)
        pixels = sum(np.bincount(label.ravel(), minlength=9) for _, label in pictures)
        assert (len(pictures), len(pixels)) == (count, len(pictures.classes))
        assert (pixels > 0.005 * pixels.sum()).all()  # every class is there, void nowhere
        assert pixels[0] / pixels.sum() / len(pixels) < 0.1  # IoU of background alone, mean over all classes


@pytest.mark.parametrize(("split", "count"), [("train", 240), ("val", 60)])
def test_collage_coco_outlines_what_is_seen(datasets: Path, split: str, count: int) -> None:
    pictures = open_coco(datasets / "collage-coco", split)
    outlines = [thing.segmentation for things in pictures.things.values() for thing in things]
    assert {isinstance(outline, list) for outline in outlines} == {True, False}  # polygons, and run lengths
    things = [pictures.instances(i) for i in range(len(pictures))]
    classes, crowd = (np.concatenate([getattr(of, name) for of in things]) for name in ("classes", "crowd"))
    assert len(pictures) == count
    assert (np.bincount(classes[~crowd]) > count / 4).all()
    assert (classes[crowd] == pictures.classes.index("coin")).all()
    assert crowd.sum() > count // 12
    for of in things:
        assert (of.masks.sum(axis=0) <= 1).all()  # one thing a pixel: what is in front
        for mask, box in zip(of.masks, of.boxes.tolist(), strict=True):
            rows, columns = np.nonzero(mask)
            assert [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1] == box


@pytest.mark.parametrize(("split", "count"), [("train", 24), ("test", 16)])
def test_collage_track_is_hard_for_a_box_that_never_moves(datasets: Path, split: str, count: int) -> None:
    sequences = open_otb(datasets / "collage-track", split)
    assert [len(s) for s in sequences] == [len(s.boxes) for s in sequences] == [40] * count
    assert np.mean([still(s) for s in sequences]) < 0.2
    for sequence in sequences:
        left, top, width, height = sequence.boxes.T
        assert (left >= 0).all()
        assert (top >= 0).all()
        assert (left + width <= 160).all()
        assert (top + height <= 120).all()
        centres = sequence.boxes[:, :2] + sequence.boxes[:, 2:] / 2
        assert np.abs(np.diff(centres, axis=0)).max() < 12  # it moves, and never jumps


def still(sequence: Sequence) -> float:
    """Success AUC of the first box, pixel by pixel."""

    def drawn(box: np.ndarray) -> np.ndarray:
        mask = np.zeros((120, 160), bool)
        left, top, width, height = box.astype(int)
        mask[top : top + height, left : left + width] = True
        return mask

    first = drawn(sequence.boxes[0])
    overlaps = [(first & drawn(box)).sum() / (first | drawn(box)).sum() for box in sequence.boxes]
    return float(np.mean([[overlap > threshold / 20 for threshold in range(21)] for overlap in overlaps]))


@pytest.mark.parametrize(("split", "count"), [("train", 240), ("val", 40)])
def test_collage_flow_is_exact_and_hard_for_zero_flow(datasets: Path, split: str, count: int) -> None:
    pairs = list(open_flow(datasets / "collage-flow", split))
    assert len(pairs) == count
    assert np.mean([np.hypot(*pair.flow.T).mean() for pair in pairs]) > 5
    followed, still = zip(*(_differences(pair) for pair in pairs), strict=True)
    assert np.mean(followed) < 5  # grey levels; the noise alone makes 3
    assert np.mean(still) > 15


def _differences(pair: FlowPair) -> tuple[float, float]:
    """Median difference of pixels from the ones that the flow says they went to (some are hidden), and mean
    difference from the ones in the same place."""
    y, x = np.mgrid[:80, :96].astype(np.float32)
    back = cv2.remap(pair.second, x + pair.flow[..., 0], y + pair.flow[..., 1], cv2.INTER_LINEAR)
    moved, still = (np.abs(other.astype(int) - pair.first).mean(axis=2) for other in (back, pair.second))
    return float(np.median(moved)), float(still.mean())


def test_a_motion_and_its_inverse_by_hand() -> None:
    """A quarter turn about (1, 0) takes (2, 0) to (1, 1), y pointing down."""
    quarter = collage_flow._Similarity(1j, 1 - 1j)
    a, b, c, d, e, f = quarter.affine
    assert (a * 2 + b * 0 + c, d * 2 + e * 0 + f) == (1, 1)
    assert quarter.inverse.after(quarter) == quarter.after(quarter.inverse) == collage_flow._Similarity(1, 0)


def test_a_frame_of_collage_action_does_not_tell_its_class() -> None:
    """The object's pose in single frames is distributed alike for all classes, coordinate by coordinate and in pairs;
    over a clip one coordinate goes one way."""
    rng = np.random.default_rng(0)
    names = ("x", "y", "angle", "size")
    paths = {
        of: np.array([[[pose[n] for n in names] for pose in collage_action.poses(of, rng)] for _ in range(600)])
        for of in collage_action._CLASSES
    }
    quantiles = np.array([np.quantile(path, np.arange(0.05, 1, 0.05), axis=(0, 1)) for path in paths.values()])
    assert (np.ptp(quantiles, axis=0) < [4, 4, 50, 1.5]).all()
    alone = [largest_correlation([dealt(path, rng) for path in paths.values()]) for _ in range(99)]
    assert largest_correlation(paths.values()) <= max(alone)  # p > 0.01 that the coordinates are independent
    for of, path in paths.items():
        moving, sign = collage_action._CLASSES[of]
        steps = np.diff(path, axis=1)
        assert (np.sign(steps[..., names.index(moving)]) == sign).all()
        assert (np.delete(steps, names.index(moving), axis=2) == 0).all()


def dealt(path: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each coordinate (last axis) of clips (first axis) given to clips anew: what could be related is not any more."""
    return np.stack([rng.permutation(path[..., i]) for i in range(path.shape[-1])], axis=-1)


def largest_correlation(paths: Iterable[np.ndarray]) -> float:
    """Of two coordinates, over all frames of any class."""
    pairs = np.array([np.corrcoef(path.reshape(-1, path.shape[-1]), rowvar=False) for path in paths])
    return float(np.abs(pairs - np.eye(pairs.shape[-1])).max())


def test_nothing_leaks_from_training_into_the_test() -> None:
    train, test = (set(collage_track.OBJECTS[split]) for split in ("train", "test"))
    assert not train & test
    assert {photograph_of(o) for o in train} & {photograph_of(o) for o in test} == {"coins.png"}
    for parts in (collage_track.BACKDROPS, collage_seg.BACKDROPS, collage_seg._DISTRACTORS, collage_seg._COINS):
        assert not set(parts["train"]) & set(parts[max(set(parts) - {"train"})])


@pytest.mark.slow
def test_a_second_making_gives_the_same_bytes(datasets: Path, tmp_path: Path) -> None:
    """In another process, folder and locale, under another hash seed."""
    code = (
        "import sys; from pathlib import Path; from zoo.data.made import MADE, make; "
        "[make(name, Path(sys.argv[1]) / name) for name in MADE]"
    )
    again = {"PYTHONHASHSEED": "7", "LC_ALL": "C", "TZ": "Asia/Tokyo", "OMP_NUM_THREADS": "3"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "again")], check=True, cwd=tmp_path, env=again)
    assert hashes(tmp_path / "again") == hashes(datasets)


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_unknown_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"not made by the zoo; it makes: {', '.join(MADE)}"):
        make("imagenet", tmp_path / "imagenet")

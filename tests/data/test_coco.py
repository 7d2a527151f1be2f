"""COCO's reader against pycocotools, and what happens when each part of a data set is damaged."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from zoo.data.coco import decompressed, open_coco
from zoo.data.layouts import examine
from zoo.data.left_out import left_out

SQUARE = [1, 1, 1, 5, 6, 5, 6, 1]  # x from 1 to 6, y from 1 to 5
RUNS = {"size": [8, 10], "counts": [9, 4, 4, 4, 59]}


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Two pictures of 10x8 pixels with a polygon and a crowd in the first."""
    (tmp_path / "annotations").mkdir()
    (tmp_path / "train2017").mkdir()
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (10, 8)).save(tmp_path / "train2017" / name)
    box = {"bbox": [1, 1, 5, 4], "image_id": 7}
    listing = {
        "images": [{"id": i, "file_name": f"{n}.jpg", "height": 8, "width": 10} for i, n in ((7, "a"), (3, "b"))],
        "annotations": [
            box | {"id": 1, "category_id": 18, "iscrowd": 0, "segmentation": [SQUARE]},
            box | {"id": 2, "category_id": 2, "iscrowd": 1, "segmentation": RUNS},
        ],
        "categories": [{"id": 18, "name": "dog"}, {"id": 2, "name": "bicycle"}],
    }
    (tmp_path / "annotations" / "instances_train2017.json").write_text(json.dumps(listing))
    return tmp_path


def changed(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    path = folder / "annotations" / "instances_train2017.json"
    listing = json.loads(path.read_text())
    change(listing)
    path.write_text(json.dumps(listing))
    return folder


@pytest.mark.shared_data
def test_official_outlines_are_those_of_cocos_own_code(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    split = open_coco(shared_data / "coco_tiny", "train")
    theirs = COCO(str(split.path))
    capsys.readouterr()
    assert (len(split), len(split.classes), split.classes[0], split.classes[-1]) == (20, 80, "person", "toothbrush")
    crowds = 0
    for i, identity in enumerate(split.ids):
        image, things = split[i]
        listed = theirs.imgToAnns[identity]
        assert image.shape == (theirs.imgs[identity]["height"], theirs.imgs[identity]["width"], 3)
        assert [split.classes[k] for k in things.classes] == [theirs.cats[a["category_id"]]["name"] for a in listed]
        np.testing.assert_array_equal(things.boxes, np.array([a["bbox"] for a in listed]))
        ours = [coco_mask.encode(np.asfortranarray(mask, np.uint8)) for mask in things.masks]
        assert ours == [theirs.annToRLE(a) for a in listed]
        crowds += int(things.crowd.sum())
    assert crowds == 4


def test_a_case_worked_by_hand(tiny: Path) -> None:
    split = open_coco(tiny, "train")
    assert (split.classes, split.ids) == (("bicycle", "dog"), (3, 7))  # in the order of ids, not of the file
    image, things = split[1]
    assert image.shape == (8, 10, 3)
    assert things.classes.tolist() == [1, 0]
    assert things.crowd.tolist() == [False, True]
    expected = np.zeros((2, 8, 10), bool)
    expected[0, 1:5, 1:6] = True
    expected[1, 1:5, 1:3] = True  # 9 off (a column and a pixel), 4 on, 4 off, 4 on
    np.testing.assert_array_equal(things.masks, expected)
    boxes, classes = split.boxes(1)
    assert (boxes.tolist(), classes.tolist()) == ([[1, 1, 5, 4]], [1])
    assert split[0][1].masks.shape == (0, 8, 10)


def test_compressed_run_lengths_are_those_of_cocos_own_code() -> None:
    rng = np.random.default_rng(0)
    for density in (0.01, 0.5, 0.99):
        mask = rng.random((60, 45)) < density
        counts = coco_mask.encode(np.asfortranarray(mask, np.uint8))["counts"].decode()
        runs = decompressed(counts)
        np.testing.assert_array_equal(np.repeat(np.arange(len(runs)) % 2, runs).reshape(45, 60).T, mask)


def test_what_is_read_is_the_same_from_a_compressed_string(tiny: Path) -> None:
    mask = open_coco(tiny, "train")[1][1].masks[1]
    counts = coco_mask.encode(np.asfortranarray(mask, np.uint8))["counts"].decode()
    changed(tiny, lambda listing: listing["annotations"][1]["segmentation"].update(counts=counts))
    np.testing.assert_array_equal(open_coco(tiny, "train")[1][1].masks[1], mask)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"category_id": 5}, "one of 2 listed categories, got 5"),
        ({"bbox": [1, 1, 12, 4]}, r"a box within 10x8 pixels, got \[1.0, 1.0, 12.0, 4.0\]"),
        ({"bbox": [4, 1, -2, 4]}, "a box within 10x8 pixels"),
        ({"segmentation": [[1, 1, 1, 5]]}, "polygons of at least three points, x and y each, got 4 numbers"),
        ({"segmentation": [[*SQUARE, 3]]}, "at least three points, x and y each, got 9 numbers"),
        ({"segmentation": []}, "at least three points, x and y each, got no numbers"),
        ({"segmentation": [[1, 1, 1, 10, 6, 5]]}, "an outline within 10x8 pixels, got points beyond"),
        ({"segmentation": RUNS | {"size": [10, 8]}}, r"over 8 rows and 10 columns, got size \[10, 8\]"),
        ({"segmentation": RUNS | {"counts": [9, 4, 4, 4, 58]}}, "run lengths that sum to 80 pixels, got 79"),
        ({"segmentation": RUNS | {"counts": [90, -10]}}, "sum to 80 pixels, got 80 or negative ones"),
        ({"segmentation": RUNS | {"counts": "94!"}}, "a compressed RLE, got the character '!'"),
        ({"segmentation": RUNS | {"counts": "94o"}}, "a compressed RLE, got an end within a number"),
    ],
)
def test_a_damaged_annotation(tiny: Path, change: dict[str, Any], complaint: str) -> None:
    changed(tiny, lambda listing: listing["annotations"][0].update(change))
    with pytest.raises(ValueError, match=rf"instances_train2017\.json, annotation 1: expected .*{complaint}"):
        examine(tiny)
    assert examine(tiny, skip_bad=True) == "pictures with outlined things: 1 train; 1 left out"
    assert open_coco(tiny, "train").ids == (3,)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda listing: listing.pop("categories"), "expected COCO's instances, got categories: Field required"),
        (lambda listing: listing.update(images=[]), "got images: List should have at least 1 item"),
        (lambda listing: listing["annotations"][1].pop("bbox"), r"got annotations\.1\.bbox: Field required"),
        (
            lambda listing: listing["annotations"][1].update(iscrowd=2),
            r"got annotations\.1\.iscrowd: Input should be 0",
        ),
        (lambda listing: listing["annotations"][1].update(segmentation="x"), r"got annotations\.1\.segmentation"),
        (
            lambda listing: listing["annotations"][1].update(id=1),
            "expected each annotation once, got annotation 1 2 tim",
        ),
        (lambda listing: listing["images"][1].update(id=7), "expected each image once, got image 7 2 times"),
        (lambda listing: listing["images"][0].update(height=10**9), "image 7: expected at most .* got 10x1000000000"),
        (lambda listing: listing["annotations"][1].update(image_id=8), "annotation 2: expected a listed image, got 8"),
    ],
)
def test_a_damaged_listing_is_no_picture_to_skip(
    tiny: Path, change: Callable[[dict[str, Any]], object], complaint: str
) -> None:
    changed(tiny, change)
    for skip_bad in (False, True):
        with pytest.raises(ValueError, match=rf"instances_train2017\.json.*{complaint}"):
            examine(tiny, skip_bad=skip_bad)


def test_truncated_and_absent_annotations(tiny: Path) -> None:
    path = tiny / "annotations" / "instances_train2017.json"
    whole = path.read_bytes()
    path.write_bytes(whole[:200])
    with pytest.raises(ValueError, match=r"got the file: Invalid JSON: EOF.*fetch them again"):
        open_coco(tiny, "train")
    path.write_bytes(whole)
    shutil.copy(path, path.with_name("instances_train2014.json"))
    with pytest.raises(
        ValueError, match=r"expected one .*instances_train\*\.json, found instances_train2014\.json, ins"
    ):
        open_coco(tiny, "train")
    with pytest.raises(ValueError, match=r"expected one .*instances_val\*\.json, found none"):
        open_coco(tiny, "val")


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (Path.unlink, r"names 2 pictures, 1 of them absent; the first is .*a\.jpg"),
        (lambda path: path.write_bytes(path.read_bytes()[:-300]), r"a\.jpg: expected a"),
        (
            lambda path: Image.new("RGB", (8, 10)).save(path),
            r"a\.jpg: expected 10x8, as instances_train2017\.json says",
        ),
    ],
)
def test_a_damaged_picture(tiny: Path, damage: Callable[[Path], object], complaint: str) -> None:
    damage(tiny / "train2017" / "a.jpg")
    with pytest.raises(ValueError, match=complaint):
        examine(tiny)
    assert examine(tiny, skip_bad=True) == "pictures with outlined things: 1 train; 1 left out"
    assert open_coco(tiny, "train").ids == (3,)
    assert list(left_out(tiny)) == ["train2017/a.jpg"]

"""Cityscapes in its official layout to COCO's: each numbered thing, groups as crowds, and that damage is named."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from PIL import Image

from zoo.data.convert.cityscapes import convert_cityscapes
from zoo.data.layouts import examine
from zoo.data.pictures import read_numbers

SIZE = (20, 30)


def write(root: Path, split: str, city: str, number: int, label: np.ndarray, *, size: tuple[int, int] = SIZE) -> Path:
    """A picture and its labels, named and packed as the archives have them; returns the labels' path."""
    name = f"{city}_{number:06d}_000019"
    picture = root / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png"
    path = root / "gtFine" / split / city / f"{name}_gtFine_instanceIds.png"
    for each in (picture, path):
        each.parent.mkdir(parents=True, exist_ok=True)
    seed = int.from_bytes(f"{split}{city}{number}".encode()) % 2**32
    noise = np.random.default_rng(seed).integers(0, 256, size=(*size, 3), dtype=np.uint8)
    Image.fromarray(noise).save(picture)
    Image.fromarray(label.astype(np.uint16)).save(path)
    return path


def street() -> np.ndarray:
    """A road with two cars, a person, a group of bicycles, and a caravan, which is not scored."""
    label = np.full(SIZE, 7, np.int32)
    label[2:6, 3:9], label[8:14, 20:29], label[10:18, 3:6] = 26000, 26001, 24000
    label[15:19, 10:18], label[0:2, 0:3] = 33, 29000
    return label


@pytest.fixture
def cityscapes(tmp_path: Path) -> Path:
    root = tmp_path / "cityscapes"
    write(root, "train", "aachen", 0, street())
    write(root, "train", "bochum", 1, np.full(SIZE, 11, np.int32))
    write(root, "val", "munster", 0, street()[:, ::-1])
    return root


def test_things_are_those_of_the_labels(cityscapes: Path, tmp_path: Path) -> None:
    from zoo.data.coco import open_coco

    converted = convert_cityscapes(cityscapes, tmp_path / "coco")
    assert converted.counts == {"train": 2, "val": 1}
    assert "train: 2 pictures, where Cityscapes has 2,975" in converted.remarks
    words = examine(tmp_path / "coco")
    assert words is not None
    assert words.startswith("pictures with outlined things: 2 train, 1 val")

    split = open_coco(tmp_path / "coco", "train")
    assert split.classes == ("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")
    image, found = split[0]
    assert image.shape == (*SIZE, 3)
    label = street()
    for kind, crowd, values in (("person", False, [24000]), ("car", False, [26000, 26001]), ("bicycle", True, [33])):
        chosen = np.flatnonzero((found.classes == split.classes.index(kind)) & (found.crowd == crowd))
        assert len(chosen) == len(values)
        for i, value in zip(chosen, values, strict=True):
            np.testing.assert_array_equal(found.masks[i], label == value)
            rows, columns = (np.flatnonzero((label == value).any(axis)) for axis in (1, 0))
            assert found.boxes[i].tolist() == [columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1]
    assert len(found.classes) == 4  # no caravan
    assert len(split[1][1].classes) == 0


def test_damage_is_named(cityscapes: Path, tmp_path: Path) -> None:
    def refused(match: str) -> None:
        with pytest.raises(ValueError, match=match), TemporaryDirectory() as scratch:
            convert_cityscapes(cityscapes, Path(scratch) / "coco")

    path = write(cityscapes, "val", "lindau", 3, np.full((4, 4), 7))
    refused("expected the size of its picture 30x20, got 4x4")
    path = write(cityscapes, "val", "lindau", 3, np.full(SIZE, 60001))
    refused("expected classes 0 to 33, as in cityscapesScripts, got 60")
    path.write_bytes(path.read_bytes()[:60])
    refused("lindau_000003_000019_gtFine_instanceIds.png: expected a whole picture")
    path.unlink()
    refused("lindau_000003_000019_gtFine_instanceIds.png: expected a picture, but there is no such file")
    with pytest.raises(ValueError, match="expected gtFine in it or in cityscapes/"):
        convert_cityscapes(tmp_path / "nowhere", tmp_path / "out")


def test_labels_in_colour_are_refused(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "colour.png")
    with pytest.raises(ValueError, match="expected a picture of whole numbers, got mode RGB"):
        read_numbers(tmp_path / "colour.png")

"""Which reader a folder gets, and that all of it is read."""

import itertools
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.data import layouts
from zoo.data.flow import open_flow
from zoo.data.image_folder import open_image_folder
from zoo.data.layouts import examine
from zoo.data.left_out import left_out


def test_made_data_sets_are_accepted(datasets: Path) -> None:
    assert examine(datasets / "digits") == "pictures with one label each: 1500 train, 297 test"
    assert examine(datasets / "collage-seg") == "pictures labelled by pixel: 400 train, 100 val"
    assert examine(datasets / "collage-coco") == "pictures with outlined things: 240 train, 60 val"
    assert examine(datasets / "collage-track") == "sequences of one tracked object: 24 train, 16 test"
    assert examine(datasets / "collage-flow") == "pairs with flow: 240 train, 40 val"


@pytest.mark.shared_data
def test_real_data_sets_are_accepted(shared_data: Path) -> None:
    assert examine(shared_data / "generation_mnist") == "pictures with one label each: 20000 train, 5000 test"
    assert examine(shared_data / "segmentation_camvid") == "pictures labelled by pixel: 40 train, 9 val"
    assert examine(shared_data / "coco_tiny") == "pictures with outlined things: 20 train"
    assert examine(shared_data / "tracking_otb") == "sequences of one tracked object: 2 test"
    assert examine(shared_data / "flow_sintel") == "pairs with flow: 1 clean, 1 final"
    assert examine(shared_data / "flow_kitti") == "pairs with flow: 1 training"
    assert examine(shared_data / "flow_middlebury") == "pairs with flow: 1 other"
    with pytest.raises(ValueError, match=r"expected data_batch_\*\.bin"):  # a test batch alone
        examine(shared_data / "generation_cifar10")
    assert examine(shared_data / "superres") is None


def pictures(folder: Path, counts: Mapping[str, int]) -> Path:
    """A folder per class of pictures that all differ."""
    numbers = itertools.count()
    for split, count in counts.items():
        for i in range(count):
            path = folder / split / "ant" / f"{i:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((4, 4, 3), next(numbers), np.uint8)).save(path)
    return folder


def test_training_pictures_copied_into_the_test_are_refused_or_left_out(tmp_path: Path) -> None:
    """Under another name and class: the bytes tell."""
    folder = pictures(tmp_path, {"train": 6, "val": 3, "test": 3})
    assert examine(folder) == "pictures in a folder per class: 6 train, 3 val, 3 test"
    for i in (0, 1):
        shutil.copy(folder / "train" / "ant" / f"00{i + 4}.png", folder / "test" / "ant" / f"00{i}.png")
    first = r"2 of 3 are copies, first test/ant/000\.png of train/ant/004\.png"
    with pytest.raises(ValueError, match=rf"expected test to share no picture with train, but {first}"):
        examine(folder)
    assert examine(folder, skip_bad=True) == "pictures in a folder per class: 6 train, 3 val, 1 test; 2 left out"
    assert left_out(folder)["test/ant/001.png"] == "a copy of train/ant/005.png in train"
    assert len(open_image_folder(folder, "test")) == 1


def test_a_copy_among_a_hundred_is_counted(tmp_path: Path) -> None:
    folder = pictures(tmp_path, {"train": 2, "val": 100})
    shutil.copy(folder / "train" / "ant" / "001.png", folder / "val" / "ant" / "050.png")
    told = "pictures in a folder per class: 2 train, 100 val; 1 of val are in train, too"
    assert examine(folder) == examine(folder, skip_bad=True) == told


def test_digits_copied_into_the_test_cannot_be_left_out(made_copy: Callable[[str], Path]) -> None:
    folder = made_copy("digits")
    train, test = (folder / f"{prefix}-images-idx3-ubyte" for prefix in ("train", "t10k"))
    start, size = 16, 64  # of the header and of a picture
    content = bytearray(test.read_bytes())
    content[start : start + 3 * size] = train.read_bytes()[start + 7 * size : start + 10 * size]
    test.write_bytes(content)
    for skip_bad in (False, True):
        with pytest.raises(ValueError, match=r"3 of 297 are copies, first 0 of 7: .* where each has a file of its own"):
            examine(folder, skip_bad=skip_bad)


COPIES = {
    "collage-seg": lambda folder: [folder / "JPEGImages" / f"{name}.jpg" for name in listed(folder)],
    "collage-coco": lambda folder: [min((folder / split).glob("*.jpg")) for split in ("train", "val")],
    "collage-track": lambda folder: [min((folder / split).glob("*/img/0001.jpg")) for split in ("train", "test")],
    "collage-flow": lambda folder: [folder / f"{name}-img0.ppm" for name in chairs(folder)],
    "collage-action": lambda folder: [folder / "UCF-101" / name for name in videos(folder)],
}


def listed(folder: Path) -> list[str]:
    lists = (folder / "ImageSets" / "Segmentation" / f"{split}.txt" for split in ("train", "val"))
    return [path.read_text().split()[0] for path in lists]


def chairs(folder: Path) -> list[str]:
    return [open_flow(folder, split).ids[0] for split in ("train", "val")]


def videos(folder: Path) -> list[str]:
    lists = (folder / "ucfTrainTestlist" / f"{split}list01.txt" for split in ("train", "test"))
    return [path.read_text().split()[0] for path in lists]


@pytest.mark.parametrize(("name", "files"), COPIES.items())
def test_a_copy_is_known_in_every_layout(
    name: str, files: Callable[[Path], list[Path]], made_copy: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = made_copy(name)
    monkeypatch.setattr(layouts, "FEW", 0.0)
    original, copy = files(folder)
    shutil.copyfile(original, copy)
    with pytest.raises(ValueError, match=r"expected (val|test) to share no picture with train, but 1 of"):
        examine(folder)


def test_the_last_frame_is_read_too(datasets: Path, tmp_path: Path) -> None:
    whole = datasets / "collage-track" / "test" / "01-cat"
    for path in sorted(whole.rglob("*.*")):
        copy = tmp_path / "cat" / path.relative_to(whole)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes()[:-1000] if path.name == "0040.jpg" else path.read_bytes())
    with pytest.raises(ValueError, match=r"0040\.jpg: expected a whole picture"):
        examine(tmp_path)

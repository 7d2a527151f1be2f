"""Pictures brought to one size: the area's mean, against numpy and Pillow; the crops; what is refused or left out."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.data.convert.pictures import convert_pictures, square
from zoo.data.labelled import check_fits, open_labelled
from zoo.data.layouts import examine
from zoo.data.left_out import left_out
from zoo.data.pictures import read_rgb


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, size=(height, width, 3), dtype=np.uint8)


def save(picture: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


def test_a_pixel_is_the_mean_of_its_area() -> None:
    picture = noise(32, 48)
    means = picture[:, 8:40].reshape(8, 4, 8, 4, 3).mean(axis=(1, 3))
    assert np.abs(square(picture, size=8, crop="center") - means).max() <= 0.5
    theirs = Image.fromarray(picture[:, 8:40]).resize((8, 8), Image.Resampling.BOX)
    assert np.abs(square(picture, size=8, crop="center") - np.asarray(theirs, int)).max() <= 1  # rounds twice


def test_areas_that_share_pixels() -> None:
    """50 to 24: each is the mean over 2 1/12 pixels each way, those at the rim weighing what is covered of them."""
    edges = np.linspace(0, 50, 25)
    covered = np.minimum(edges[1:, None], np.arange(1, 51)) - np.maximum(edges[:-1, None], np.arange(50))
    weights = covered.clip(0) * 24 / 50
    picture = noise(50, 50)
    means = np.einsum("ih,jw,hwc->ijc", weights, weights, picture.astype(float))
    assert np.abs(square(picture, size=24, crop="center") - means).max() < 0.51


@pytest.mark.parametrize(("height", "width", "rows", "columns"), [(9, 15, (0, 9), (3, 12)), (16, 9, (3, 12), (0, 9))])
def test_the_middle_is_kept(height: int, width: int, rows: tuple[int, int], columns: tuple[int, int]) -> None:
    picture = noise(height, width)
    np.testing.assert_array_equal(square(picture, size=9, crop="center"), picture[slice(*rows), slice(*columns)])


def test_celebas_crop_is_the_one_of_karras() -> None:
    """dataset_tool.py: rows cy - 64 to cy + 64, columns cx - 64 to cx + 64 of 178 x 218."""
    picture = noise(218, 178)
    np.testing.assert_array_equal(square(picture, size=128, crop="celeba"), picture[57:185, 25:153])
    with pytest.raises(ValueError, match="expected 178x218, as CelebA's aligned pictures are, got 178x200"):
        square(noise(200, 178), size=64, crop="celeba")


def test_all_of_a_picture_loses_its_proportions() -> None:
    picture = noise(16, 32)
    means = picture.reshape(8, 2, 8, 4, 3).mean(axis=(1, 3))
    assert np.abs(square(picture, size=8, crop="none") - means).max() <= 0.5
    with pytest.raises(ValueError, match="expected at least 17 pixels a side after the crop, got 16"):
        square(picture, size=17, crop="none")


def test_nothing_is_enlarged() -> None:
    with pytest.raises(ValueError, match="expected at least 10 pixels a side after the crop, got 9"):
        square(noise(9, 20), size=10, crop="center")


def test_a_folder_of_pictures_is_one_class(tmp_path: Path) -> None:
    """Of whatever kind and depth, named as they were; LSUN's tool writes JPEG to files called .webp."""
    source = tmp_path / "source"
    save(noise(20, 20), source / "a.png")
    save(noise(20, 20)[..., 0], source / "deep" / "er" / "grey.JPEG")
    Image.fromarray(noise(16, 30)).save(source / "deep" / "key.webp", format="JPEG")
    (source / "list.txt").write_text("a")
    save(noise(20, 20), source / ".hidden.png")
    told: list[tuple[int, int]] = []
    done = convert_pictures(source, tmp_path / "out", size=8, report=lambda *at: told.append(at))
    assert (done.counts, told) == ({"train": 3}, [(1, 3), (2, 3), (3, 3)])
    assert done.remarks == ("left out: 2 files that are no pictures by their names, or hidden",)
    written = sorted(path for path in (tmp_path / "out").rglob("*.png"))
    assert [path.relative_to(tmp_path / "out").as_posix() for path in written] == [
        "train/pictures/a.png",
        "train/pictures/deep/er/grey.png",
        "train/pictures/deep/key.png",
    ]
    assert {read_rgb(path).shape for path in written} == {(8, 8, 3)}
    assert examine(tmp_path / "out") == "pictures in a folder per class: 3 train"


def test_deep_folders_alone_are_recognised(tmp_path: Path) -> None:
    save(noise(9, 9), tmp_path / "source" / "00000" / "00000.png")
    convert_pictures(tmp_path / "source", tmp_path / "out", size=8)
    assert examine(tmp_path / "out") == "pictures in a folder per class: 1 train"


def test_splits_and_classes_are_kept(tmp_path: Path) -> None:
    for seed, name in enumerate(("train/cat/1.jpg", "train/dog/sub/1.jpg", "val/cat/1.jpg", "val/dog/2.jpg")):
        save(noise(9, 9, seed), tmp_path / "source" / name)
    done = convert_pictures(tmp_path / "source", tmp_path / "out", size=8)
    assert done.counts == {"train": 2, "val": 2}
    assert examine(tmp_path / "out") == "pictures in a folder per class: 2 train, 2 val"
    assert (tmp_path / "out" / "train" / "dog" / "sub" / "1.png").is_file()


def test_bad_pictures_are_refused_or_left_out_by_name(tmp_path: Path) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    save(noise(9, 9), source / "fine.png")
    save(noise(7, 9), source / "small.png")
    save(noise(9, 9), source / "torn.jpg")
    (source / "torn.jpg").write_bytes((source / "torn.jpg").read_bytes()[:150])
    with pytest.raises(
        ValueError, match=r"small\.png: expected at least 8 .* Or leave such pictures out by --skip-bad"
    ):
        convert_pictures(source, out, size=8)
    done = convert_pictures(source, out, size=8, skip_bad=True)
    assert (done.counts, done.remarks) == (
        {"train": 1},
        ("left out: 2 pictures that are damaged or too small, named in left-out.tsv",),
    )
    faults = left_out(out)
    assert list(faults) == ["train/pictures/small.png", "train/pictures/torn.png"]
    assert "torn.jpg: expected a" in faults["train/pictures/torn.png"]
    assert examine(out) == "pictures in a folder per class: 1 train; 2 left out"
    (source / "fine.png").unlink()
    with pytest.raises(ValueError, match=r"none of 2 pictures can be used, the first: .*small\.png"):
        convert_pictures(source, out, size=8, skip_bad=True)


def test_what_cannot_be_converted_at_all(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    with pytest.raises(ValueError, match=r"source: expected pictures \(\.bmp, .*\) in it or below, found none"):
        convert_pictures(tmp_path / "source", tmp_path / "out", size=8)
    for name in ("a.jpg", "a.png"):
        save(noise(9, 9), tmp_path / "source" / name)
    with pytest.raises(
        ValueError, match=r"a\.png: expected one picture of this name, but a\.jpg would become the same"
    ):
        convert_pictures(tmp_path / "source", tmp_path / "out", size=8)
    with pytest.raises(ValueError, match="expected the crop center, celeba, none, got 'face'"):
        convert_pictures(tmp_path / "source", tmp_path / "out", size=8, crop="face")
    with pytest.raises(ValueError, match="nowhere: expected pictures"):
        convert_pictures(tmp_path / "nowhere", tmp_path / "out", size=8)


def test_models_of_pictures_learn_from_them(tmp_path: Path) -> None:
    """All of a split in memory, as they do from MNIST's and CIFAR-10's files."""
    for split, name, seed in (("train", "cat", 0), ("train", "dog", 1), ("test", "cat", 2), ("test", "dog", 3)):
        save(noise(8, 8, seed), tmp_path / split / name / "1.png")
    images, labels, classes = open_labelled(tmp_path, "train")
    assert (images.dtype, images.shape, labels.dtype) == (np.uint8, (2, 3, 8, 8), np.uint8)
    assert (labels.tolist(), classes) == ([0, 1], ("cat", "dog"))
    for i in range(2):
        np.testing.assert_array_equal(images[i].transpose(1, 2, 0), noise(8, 8, i))
    np.testing.assert_array_equal(open_labelled(tmp_path, "test").images[1].transpose(1, 2, 0), noise(8, 8, 3))
    save(noise(9, 8), tmp_path / "train" / "dog" / "2.png")
    with pytest.raises(ValueError, match=r"dog/2\.png: expected 8x8, as the first picture has, got 8x9"):
        open_labelled(tmp_path, "train")
    with pytest.raises(ValueError, match="expected a folder val/"):
        open_labelled(tmp_path, "val")


def test_more_classes_than_a_byte_can_tell_apart(tmp_path: Path) -> None:
    for i in range(257):
        save(noise(1, 1), tmp_path / "train" / f"{i}" / "1.png")
    with pytest.raises(ValueError, match="expected at most 256 classes, got 257"):
        open_labelled(tmp_path, "train")


def test_more_pictures_than_memory_should_hold(tmp_path: Path) -> None:
    check_fits(tmp_path, 2**30, memory=3 * 2**30)
    with pytest.raises(ValueError, match=r"at most 1\.0 GiB, a third of this machine's memory, got 34\.7 GiB"):
        check_fits(tmp_path, 3_033_042 * 64 * 64 * 3, memory=3 * 2**30)  # LSUN's bedrooms

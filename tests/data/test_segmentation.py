"""VOC and SegNet-CamVid: what is read, and that damage is named."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.data.layouts import examine
from zoo.data.segmentation import CAMVID, VOC, VOID, open_segmentation

SPLITS = "ImageSets/Segmentation"


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """Two pictures a split; the label has an aeroplane on the left, void on its border and background."""
    for part in ("JPEGImages", "SegmentationClass", SPLITS):
        (tmp_path / part).mkdir(parents=True)
    label = np.zeros((4, 6), np.uint8)
    label[:, 0], label[:, 1] = 1, 255
    for split, ids in (("train", ("a", "b")), ("val", ("c", "d"))):
        (tmp_path / SPLITS / f"{split}.txt").write_text("".join(f"{i}\n" for i in ids))
        for i in ids:
            Image.new("RGB", (6, 4), "teal").save(tmp_path / "JPEGImages" / f"{i}.jpg")
            write_label(tmp_path, i, label)
    return tmp_path


def write_label(root: Path, name: str, label: np.ndarray) -> None:
    picture = Image.fromarray(label).convert("P")
    picture.putpalette([*range(255, -1, -1)] * 3)  # colours that are not the indices
    picture.save(root / "SegmentationClass" / f"{name}.png")


def test_voc_gives_palette_indices(voc: Path) -> None:
    split = open_segmentation(voc, "train")
    image, label = split[0]
    assert (len(split), split.ids, split.classes) == (2, ("a", "b"), VOC)
    assert image.shape == (4, 6, 3)
    assert label[0].tolist() == [1, VOID, 0, 0, 0, 0]


def test_iterating_ends(voc: Path) -> None:
    assert len(list(open_segmentation(voc, "val"))) == 2


def test_voc_is_found_where_its_archive_puts_it(voc: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outer = tmp_path_factory.mktemp("archive")
    (outer / "VOCdevkit").mkdir()
    voc.rename(outer / "VOCdevkit" / "VOC2012")
    assert len(open_segmentation(outer, "train")) == 2


def test_other_classes_are_named_in_a_file(voc: Path) -> None:
    (voc / "classes.txt").write_text("nothing\r\nthing\r\n")
    assert open_segmentation(voc, "train").classes == ("nothing", "thing")


def test_camvid_void_becomes_255_and_its_paths_are_local(tmp_path: Path) -> None:
    for part in ("train", "trainannot"):
        (tmp_path / part).mkdir()
    (tmp_path / "train.txt").write_text("/SegNet/CamVid/train/f.png /SegNet/CamVid/trainannot/f.png\n")
    Image.new("RGB", (2, 1)).save(tmp_path / "train" / "f.png")
    Image.fromarray(np.array([[10, 11]], np.uint8)).save(tmp_path / "trainannot" / "f.png")
    split = open_segmentation(tmp_path, "train")
    assert split.classes == CAMVID
    assert split[0][1].tolist() == [[10, VOID]]


@pytest.mark.shared_data
def test_real_camvid(shared_data: Path) -> None:
    train, val = (open_segmentation(shared_data / "segmentation_camvid", split) for split in ("train", "val"))
    assert (len(train), len(val)) == (40, 9)
    image, label = val[0]
    assert image.shape == (360, 480, 3)
    counts = np.bincount(label.ravel(), minlength=256)
    assert counts[:11].sum() + counts[VOID] == label.size
    assert counts[3] > counts[10]  # more road than bicyclists


@pytest.mark.shared_data
def test_real_voc_mask(shared_data: Path, tmp_path: Path) -> None:
    root = shared_data / "segmentation_voc_labelme" / "VOC_layout"
    for part in ("JPEGImages", "SegmentationClass"):
        (tmp_path / part).symlink_to(root / part)
    (tmp_path / SPLITS).mkdir(parents=True)
    (tmp_path / SPLITS / "train.txt").write_text("2011_000003\n")
    _, label = open_segmentation(tmp_path, "train")[0]
    assert {VOC[i] for i in np.unique(label) if i != VOID} == {"background", "bottle", "person"}


def test_unknown_layout_says_what_was_found(tmp_path: Path) -> None:
    (tmp_path / "holiday.mov").touch()
    with pytest.raises(ValueError, match=r"expected the layout of VOC .* found holiday\.mov"):
        open_segmentation(tmp_path, "train")


def test_list_of_absent_files(voc: Path) -> None:
    (voc / "SegmentationClass" / "b.png").unlink()
    with pytest.raises(
        ValueError, match=r"names 1 pictures whose files are not all there, first SegmentationClass/b\.png"
    ):
        open_segmentation(voc, "train")


def test_picture_listed_twice(voc: Path) -> None:
    (voc / SPLITS / "train.txt").write_text("a\na\n")
    with pytest.raises(ValueError, match="'a' 2 times"):
        open_segmentation(voc, "train")


def test_absent_and_empty_list(voc: Path) -> None:
    with pytest.raises(ValueError, match=r"test\.txt: expected a list"):
        open_segmentation(voc, "test")
    (voc / SPLITS / "train.txt").write_text("\n")
    with pytest.raises(ValueError, match="empty list"):
        open_segmentation(voc, "train")


def test_label_out_of_range(voc: Path) -> None:
    write_label(voc, "a", np.full((4, 6), 21, np.uint8))
    with pytest.raises(ValueError, match=r"a\.png: expected class indices 0 to 20 .* got 21"):
        open_segmentation(voc, "train")[0]


def test_label_of_another_size(voc: Path) -> None:
    write_label(voc, "a", np.zeros((4, 5), np.uint8))
    with pytest.raises(ValueError, match=r"a\.png: expected the size of its picture a\.jpg, 6x4, got 5x4"):
        open_segmentation(voc, "train")[0]


def test_a_label_of_void_alone(voc: Path) -> None:
    write_label(voc, "a", np.full((4, 6), VOID, np.uint8))
    with pytest.raises(ValueError, match=r"a\.png: expected some pixel of a class, got 255 \(void\) alone"):
        open_segmentation(voc, "train")[0]
    assert "1 left out" in str(examine(distinct(voc), skip_bad=True))
    assert open_segmentation(voc, "train").ids == ("b",)


def distinct(voc: Path) -> Path:
    """The same data set with another picture under each name."""
    for shade, path in enumerate(sorted((voc / "JPEGImages").iterdir())):
        Image.new("RGB", (6, 4), (60 * shade, 0, 0)).save(path)
    return voc


@pytest.mark.parametrize(
    ("split", "ids", "shared"), [("val", ("a", "b"), 2), ("val", ("c", "b"), 1), ("test", ("b", "c"), 1)]
)
def test_lists_that_share_pictures(voc: Path, split: str, ids: tuple[str, ...], shared: int) -> None:
    (voc / SPLITS / f"{split}.txt").write_text("".join(f"{i}\n" for i in ids))
    for opened in ("train", split):
        with pytest.raises(ValueError, match=rf"{split}\.txt: expected no picture of train\.txt, but {shared} are in"):
            open_segmentation(voc, opened)


def test_lists_of_camvid_that_share_a_picture(tmp_path: Path) -> None:
    for split in ("train", "val"):
        (tmp_path / f"{split}annot").mkdir()
        (tmp_path / f"{split}.txt").write_text(f"/SegNet/CamVid/{split}/f.png /SegNet/CamVid/{split}annot/f.png\n")
    with pytest.raises(ValueError, match=r"val\.txt: expected no picture of train\.txt, but 1 are in both .*, first f"):
        open_segmentation(tmp_path, "val")


def test_colour_coded_label(voc: Path) -> None:
    Image.new("RGB", (6, 4)).save(voc / "SegmentationClass" / "a.png")
    with pytest.raises(ValueError, match=r"a\.png: .* got mode RGB"):
        open_segmentation(voc, "train")[0]


def test_truncated_picture(voc: Path) -> None:
    picture = voc / "JPEGImages" / "a.jpg"
    Image.effect_noise((64, 64), 80).save(picture)
    picture.write_bytes(picture.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=r"a\.jpg: expected a whole picture"):
        open_segmentation(voc, "train")[0]
    picture.write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"a\.jpg: expected a picture"):
        open_segmentation(voc, "train")[0]

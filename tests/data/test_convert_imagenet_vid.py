"""ImageNet VID in its official layout to sequences: what SiamFC's authors keep, and that damage is named."""

import shutil
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

from zoo.data.convert.imagenet_vid import convert_imagenet_vid, read_snippet
from zoo.data.layouts import examine
from zoo.data.otb import open_otb

Boxes = dict[int, tuple[int, int, int, int]]  # xmin, ymin, xmax, ymax by track

OBJECT = """\
\t<object>
\t\t<trackid>{}</trackid>
\t\t<name>n02411705</name>
\t\t<bndbox>
\t\t\t<xmax>{}</xmax>
\t\t\t<xmin>{}</xmin>
\t\t\t<ymax>{}</ymax>
\t\t\t<ymin>{}</ymin>
\t\t</bndbox>
\t\t<occluded>0</occluded>
\t\t<generated>1</generated>
\t</object>
"""


def write_snippet(root: Path, folder: str, frames: list[Boxes]) -> None:
    """As the development kit has it: an annotation and a picture a frame, from 000000 on."""
    annotations, pictures = (root / kind / "VID" / folder for kind in ("Annotations", "Data"))
    annotations.mkdir(parents=True)
    pictures.mkdir(parents=True)
    for i, boxes in enumerate(frames):
        objects = "".join(OBJECT.format(track, c, a, d, b) for track, (a, b, c, d) in boxes.items())
        head = f"\t<folder>{folder}</folder>\n\t<filename>{i:06d}</filename>\n"
        (annotations / f"{i:06d}.xml").write_text(f"<annotation>\n{head}{objects}</annotation>\n")
        Image.new("RGB", (64, 48), (i, crc32(folder.encode()) % 256, 0)).save(pictures / f"{i:06d}.JPEG", format="JPEG")


TRAIN = "train/ILSVRC2015_VID_train_000{}/ILSVRC2015_train_0000000{}"


@pytest.fixture
def vid(tmp_path: Path) -> Path:
    """Two snippets to train on that can be used, one with two objects of which one comes later; two that cannot (an
    object with one box, none at all); and one to validate on."""
    root = tmp_path / "ILSVRC2015"
    write_snippet(root, TRAIN.format(0, 0), [{0: (0, 4, 9, 23)}, {}, {0: (2, 5, 11, 24)}])
    write_snippet(root, TRAIN.format(1, 1), [{3: (1, 1, 5, 5)}, {3: (2, 2, 6, 6), 7: (9, 9, 9, 9)}, {7: (8, 8, 9, 9)}])
    write_snippet(root, TRAIN.format(2, 2), [{0: (0, 0, 5, 5), 1: (0, 0, 5, 5)}, {0: (0, 0, 5, 5)}])
    write_snippet(root, TRAIN.format(3, 3), [{}, {}])
    write_snippet(root, "val/ILSVRC2015_val_00000000", [{0: (0, 0, 5, 5)}, {0: (0, 0, 5, 5)}])
    return root


def test_every_object_is_a_sequence(vid: Path, tmp_path: Path) -> None:
    """Boxes as the reader has them: left and top from 0, width and height with both ends."""
    convert_imagenet_vid(vid.parent, tmp_path / "out")
    first, one, other, *rest = open_otb(tmp_path / "out", "train")
    assert (first.name, first.files) == ("ILSVRC2015_train_00000000", ("000000.jpg", "000001.jpg", "000002.jpg"))
    assert first.boxes[[0, 2]].tolist() == [[0, 4, 10, 20], [2, 5, 10, 20]]
    assert first.boxes[1, 2:].tolist() == [0, 0]
    assert (one.name, other.name) == ("ILSVRC2015_train_00000001.1", "ILSVRC2015_train_00000001.2")
    assert one.folder == other.folder
    assert (one.boxes[:, 2] > 0).tolist() == [True, True, False]
    assert (other.boxes[:, 2] > 0).tolist() == [False, True, True]
    assert other.boxes[1:].tolist() == [[9, 9, 1, 1], [8, 8, 2, 2]]
    assert [sequence.name for sequence in rest] == ["ILSVRC2015_val_00000000"]
    assert one.frame(2)[0, 0, 0] == 2
    assert examine(tmp_path / "out") == "sequences of one tracked object: 4 train"


def test_frames_are_links_and_what_was_left_out_is_said(vid: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    done = convert_imagenet_vid(vid, tmp_path / "out", report=lambda *at: told.append(at))
    frame = tmp_path / "out" / "train" / "ILSVRC2015_val_00000000" / "img" / "000001.jpg"
    assert frame.readlink() == vid / "Data" / "VID" / "val" / "ILSVRC2015_val_00000000" / "000001.JPEG"
    assert list(done.counts.items()) == [
        *(("train snippets", 3), ("train objects", 4), ("train frames", 8)),
        *(("val snippets", 0), ("val objects", 0), ("val frames", 0)),
    ]
    assert done.remarks == (
        "left out: 2 snippets without objects, or with one that has a box in one frame only",
        "4 snippets of VID's train, where the development kit counts 3,862",
        "1 snippets of VID's val, where the development kit counts 555",
    )
    assert told[-1] == (8, 8)


def test_the_last_tenth_is_held_out(tmp_path: Path) -> None:
    """Of VID's list with its validation snippets at the end."""
    for i in range(9):
        write_snippet(tmp_path / "vid", TRAIN.format(0, i), [{0: (0, 0, 5, 5)}] * 2)
    for i in range(6):
        write_snippet(tmp_path / "vid", f"val/ILSVRC2015_val_0000000{i}", [{0: (0, 0, 5, 5)}] * 2)
    convert_imagenet_vid(tmp_path / "vid", tmp_path / "out")
    held_out = [sequence.name for sequence in open_otb(tmp_path / "out", "val")]
    assert held_out == ["ILSVRC2015_val_00000004", "ILSVRC2015_val_00000005"]
    assert examine(tmp_path / "out") == "sequences of one tracked object: 13 train, 2 val"


def test_a_box_without_an_area_is_none(vid: Path) -> None:
    write_snippet(vid, "train/odd", [{0: (5, 5, 4, 9)}, {0: (5, 5, 5, 5)}])
    boxes = read_snippet(vid / "Annotations" / "VID" / "train" / "odd", vid / "Data" / "VID" / "train" / "odd").objects
    np.testing.assert_array_equal(boxes[0], [[0, 0, 0, 0], [6, 6, 1, 1]])


def test_damage_is_named(vid: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    annotations, pictures = (vid / kind / "VID" / TRAIN.format(0, 0) for kind in ("Annotations", "Data"))
    annotation = annotations / "000001.xml"
    whole = annotation.read_text()
    objects = (annotations / "000000.xml").read_text()
    for content, said in (
        (
            whole[:-5],
            r"000001\.xml: expected objects .* got: no element found|got: unclosed token|got: not well-formed",
        ),
        (objects.replace("<xmax>9<", "<xmax>nine<"), r"000001\.xml: .* got: invalid literal"),
        (objects.replace("<trackid>0</trackid>", ""), r"000001\.xml: .* got: no trackid"),
        (objects.replace("ymin", "other"), r"000001\.xml: .* got: no bndbox/ymin"),
    ):
        annotation.write_text(content)
        with pytest.raises(ValueError, match=said):
            convert_imagenet_vid(vid, out)
    annotation.write_text(whole)
    (pictures / "000003.JPEG").write_bytes(b"")
    with pytest.raises(ValueError, match=r"expected 3 files 000000\.JPEG, .* 000003\.JPEG is absent or one too many"):
        convert_imagenet_vid(vid, out)
    (pictures / "000003.JPEG").unlink()
    annotation.unlink()
    with pytest.raises(ValueError, match=r"expected 2 files 000000\.xml, .* 000001\.xml is absent or one too many"):
        convert_imagenet_vid(vid, out)
    shutil.rmtree(vid / "Annotations" / "VID" / "train")
    with pytest.raises(ValueError, match=r"VID/train: expected folders of snippets, found none"):
        convert_imagenet_vid(vid, out)
    write_snippet(vid, "train/empty", [{}])
    shutil.rmtree(vid / "Annotations" / "VID" / "val")
    with pytest.raises(ValueError, match="expected objects with boxes in two frames or more, got none in 1 snippets"):
        convert_imagenet_vid(vid, out)
    with pytest.raises(ValueError, match=r"expected Annotations/VID in it or in ILSVRC2015/"):
        convert_imagenet_vid(tmp_path / "out", out)
    assert not out.exists()

"""OTB: every way its files are written, and that damage is named."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.data.layouts import examine
from zoo.data.otb import open_otb


def write_sequence(folder: Path, rows: str, *, frames: range = range(1, 4), truth: str = "groundtruth_rect") -> None:
    (folder / "img").mkdir(parents=True, exist_ok=True)
    for i in frames:
        Image.new("RGB", (8, 6), (50 * (i % 5), 0, 0)).save(folder / "img" / f"{i:04d}.jpg", quality=100)
    (folder / f"{truth}.txt").write_bytes(rows.encode())


@pytest.mark.parametrize(
    "rows",
    ["1,2,3,4\n5,6,7,8\n", "1\t2\t3\t4\r\n5\t6\t7\t8\r\n", "1 2 3 4\n5 6 7 8", " 1, 2, 3, 4\r\n5, 6, 7, 8\n\n"],
    ids=["commas", "tabs and CRLF", "spaces, no last newline", "both, and an empty last line"],
)
def test_boxes_count_from_zero(tmp_path: Path, rows: str) -> None:
    write_sequence(tmp_path / "Ball", rows)
    (sequence,) = open_otb(tmp_path)
    assert sequence.boxes.tolist() == [[0, 1, 3, 4], [4, 5, 7, 8]]
    assert (sequence.name, len(sequence)) == ("Ball", 3)  # fewer rows than frames
    assert sequence.frame(2).shape == (6, 8, 3)
    assert abs(int(sequence.frame(2)[0, 0, 0]) - 150) < 3


def test_rows_without_area_are_kept(tmp_path: Path) -> None:
    write_sequence(tmp_path / "Ball", "1,1,2,2\n0,0,0,0\n3,3,2,2\n")
    assert open_otb(tmp_path)[0].boxes[1].tolist() == [-1, -1, 0, 0]


def test_two_targets_are_two_sequences(tmp_path: Path) -> None:
    for target in (1, 2):
        write_sequence(tmp_path / "Jogging", f"{target},1,2,2\n", truth=f"groundtruth_rect.{target}")
    assert [(s.name, s.boxes[0, 0]) for s in open_otb(tmp_path)] == [("Jogging.1", 0.0), ("Jogging.2", 1.0)]


def test_david_starts_at_frame_300(tmp_path: Path) -> None:
    write_sequence(tmp_path / "David", "1,1,2,2\n", frames=range(298, 303))
    assert list(open_otb(tmp_path)[0].files) == ["0300.jpg", "0301.jpg", "0302.jpg"]


def test_splits(tmp_path: Path) -> None:
    write_sequence(tmp_path / "Ball", "1,1,2,2\n")
    with pytest.raises(ValueError, match="or ask for the split test"):
        open_otb(tmp_path, "train")
    for split in ("train", "test"):
        write_sequence(tmp_path / split / f"{split}ing", "1,1,2,2\n")
    assert [open_otb(tmp_path, split)[0].name for split in ("train", "test")] == ["training", "testing"]


@pytest.mark.shared_data
def test_real_sequences(shared_data: Path) -> None:
    crossing, dragon = open_otb(shared_data / "tracking_otb")
    assert (crossing.name, len(crossing), len(crossing.boxes)) == ("Crossing", 120, 120)
    assert (dragon.name, len(dragon), len(dragon.boxes)) == ("DragonBaby", 113, 113)
    assert crossing.boxes[0].tolist() == [204, 150, 17, 50]  # the file says 205,151,17,50
    height, width = crossing.frame(119).shape[:2]
    assert np.all(crossing.boxes[:, :2] + crossing.boxes[:, 2:] <= [width, height])


@pytest.mark.parametrize("row", ["1,2,3", "1,2,3,4,5", "1,2,three,4", "1,2,nan,4", ""])
def test_bad_row_is_named_by_its_line(tmp_path: Path, row: str) -> None:
    write_sequence(tmp_path / "Ball", f"1,1,2,2\n{row}\n3,3,2,2\n")
    with pytest.raises(ValueError, match=r"groundtruth_rect\.txt, line 2: expected four numbers"):
        open_otb(tmp_path)


@pytest.mark.parametrize(
    ("row", "got"),
    [
        ("9,1,2,2", r"\[9.0, 1.0, 2.0, 2.0\]"),  # the picture is 8x6, and the first column has number 1
        ("1,7,2,2", r"\[1.0, 7.0, 2.0, 2.0\]"),
        ("-1,1,2,2", r"\[-1.0, 1.0, 2.0, 2.0\]"),
        ("1,-3,2,4", r"\[1.0, -3.0, 2.0, 4.0\]"),
    ],
)
def test_a_box_outside_the_picture_is_named_by_its_line(tmp_path: Path, row: str, got: str) -> None:
    write_sequence(tmp_path / "Ball", f"1,1,2,2\n{row}\n0,0,0,0\n")
    with pytest.raises(ValueError, match=rf"line 2: expected a box with some of the 8x6 picture in it, got {got}"):
        open_otb(tmp_path)
    assert "1 left out" in str(_with_another(tmp_path))


def _with_another(folder: Path) -> str | None:
    """What it is called when the bad sequence beside a good one is left out."""
    write_sequence(folder / "Good", "1,1,2,2\n")
    return examine(folder, skip_bad=True)


def test_an_object_may_come_into_view_late_but_has_to_come(tmp_path: Path) -> None:
    write_sequence(tmp_path / "Ball", "0,0,0,0\n1,1,2,2\n")
    open_otb(tmp_path)
    write_sequence(tmp_path / "Ghost", "0,0,0,0\n0,0,0,0\n")
    with pytest.raises(ValueError, match="expected a box with an area in some frame"):
        open_otb(tmp_path)


def test_boxes_that_reach_beyond_the_picture_are_counted(tmp_path: Path) -> None:
    write_sequence(tmp_path / "Ball", "8,6,1,1\n8,6,2,1\n0,1,2,2\n0,0,0,0\n", frames=range(1, 5))
    (sequence,) = open_otb(tmp_path)
    assert sequence.truncated.tolist() == [False, True, True, False]
    assert examine(tmp_path) == "sequences of one tracked object: 1 test; 2 boxes of test reach beyond the picture"


def test_a_frame_of_another_size_is_named(tmp_path: Path) -> None:
    write_sequence(tmp_path / "Ball", "1,1,2,2\n")
    Image.new("RGB", (6, 8)).save(tmp_path / "Ball" / "img" / "0002.jpg")
    (sequence,) = open_otb(tmp_path)
    assert sequence.frame(2).shape == (6, 8, 3)
    with pytest.raises(ValueError, match=r"0002\.jpg: expected the size of the first frame 0001\.jpg, 8x6, got 6x8"):
        sequence.frame(1)
    with pytest.raises(ValueError, match=r"0002\.jpg: expected the size of the first frame"):
        examine(tmp_path)


def test_missing_frame_is_named(tmp_path: Path) -> None:
    write_sequence(tmp_path / "Ball", "1,1,2,2\n")
    (tmp_path / "Ball" / "img" / "0002.jpg").unlink()
    with pytest.raises(ValueError, match=r"expected the frame 0002\.jpg after 0001\.jpg, got 0003\.jpg"):
        open_otb(tmp_path)


def test_more_rows_than_frames(tmp_path: Path) -> None:
    write_sequence(tmp_path / "Ball", "1,1,2,2\n" * 4)
    with pytest.raises(ValueError, match="got 4 rows for 3 frames"):
        open_otb(tmp_path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="found none"):
        open_otb(tmp_path)
    write_sequence(tmp_path / "Ball", "", frames=range(0))
    with pytest.raises(ValueError, match=r"img: expected frames"):
        open_otb(tmp_path)
    write_sequence(tmp_path / "Ball", "")
    with pytest.raises(ValueError, match="empty file"):
        open_otb(tmp_path)

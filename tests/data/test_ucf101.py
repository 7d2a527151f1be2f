"""UCF-101's reader: official clips and lists, and what happens when each is damaged."""

import shutil
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from zoo.data.layouts import examine
from zoo.data.left_out import BadItems
from zoo.data.ucf101 import Video, open_ucf101

SIDES = ("train", "test")
SPREAD = (0, 5, 12, 50, -16)


@pytest.fixture
def copy(made_copy: Callable[[str], Path]) -> Path:
    """A copy that a test may damage."""
    return made_copy("collage-action")


def a_video(folder: Path) -> Path:
    return folder / "UCF-101" / "Left" / "v_Left_g08_c01.avi"


def lists(folder: Path) -> Path:
    return folder / "ucfTrainTestlist"


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.shared_data
def test_clips_of_official_videos_are_those_of_a_decoder_that_reads_them_whole(shared_data: Path) -> None:
    """Whatever the distance of key frames; ApplyEyeMakeup has one, and frames that are stored out of order."""
    paths = sorted((shared_data / "action_ucf101" / "UCF-101").glob("*/*.avi"))
    assert [len(Video(path, 0)) for path in paths] == [164, 107, 201, 240]
    for path in paths:
        with av.open(path) as container:
            frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
        video = Video(path, 0)
        video.check()
        for start in SPREAD:
            start %= len(video)
            np.testing.assert_array_equal(video.clip(start, 16), frames[start : start + 16])


@pytest.mark.shared_data
@pytest.mark.parametrize(("split", "train", "test"), [(1, 9537, 3783), (2, 9586, 3734), (3, 9624, 3696)])
def test_official_lists(shared_data: Path, split: int, train: int, test: int) -> None:
    """Their lengths are those of CRCV-TR-12-01; all but four of the videos are absent here, which is said."""
    for part, length in (("train", train), ("test", test)):
        with pytest.raises(BadItems, match=f"names {length} videos") as told:
            open_ucf101(shared_data / "action_ucf101", part, split=split)
        assert length - len(told.value.items) in (0, 1, 2, 3, 4)


@pytest.mark.shared_data
def test_what_is_there_of_the_official_lists(shared_data: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(shared_data / "action_ucf101", tmp_path / "ucf101")
    assert examine(copy, skip_bad=True) == "videos of actions: 1 train, 3 test; 13316 left out"
    parts = [open_ucf101(copy, part) for part in SIDES]
    classes = parts[0].classes
    assert (len(classes), classes[0], classes[-1]) == (101, "ApplyEyeMakeup", "YoYo")
    for of in parts:
        assert all(video.path.parent.name == classes[video.label] for video in of.videos)


@pytest.mark.shared_data
def test_absent_videos_are_an_error_unless_they_are_skipped(shared_data: Path) -> None:
    with pytest.raises(ValueError, match=r"names 9537 videos, 9536 of them absent; the first is .*ApplyEyeMakeup_g08"):
        open_ucf101(shared_data / "action_ucf101", "train")


@pytest.mark.shared_data
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_truncated_official_video_is_noticed(shared_data: Path, tmp_path: Path, share: float) -> None:
    """A decoder says nothing, and gives fewer frames."""
    whole = shared_data / "action_ucf101" / "UCF-101" / "Biking" / "v_Biking_g05_c02.avi"
    cut = tmp_path / whole.name
    cut.write_bytes(whole.read_bytes()[: int(share * whole.stat().st_size)])
    with av.open(cut) as container:
        assert 0 < sum(1 for _ in container.decode(video=0)) < 201
    for use in (len, lambda video: video.clip(0, 16), Video.check):
        with pytest.raises(ValueError, match=r"Biking_g05_c02\.avi: expected 201 frames, as its header says, got \d+"):
            use(Video(cut, 0))


def test_reads_what_the_zoo_makes(datasets: Path) -> None:
    train, test = (open_ucf101(datasets / "collage-action", side) for side in SIDES)
    assert (len(train.videos), len(test.videos), len(train.classes)) == (288, 112, 8)
    assert np.bincount([video.label for video in train.videos]).tolist() == [36] * 8
    video = test.videos[0]
    assert (video.name, len(video), video.clip(2, 16).shape) == ("v_Left_g01_c01", 20, (16, 64, 64, 3))


def test_a_clip_longer_than_its_video_stands_still_at_the_end(datasets: Path) -> None:
    video = Video(a_video(datasets / "collage-action"), 0)
    whole, longer = video.clip(0, 20), video.clip(15, 8)
    np.testing.assert_array_equal(longer[:5], whole[15:])
    np.testing.assert_array_equal(longer[5:], whole[[19, 19, 19]])


def test_damaged_video(copy: Path) -> None:
    damaged = a_video(copy)
    damaged.write_bytes(damaged.read_bytes()[:15_000])
    with pytest.raises(ValueError, match=r"v_Left_g08_c01\.avi: expected 20 frames, as its header says, got \d+"):
        examine(copy)
    damaged.write_bytes(b"not a video")
    with pytest.raises(ValueError, match=r"v_Left_g08_c01\.avi: expected a video, got: .*fetch it again"):
        Video(damaged, 0).clip(0, 16)


def test_absent_video(copy: Path) -> None:
    a_video(copy).unlink()
    with pytest.raises(ValueError, match=r"names 288 videos, 1 of them absent; the first is .*v_Left_g08_c01\.avi"):
        open_ucf101(copy, "train")
    assert len(open_ucf101(copy, "test").videos) == 112


def test_a_group_on_both_sides_is_refused(copy: Path) -> None:
    replaced(lists(copy) / "testlist01.txt", "Up/v_Up_g03_c01.avi", "Up/v_Up_g09_c01.avi")
    with pytest.raises(ValueError, match="share no group, but both have videos of Up/g09: they show the same scene"):
        open_ucf101(copy, "test")


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("classInd.txt", "1 Left", "0 Left", r"line 1: expected `1 <Class>` \(classes count from 1\), got '0 Left'"),
        ("classInd.txt", "8 Shrink", "8", "line 8: expected `8 <Class>`"),
        ("trainlist01.txt", "c01.avi 1", "c01.avi 0", "line 1: expected the class 1 of Left, got 0: classes count"),
        ("trainlist01.txt", "Left/", "Lift/", "line 1: expected <Class>/v_<Class>_gXX_cXX.avi with a class"),
        ("testlist01.txt", "_g01_c01.avi", ".avi", "line 1: expected <Class>/v_<Class>_gXX_cXX.avi with a class"),
    ],
)
def test_wrong_lists(copy: Path, name: str, old: str, new: str, said: str) -> None:
    replaced(lists(copy) / name, old, new)
    with pytest.raises(ValueError, match=f"{name}, {said}"):
        open_ucf101(copy, "test")


def test_absent_list_and_unknown_split(copy: Path) -> None:
    with pytest.raises(ValueError, match="expected train or test of split 1, 2, 3; got 'train' of 4"):
        open_ucf101(copy, "train", split=4)
    (lists(copy) / "testlist02.txt").write_text("\n")
    with pytest.raises(ValueError, match=r"testlist02\.txt: expected videos, got an empty list"):
        open_ucf101(copy, "train", split=2)
    (lists(copy) / "testlist02.txt").unlink()
    with pytest.raises(ValueError, match=r"testlist02\.txt: expected a list of UCF-101, but there is no such file"):
        open_ucf101(copy, "train", split=2)


def test_is_recognised(datasets: Path) -> None:
    assert examine(datasets / "collage-action") == "videos of actions: 288 train, 112 test"


@pytest.mark.parametrize("split", [2, 3])
def test_the_other_splits_have_lists_of_their_own(copy: Path, split: int) -> None:
    """Here with the sides of the first exchanged."""
    for side, other in zip(SIDES, SIDES[::-1], strict=True):
        labelled = "".join(
            f"{line.split()[0]}\n" for line in (lists(copy) / f"{other}list01.txt").read_text().splitlines()
        )
        (lists(copy) / f"{side}list{split:02d}.txt").write_text(labelled)
    for side, other in zip(SIDES, SIDES[::-1], strict=True):
        assert open_ucf101(copy, side, split=split).videos == open_ucf101(copy, other, split=1).videos

"""Kinetics' reader: small samples of the official layout, and what is said when a list or a video is wrong."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from zoo.contracts import Inputs
from zoo.data.actions import open_actions
from zoo.data.kinetics import open_kinetics
from zoo.data.layouts import examine
from zoo.data.left_out import BadItems, left_out
from zoo.evaluation.action import ActionBenchmark

HEAD = "label,youtube_id,time_start,time_end,split"
TRAIN = (
    '"air drumming",_dbcJuKJQNs,40,50,train',
    "abseiling,-3B32lodo2M,59,69,train",
    "abseiling,0347ZoDXyP0,0,10,train",
)
VAL = ("abseiling,3caPS4FHFF8,36,46,val", '"air drumming",--nQbRBEz2s,104,114,val')
TRAIN_FILES = ("_dbcJuKJQNs_000040_000050.mp4", "-3B32lodo2M_000059_000069.mp4", "0347ZoDXyP0_000000_000010.mp4")
VAL_FILES = ("3caPS4FHFF8_000036_000046.mp4", "--nQbRBEz2s_000104_000114.mp4")
FRAMES = 12


def filmed(path: Path, *, seed: int) -> None:
    """A real MP4 whose frames are stored out of order, its index at the front."""
    rng = np.random.default_rng(seed)
    scene = rng.integers(0, 256, (12, 20, 3)).astype(np.uint8).repeat(4, 0).repeat(4, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(path, "w", options={"movflags": "+faststart"}) as video:
        stream = video.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(scene[:, i : i + 64]))
            video.mux(stream.encode(frame))
        video.mux(stream.encode())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As CVDF hands it out: lists apart, videos of a part in one folder."""
    kinetics = tmp_path / "kinetics400"
    lists = kinetics / "annotations"
    lists.mkdir(parents=True)
    (lists / "train.csv").write_text("\n".join((HEAD, *TRAIN)) + "\n")
    (lists / "val.csv").write_text("\n".join((f"{HEAD},is_cc", *(f"{line},0" for line in VAL))) + "\n")
    for seed, name in enumerate(TRAIN_FILES):
        filmed(kinetics / "train" / name, seed=seed)
    for seed, name in enumerate(VAL_FILES, 10):
        filmed(kinetics / "val" / name, seed=seed)
    return kinetics


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_classes_are_those_of_the_training_list_in_alphabetical_order(folder: Path) -> None:
    train, val = open_kinetics(folder, "train"), open_kinetics(folder, "val")
    assert train.classes == val.classes == ("abseiling", "air drumming")
    assert [(video.path.name, video.label) for video in train.videos] == list(zip(TRAIN_FILES, (1, 0, 0), strict=True))
    assert [(video.path.name, video.label) for video in val.videos] == list(zip(VAL_FILES, (0, 1), strict=True))
    assert (train.name, val.name) == ("train", "val")


def test_clips_are_those_of_a_decoder_that_reads_them_whole(folder: Path) -> None:
    for video in open_kinetics(folder, "train").videos:
        with av.open(video.path) as container:
            assert container.streams.video[0].codec_context.has_b_frames
            frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
        assert len(video) == FRAMES
        np.testing.assert_array_equal(video.clip(3, 5), frames[3:8])


def test_lists_beside_the_videos_and_videos_in_folders_of_their_label(folder: Path) -> None:
    """As the first release and the official crawler have it."""
    (folder / "annotations" / "train.csv").rename(folder / "train.csv")
    (folder / "annotations" / "val.csv").rename(folder / "validate.csv")
    for part, label in (("train", "abseiling"), ("val", "air drumming")):
        for video in open_kinetics(folder, part).videos:
            if video.label == ("abseiling", "air drumming").index(label):
                (folder / part / label).mkdir(exist_ok=True)
                video.path.rename(folder / part / label / video.path.name)
    found = [video.path.relative_to(folder).as_posix() for video in open_kinetics(folder, "train").videos]
    assert found == [
        f"train/{TRAIN_FILES[0]}",
        f"train/abseiling/{TRAIN_FILES[1]}",
        f"train/abseiling/{TRAIN_FILES[2]}",
    ]
    assert examine(folder) == "videos of actions: 3 train, 2 val"


def test_adding_it_reads_every_video(folder: Path) -> None:
    assert examine(folder) == "videos of actions: 3 train, 2 val"


def test_absent_videos_are_named_or_left_out_and_counted(folder: Path) -> None:
    """The first is named by where it should lie; the others of its list stay."""
    for name in TRAIN_FILES[:2]:
        (folder / "train" / name).unlink()
    with pytest.raises(
        BadItems, match=rf"train list names 3 videos, 2 of them absent; the first is .*{TRAIN_FILES[0]}"
    ):
        examine(folder)
    assert examine(folder, skip_bad=True) == "videos of actions: 1 train, 2 val; 2 left out"
    assert list(left_out(folder)) == [f"train/{name}" for name in TRAIN_FILES[:2]]
    train = open_kinetics(folder, "train")
    assert [video.path.name for video in train.videos] == [TRAIN_FILES[2]]
    assert train.classes == ("abseiling", "air drumming")  # by the list, whatever is there


@pytest.mark.parametrize("where", [".", "air drumming"])
def test_a_damaged_video_is_an_error_or_left_out(folder: Path, where: str) -> None:
    path = folder / "val" / where / VAL_FILES[1]
    path.parent.mkdir(exist_ok=True)
    (folder / "val" / VAL_FILES[1]).rename(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=rf"{VAL_FILES[1]}: expected {FRAMES} frames, as its header says, got \d+"):
        examine(folder)
    assert examine(folder, skip_bad=True) == "videos of actions: 3 train, 1 val; 1 left out"
    assert list(left_out(folder)) == [f"val/{VAL_FILES[1]}"]
    path.write_bytes(b"not a video")
    assert len(open_kinetics(folder, "val").videos) == 1


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        (
            "val.csv",
            "abseiling,3ca",
            "skiing,3ca",
            r"line 2: expected one of the 2 labels of the training list, got 'ski",
        ),
        ("train.csv", "youtube_id,", "", r"line 1: expected the columns label, youtube_id, time_start, time_end; with"),
        (
            "train.csv",
            ",59,69,",
            ",69,59,",
            "line 3: expected a label, a YouTube id and whole seconds from start to end",
        ),
        ("train.csv", ",59,69,", ",59.5,69,", "line 3: expected a label, a YouTube id and whole seconds"),
        ("train.csv", '"air drumming"', "", "line 2: expected a label, a YouTube id"),
        (
            "train.csv",
            "0347ZoDXyP0,0,10",
            "-3B32lodo2M,59,69",
            "line 4: expected each clip once, got -3B32lodo2M_000059",
        ),
        ("train.csv", "0347ZoDXyP0,0,10", "3caPS4FHFF8,36,46", "share no clip, but both lists have 3caPS4FHFF8_000036"),
    ],
)
def test_wrong_lists(folder: Path, name: str, old: str, new: str, said: str) -> None:
    replaced(folder / "annotations" / name, old, new)
    with pytest.raises(ValueError, match=said):
        open_kinetics(folder, "val")


def test_absent_and_empty_lists_and_the_test_list(folder: Path) -> None:
    with pytest.raises(ValueError, match="expected train or val, got 'test': the labels of the test list"):
        open_kinetics(folder, "test")
    val = folder / "annotations" / "val.csv"
    val.write_text(f"{HEAD}\n")
    with pytest.raises(ValueError, match=r"val\.csv: expected videos, got an empty list"):
        open_kinetics(folder, "train")
    val.unlink()
    with pytest.raises(ValueError, match=r"expected val\.csv or validate\.csv in it or in its annotations/"):
        open_kinetics(folder, "train")


def test_the_benchmark_scores_the_validation_list(folder: Path) -> None:
    benchmark = ActionBenchmark("kinetics400", Inputs(datasets=folder.parent))
    assert benchmark.protocol == "kinetics400-val/actions@1"
    assert [video.name for video in benchmark.test.videos] == [Path(name).stem for name in VAL_FILES]
    with pytest.raises(ValueError, match="expected split=1, the only one that Kinetics has; got 2"):
        open_actions(folder, "train", split=2)


def test_ucf101_is_still_ucf101(made_copy: Callable[[str], Path]) -> None:
    split = open_actions(made_copy("collage-action"), "test", split=2)
    assert (split.name, len(split.videos)) == ("test2", 112)

"""Videos of human actions in the layout of UCF-101, with its official lists.

    UCF-101/<Class>/v_<Class>_g01_c01.avi
    ucfTrainTestlist/classInd.txt (`1 ApplyEyeMakeup`), trainlist01.txt (`<Class>/<video> 1`), testlist01.txt

Clips of one group (`g01` of a class) were cut from the same few recordings, so a group belongs to one side of a split.
Source: Soomro, Zamir, Shah, "UCF101: A dataset of 101 human actions classes from videos in the wild", CRCV-TR-12-01.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from jaxtyping import UInt8

from zoo.data.left_out import BadItems, kept

SPLITS = (1, 2, 3)
_REMEDY = "`zoo data verify` says whether the file changed; else fetch it again, or leave it out by --skip-bad."
_GROUP = re.compile(r"_g(\d+)_c\d+\.avi$")


class _Index(NamedTuple):
    """How many frames, and the time stamps of those that one can start decoding at."""

    frames: int
    keys: dict[int, int]


@dataclass(frozen=True)
class Video:
    """One video: `label` is the class, counted from 0."""

    path: Path
    label: int

    @property
    def name(self) -> str:
        return self.path.stem

    def __len__(self) -> int:
        """Frames, as the header has them."""
        return self._index.frames

    def clip(self, start: int, length: int) -> UInt8[np.ndarray, "{length} h w 3"]:
        """Consecutive frames in RGB; a video that ends before the clip does stands still at its last frame.

        Decodes from the last key frame at or before `start`; from the beginning where the codec stores frames out of
        order.

        Raises:
            ValueError: the video is damaged.
        """
        count = self._index.frames
        wanted = range(min(start, count - 1), min(start + length, count))
        first = max(key for key in self._index.keys if key <= wanted[0])
        to_rgb = VideoReformatter()  # one for all frames: setting it up takes longer than using it
        decoded = self._decoded(first, stop=wanted[-1] + 1)
        frames = [to_rgb.reformat(frame, format="rgb24").to_ndarray() for i, frame in decoded if i in wanted]
        if len(frames) < len(wanted):
            raise ValueError(self._short(count, found=wanted[len(frames)]))
        return np.stack(frames + [frames[-1]] * (length - len(frames)))

    def check(self) -> None:
        """Decode all of it.

        Raises:
            ValueError: it is damaged.
        """
        found = sum(1 for _ in self._decoded(0, stop=len(self)))
        if found != len(self):
            raise ValueError(self._short(len(self), found=found))

    @cached_property
    def _index(self) -> "_Index":
        """Read without decoding.

        Raises:
            ValueError: the file holds fewer frames than its header promises: a decoder would not say so.
        """
        try:
            with av.open(self.path) as container:
                stream = container.streams.video[0]
                promised = stream.frames  # here: a closed container's numbers are anything
                in_order = not stream.codec_context.has_b_frames
                packets = [(packet.pts, packet.is_keyframe) for packet in container.demux(stream) if packet.size]
        except (FFmpegError, IndexError) as error:
            raise ValueError(f"{self.path}: expected a video, got: {error}. {_REMEDY}") from error
        if not 0 < promised <= len(packets):
            raise ValueError(self._short(promised, found=len(packets)))
        keys = {i: pts or 0 for i, (pts, is_key) in enumerate(packets) if i == 0 or (is_key and in_order)}
        return _Index(promised, keys)

    def _decoded(self, first: int, *, stop: int) -> Iterator[tuple[int, VideoFrame]]:
        """Frames by number, from the key frame `first` on."""
        try:
            with av.open(self.path) as container:
                stream = container.streams.video[0]
                stream.thread_count = 1  # the night's processes are one thread each
                if first:
                    container.seek(self._index.keys[first], stream=stream)
                for i, frame in enumerate(container.decode(stream), first):
                    if i >= stop:
                        return
                    yield i, frame
        except FFmpegError as error:
            raise ValueError(f"{self.path}: expected a whole video, got: {error}. {_REMEDY}") from error

    def _short(self, promised: int, *, found: int) -> str:
        return f"{self.path}: expected {promised} frames, as its header says, got {found}. It is truncated. {_REMEDY}"


@dataclass(frozen=True)
class ActionSplit:
    """One side of a split, and what that side is called in a protocol (`test1`)."""

    videos: tuple[Video, ...]
    classes: tuple[str, ...]
    name: str


def open_ucf101(folder: Path, part: str, *, split: int = 1) -> ActionSplit:
    """The videos that the official lists give to one side ("train" or "test") of a split.

    Args:
        split: 1, 2 or 3.

    Raises:
        ValueError: a list is absent or wrong, a listed video is absent, or training and test share a group.
    """
    lists = folder / "ucfTrainTestlist"
    if split not in SPLITS or part not in ("train", "test"):
        raise ValueError(f"expected train or test of split {', '.join(map(str, SPLITS))}; got {part!r} of {split}.")
    classes = _read_classes(lists / "classInd.txt")
    listed = {side: _read_list(lists / f"{side}list{split:02d}.txt", classes) for side in ("train", "test")}
    _refuse_shared_groups(listed["train"], listed["test"], lists=lists)
    videos = {name: Video(folder / "UCF-101" / name, label) for name, label in kept(folder, listed[part]).items()}
    absent = {name: video.path for name, video in videos.items() if not video.path.is_file()}
    if absent:
        raise BadItems(
            f"{lists}/{part}list{split:02d}.txt names {len(videos)} videos, {len(absent)} of them absent; the first "
            f"is {next(iter(absent.values()))}. Unpack UCF101.rar there, or leave them out by --skip-bad.",
            absent,
        )
    return ActionSplit(tuple(videos.values()), classes, f"{part}{split}")


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """The words of every line that has some, with its number."""
    if not path.is_file():
        raise ValueError(
            f"{path}: expected a list of UCF-101, but there is no such file. Unpack the official lists there."
        )
    rows = ((number, line.split()) for number, line in enumerate(path.read_text().splitlines(), 1))
    return [(number, words) for number, words in rows if words]


def _read_classes(path: Path) -> tuple[str, ...]:
    classes: list[str] = []
    for number, words in _lines(path):
        if len(words) != 2 or words[0] != str(len(classes) + 1):
            raise ValueError(
                f"{path}, line {number}: expected `{len(classes) + 1} <Class>` (classes count from 1), got "
                f"{' '.join(words)!r}. Unpack the official list again."
            )
        classes.append(words[1])
    return tuple(classes)


def _read_list(path: Path, classes: tuple[str, ...]) -> dict[str, int]:
    """Label by video; a training list repeats the class as a number, which has to be that of the folder."""
    labels = {}
    for number, (name, *said) in _lines(path):
        of = name.partition("/")[0]
        if of not in classes or not _GROUP.search(name):
            raise ValueError(
                f"{path}, line {number}: expected <Class>/v_<Class>_gXX_cXX.avi with a class of classInd.txt, got "
                f"{name!r}. Unpack the official lists again."
            )
        labels[name] = classes.index(of)
        if said and said != [str(labels[name] + 1)]:
            raise ValueError(
                f"{path}, line {number}: expected the class {labels[name] + 1} of {of}, got {' '.join(said)}: classes "
                "count from 1, as in classInd.txt. Unpack the official lists again."
            )
    if not labels:
        raise ValueError(f"{path}: expected videos, got an empty list. Unpack the official lists again.")
    return labels


def _refuse_shared_groups(train: dict[str, int], test: dict[str, int], *, lists: Path) -> None:
    shared = sorted({_group(name) for name in train} & {_group(name) for name in test})
    if shared:
        raise ValueError(
            f"{lists}: expected training and test to share no group, but both have videos of {shared[0]}"
            f"{f' and {len(shared) - 1} more' if shared[1:] else ''}: they show the same scene, so a score would mean "
            "nothing. Use the official lists."
        )


def _group(name: str) -> str:
    """`Biking/g05` of `Biking/v_Biking_g05_c02.avi`."""
    found = _GROUP.search(name)
    return f"{name.partition('/')[0]}/g{found[1] if found else '?'}"

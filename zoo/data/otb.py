"""Tracking sequences in the layout of the Object Tracking Benchmark (OTB-2013, OTB-100).

    NAME/img/0001.jpg ...    NAME/groundtruth_rect.txt: left, top, width, height, 1-based, one row a frame

The files in circulation separate by commas, tabs or spaces and end lines either way. A sequence with two targets has
`groundtruth_rect.1.txt` and `.2.txt`, and counts as two. Source: Wu, Lim, Yang, "Object Tracking Benchmark", PAMI 2015.
"""

import math
import os
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, UInt8

from zoo.data.left_out import BadItems, kept
from zoo.data.pictures import read_rgb, read_size

_FIRST_FRAME = {"David": 300}
"""Where the annotation starts later than the pictures (OTB's configSeqs.m)."""


@dataclass(frozen=True, eq=False)
class Sequence:
    """A video of one object; `boxes[i]` belongs to `frame(i)`.

    `boxes`: left, top, width, height in pixels, counted from 0. There may be fewer rows than frames (Diving, ...);
    rows without an area, where the object is out of view, are kept. Each other box shows some of its picture.
    """

    name: str
    folder: Path
    files: tuple[str, ...]
    boxes: Float64[np.ndarray, "n 4"]

    def __len__(self) -> int:
        return len(self.files)

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height of its frames, as the header of the first one has them.

        Raises:
            ValueError: it cannot be read.
        """
        return read_size(self.folder / self.files[0])

    @property
    def truncated(self) -> Bool[np.ndarray, " n"]:
        """Which boxes reach beyond the picture, as that of an object does that enters or leaves it."""
        beyond = self.boxes[:, :2] + self.boxes[:, 2:] > self.size
        return (self.boxes[:, 2:] > 0).all(axis=1) & ((self.boxes[:, :2] < 0) | beyond).any(axis=1)

    def frame(self, i: int) -> UInt8[np.ndarray, "h w 3"]:
        """The i-th frame in RGB.

        Raises:
            ValueError: it cannot be read, or is of another size than the first one.
        """
        path = self.folder / self.files[i]
        picture = read_rgb(path)
        if picture.shape[1::-1] != self.size:
            raise ValueError(
                f"{path}: expected the size of the first frame {self.files[0]}, {self.size[0]}x{self.size[1]}, got "
                f"{picture.shape[1]}x{picture.shape[0]}. They are not of one video; fetch the sequence again."
            )
        return picture

    def check(self) -> None:
        """Read every frame.

        Raises:
            ValueError: one cannot be read, or is of another size than the first one.
        """
        for i in range(len(self)):
            self.frame(i)


def open_otb(folder: Path, split: str = "test") -> tuple[Sequence, ...]:
    """The sequences of a data set, by name: those in `<folder>/<split>`, or, as OTB itself knows no split,
    those in the folder for "test".

    Raises:
        ValueError: no sequences there, a frame missing, or a row that is not a box or shows nothing of its picture.
    """
    root = folder / split if (folder / split).is_dir() or split != "test" else folder
    truths = sorted(root.glob("*/groundtruth_rect*.txt"))
    if not truths:
        raise ValueError(
            f"{root}: expected folders NAME/ with img/ and groundtruth_rect.txt, found none. "
            f"Unpack OTB sequences there{'' if split == 'test' else ', or ask for the split test'}."
        )
    return tuple(_open_sequence(name, truth) for name, truth in kept(folder, {_name(t): t for t in truths}).items())


def _name(truth: Path) -> str:
    return truth.parent.name + truth.stem.removeprefix("groundtruth_rect")


def _open_sequence(name: str, truth: Path) -> Sequence:
    try:
        sequence = Sequence(name, *_read_sequence(truth))
        _check_boxes(sequence, truth)
        return sequence
    except ValueError as error:
        raise BadItems(str(error), [name]) from error


def _read_sequence(truth: Path) -> tuple[Path, tuple[str, ...], Float64[np.ndarray, "n 4"]]:
    """Where its frames are, their names, and the boxes of the first so many."""
    video = truth.parent
    files = _frames(video / "img", first=_FIRST_FRAME.get(video.name, 0))
    boxes = read_boxes(truth)
    if len(boxes) > len(files):
        raise ValueError(
            f"{truth}: expected at most one row a frame, got {len(boxes)} rows for {len(files)} frames in "
            f"{video / 'img'}. Frames are missing at the end; fetch the sequence again."
        )
    return video / "img", files, boxes


def _check_boxes(sequence: Sequence, truth: Path) -> None:
    """A tracker cannot be started on nothing, nor overlap with what is not in the picture."""
    corner, extent = sequence.boxes[:, :2], sequence.boxes[:, 2:]
    empty = (extent <= 0).any(axis=1)
    if empty.all():
        raise ValueError(f"{truth}: expected a box with an area in some frame, got none. Fetch the sequence again.")
    outside = ((corner >= sequence.size) | (corner + extent <= 0)).any(axis=1) & ~empty
    if outside.any():
        row = int(outside.argmax())
        raise ValueError(
            f"{truth}, line {row + 1}: expected a box with some of the {sequence.size[0]}x{sequence.size[1]} picture "
            f"in it, got {(sequence.boxes[row] + [1, 1, 0, 0]).tolist()}. Fetch the sequence again; where the object "
            "is out of view, OTB has four zeros."
        )


def _frames(folder: Path, *, first: int) -> tuple[str, ...]:
    names = os.listdir(folder) if folder.is_dir() else []  # noqa: PTH208 a path for each costs more than all the rest
    named = {int(name[:-4]): name for name in names if name[:-4].isdigit() and name.endswith(".jpg")}
    numbers = sorted(number for number in named if number >= first)
    if not numbers:
        raise ValueError(f"{folder}: expected frames 0001.jpg, 0002.jpg, ..., found none. Fetch the sequence again.")
    if numbers[-1] - numbers[0] >= len(numbers):
        before, number = next((a, b) for a, b in pairwise(numbers) if b != a + 1)
        digits = len(named[before]) - 4
        raise ValueError(
            f"{folder}: expected the frame {before + 1:0{digits}d}.jpg after {named[before]}, "
            f"got {number:0{digits}d}.jpg. Fetch the sequence again."
        )
    return tuple([named[number] for number in numbers])


def read_boxes(path: Path) -> Float64[np.ndarray, "n 4"]:
    """The rows of a file of boxes, true ones or a tracker's: left, top, width, height, counted from 0.

    Raises:
        ValueError: a row is not a box, or there is none.
    """
    text = path.read_text().rstrip().replace(",", " ")
    if not text:
        raise ValueError(f"{path}: expected a box for each frame, got an empty file. Fetch the sequence again.")
    try:
        boxes = np.loadtxt(StringIO(text), ndmin=2, comments=None)
    except ValueError:
        boxes = np.empty((0, 4))
    if boxes.shape != (text.count("\n") + 1, 4) or not np.isfinite(boxes).all():
        number, line = next((n, line) for n, line in enumerate(text.splitlines(), 1) if not _is_box(line))
        raise ValueError(
            f"{path}, line {number}: expected four numbers (left, top, width, height), got {line!r}. "
            "Fetch the sequence again."
        )
    return boxes - [1.0, 1.0, 0.0, 0.0]


def _is_box(line: str) -> bool:
    try:
        row = [float(value) for value in line.split()]
    except ValueError:
        return False
    return len(row) == 4 and all(map(math.isfinite, row))

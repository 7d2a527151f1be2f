"""Tracking sequences in the layout of the Object Tracking Benchmark (OTB-2013, OTB-100).

    NAME/img/0001.jpg ...    NAME/groundtruth_rect.txt: left, top, width, height, 1-based, one row a frame

The files in circulation separate by commas, tabs or spaces and end lines either way. A sequence with two targets has
`groundtruth_rect.1.txt` and `.2.txt`, and counts as two. Source: Wu, Lim, Yang, "Object Tracking Benchmark", PAMI 2015.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8

from zoo.data.left_out import BadItems, kept
from zoo.data.pictures import read_rgb

_FIRST_FRAME = {"David": 300}
"""Where the annotation starts later than the pictures (OTB's configSeqs.m)."""


@dataclass(frozen=True, eq=False)
class Sequence:
    """A video of one object; `boxes[i]` belongs to `frame(i)`.

    `boxes`: left, top, width, height in pixels, counted from 0. There may be fewer rows than frames (Diving, ...);
    rows without an area, where the object is out of view, are kept.
    """

    name: str
    files: tuple[Path, ...]
    boxes: Float64[np.ndarray, "n 4"]

    def __len__(self) -> int:
        return len(self.files)

    def frame(self, i: int) -> UInt8[np.ndarray, "h w 3"]:
        """The i-th frame in RGB.

        Raises:
            ValueError: it cannot be read.
        """
        return read_rgb(self.files[i])


def open_otb(folder: Path, split: str = "test") -> tuple[Sequence, ...]:
    """The sequences of a data set, by name: those in `<folder>/<split>`, or, as OTB itself knows no split,
    those in the folder for "test".

    Raises:
        ValueError: no sequences there, a frame missing, or a row that is not a box.
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
        return Sequence(name, *_read_sequence(truth))
    except ValueError as error:
        raise BadItems(str(error), [name]) from error


def _read_sequence(truth: Path) -> tuple[tuple[Path, ...], Float64[np.ndarray, "n 4"]]:
    """Its frames, and the boxes of the first so many."""
    video = truth.parent
    files = _frames(video / "img", first=_FIRST_FRAME.get(video.name, 0))
    boxes = _read_boxes(truth)
    if len(boxes) > len(files):
        raise ValueError(
            f"{truth}: expected at most one row a frame, got {len(boxes)} rows for {len(files)} frames in "
            f"{video / 'img'}. Frames are missing at the end; fetch the sequence again."
        )
    return files, boxes


def _frames(folder: Path, *, first: int) -> tuple[Path, ...]:
    numbered = sorted((int(path.stem), path) for path in folder.glob("*.jpg") if path.stem.isdigit())
    numbered = [(number, path) for number, path in numbered if number >= first]
    if not numbered:
        raise ValueError(f"{folder}: expected frames 0001.jpg, 0002.jpg, ..., found none. Fetch the sequence again.")
    for (before, path), (number, _) in pairwise(numbered):
        if number != before + 1:
            raise ValueError(
                f"{folder}: expected the frame {before + 1:0{len(path.stem)}d}.jpg after {path.name}, "
                f"got {number:0{len(path.stem)}d}.jpg. Fetch the sequence again."
            )
    return tuple(path for _, path in numbered)


def _read_boxes(truth: Path) -> Float64[np.ndarray, "n 4"]:
    rows = []
    for number, line in enumerate(truth.read_text().rstrip().splitlines(), 1):
        try:
            row = [float(value) for value in line.replace(",", " ").split()]
        except ValueError:
            row = []
        if len(row) != 4 or not all(map(math.isfinite, row)):
            raise ValueError(
                f"{truth}, line {number}: expected four numbers (left, top, width, height), got {line!r}. "
                "Fetch the sequence again."
            )
        rows.append(row)
    if not rows:
        raise ValueError(f"{truth}: expected a box for each frame, got an empty file. Fetch the sequence again.")
    return np.array(rows) - [1.0, 1.0, 0.0, 0.0]

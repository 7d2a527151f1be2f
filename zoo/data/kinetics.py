"""Videos of human actions in the layout of Kinetics-400, with its official lists.

    annotations/train.csv, val.csv        label,youtube_id,time_start,time_end,split (and is_cc in later ones)
    train/<youtube_id>_000010_000020.mp4  ten seconds of it; or in a folder of its label

The lists may also lie beside `train/`, and that of validation may be called validate.csv, as in the first release.
The label of the test list was never published. Classes are those of the training list, in alphabetical order. Many of
the videos are no longer on YouTube: what is absent is named, or left out by --skip-bad and counted.

Source: Kay et al., "The Kinetics human action video dataset", arXiv 1705.06950; layout as in the copy of CVDF
(github.com/cvdfoundation/kinetics-dataset).
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from zoo.data.left_out import BadItems, kept
from zoo.data.ucf101 import ActionSplit, Video

LISTS = {"train": ("train.csv",), "val": ("val.csv", "validate.csv")}
_PLACES = ("annotations", ".")
_COLUMNS = ("label", "youtube_id", "time_start", "time_end")
_REMEDY = "Fetch the official lists again."


class _Row(NamedTuple):
    """A line of a list."""

    file: str  # without folder
    label: str
    where: str  # for messages


def is_kinetics(folder: Path) -> bool:
    """Whether a folder has a training list of Kinetics."""
    return _list(folder, "train") is not None


def open_kinetics(folder: Path, part: str) -> ActionSplit:
    """The videos of one list, "train" or "val".

    Raises:
        ValueError: a list is absent or wrong, a listed video is absent, or a clip is in both lists.
    """
    if part not in LISTS:
        raise ValueError(f"expected train or val, got {part!r}: the labels of the test list were never published.")
    rows = {side: _read(folder, side) for side in LISTS}
    _refuse_shared(folder, rows["train"], rows["val"])
    classes = tuple(sorted({row.label for row in rows["train"].values()}))
    labels = {label: number for number, label in enumerate(classes)}
    for row in rows[part].values():
        if row.label not in labels:
            raise ValueError(
                f"{row.where}: expected one of the {len(classes)} labels of the training list, got {row.label!r}. "
                f"{_REMEDY}"
            )
    listed = {f"{part}/{name}": row for name, row in rows[part].items()}
    videos = {name: Video(_path(folder, part, row), labels[row.label]) for name, row in kept(folder, listed).items()}
    absent = {name: video.path for name, video in videos.items() if not video.path.is_file()}
    if absent:
        raise BadItems(
            f"{folder}: the {part} list names {len(videos)} videos, {len(absent)} of them absent; the first is "
            f"{next(iter(absent.values()))}. Put them there, or leave them out by --skip-bad.",
            absent,
        )
    return ActionSplit(tuple(videos.values()), classes, part)


def _list(folder: Path, part: str) -> Path | None:
    paths = (folder / place / name for place in _PLACES for name in LISTS[part])
    return next((path for path in paths if path.is_file()), None)


def _read(folder: Path, part: str) -> dict[str, _Row]:
    """The rows of a list by the name of their video's file."""
    path = _list(folder, part)
    if path is None:
        raise ValueError(
            f"{folder}: expected {' or '.join(LISTS[part])} in it or in its annotations/, but there is no such list. "
            "Put the official lists there."
        )
    rows: dict[str, _Row] = {}
    for row in _rows(path):
        if row.file in rows:
            raise ValueError(f"{row.where}: expected each clip once, got {row.file} again. {_REMEDY}")
        rows[row.file] = row
    if not rows:
        raise ValueError(f"{path}: expected videos, got an empty list. {_REMEDY}")
    return rows


def _rows(path: Path) -> Iterator[_Row]:
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [column for column in _COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(
                f"{path}, line 1: expected the columns {', '.join(_COLUMNS)}; without {missing}. {_REMEDY}"
            )
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            label, name, start, end = (row[column] or "" for column in _COLUMNS)
            if not (label and name and start.isdecimal() and end.isdecimal() and int(start) < int(end)):
                raise ValueError(
                    f"{where}: expected a label, a YouTube id and whole seconds from start to end, got "
                    f"{label!r}, {name!r}, {start!r}, {end!r}. {_REMEDY}"
                )
            yield _Row(f"{name}_{int(start):06d}_{int(end):06d}.mp4", label, where)


def _path(folder: Path, part: str, row: _Row) -> Path:
    """Where a video lies: in a folder of its label if it is there, else beside the others."""
    sorted_by_label = folder / part / row.label / row.file
    return sorted_by_label if sorted_by_label.is_file() else folder / part / row.file


def _refuse_shared(folder: Path, train: dict[str, _Row], val: dict[str, _Row]) -> None:
    shared = sorted(train.keys() & val.keys())
    if shared:
        raise ValueError(
            f"{folder}: expected training and validation to share no clip, but both lists have {shared[0]}"
            f"{f' and {len(shared) - 1} more' if shared[1:] else ''}: a score would tell what was memorised. {_REMEDY}"
        )

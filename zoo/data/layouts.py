"""Which reader a folder calls for, and whether that reader accepts all of it."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from zoo.data.coco import coco_splits, open_coco
from zoo.data.flow import flow_splits, open_flow
from zoo.data.image_folder import ONLY_CLASS, open_image_folder
from zoo.data.labelled import open_labelled
from zoo.data.left_out import BadItems, leave_out, left_out
from zoo.data.otb import open_otb
from zoo.data.segmentation import open_segmentation
from zoo.data.ucf101 import open_ucf101

Items = Mapping[str, Callable[[], object]]
"""How to read each item of a split from end to end, by its name."""


class Layout(NamedTuple):
    """An official layout: what gives it away, and how all of it is read."""

    title: str
    signs: tuple[str, ...]  # glob patterns, of which one that matches is enough
    splits: Callable[[Path], Sequence[str]]
    items: Callable[[Path, str], Items]


def examine(folder: Path, *, skip_bad: bool = False) -> str | None:
    """Read a data set from end to end; returns what it is in words, or None where its layout is none of ours.

    Args:
        skip_bad: leave absent and damaged items out instead: from then on `left-out.tsv` in the folder names them.
            MNIST's and CIFAR-10's files hold many pictures each, of which none can be left out.

    Raises:
        ValueError: the layout is known, and something in it is missing or damaged.
    """
    layout = next((layout for layout in LAYOUTS if _any(folder, layout.signs)), None)
    if layout is None:
        return None
    counts = {split: _examine(layout, folder, split, skip_bad=skip_bad) for split in layout.splits(folder)}
    told = [f"{layout.title}: {', '.join(f'{count} {split}' for split, count in counts.items())}"]
    return "; ".join(told + [f"{len(faults)} left out" for faults in [left_out(folder)] if faults])


def _any(folder: Path, patterns: Sequence[str]) -> bool:
    return any(path for pattern in patterns for path in folder.glob(pattern))


def _examine(layout: Layout, folder: Path, split: str, *, skip_bad: bool) -> int:
    """How many items of a split are whole."""
    faults: dict[str, str] = {}
    items = _opened(layout, folder, split, skip_bad=skip_bad)
    for name, read in items.items():
        try:
            read()
        except ValueError as error:
            if not skip_bad:
                raise
            faults[name] = str(error)
    if faults:
        leave_out(folder, faults)
        layout.items(folder, split)  # something has to remain
    return len(items) - len(faults)


def _opened(layout: Layout, folder: Path, split: str, *, skip_bad: bool) -> Items:
    while True:
        try:
            return layout.items(folder, split)
        except BadItems as error:
            if not skip_bad:
                raise
            leave_out(folder, dict.fromkeys(error.items, str(error)))


def _labelled(folder: Path, split: str) -> Items:
    return {str(i): int for i in range(len(open_labelled(folder, split).labels))}  # opening has read them all


def _sequences(folder: Path, split: str) -> Items:
    def whole(sequence: Callable[[int], object], frames: int) -> None:
        for i in range(frames):
            sequence(i)

    return {found.name: partial(whole, found.frame, len(found)) for found in open_otb(folder, split)}


def _actions(folder: Path, part: str) -> Items:
    videos = open_ucf101(folder, part).videos
    return {f"{video.path.parent.name}/{video.path.name}": video.check for video in videos}


def _segmented(folder: Path, split: str) -> Items:
    pictures = open_segmentation(folder, split)
    return {name: partial(pictures.__getitem__, i) for i, name in enumerate(pictures.ids)}


def _outlined(folder: Path, split: str) -> Items:
    pictures = open_coco(folder, split)
    names = (pictures.picture(i).relative_to(folder).as_posix() for i in range(len(pictures)))
    return {name: partial(pictures.__getitem__, i) for i, name in enumerate(names)}


def _pairs(folder: Path, split: str) -> Items:
    pairs = open_flow(folder, split)
    return {name: partial(pairs.__getitem__, i) for i, name in enumerate(pairs.ids)}


def _pictures(folder: Path, split: str) -> Items:
    pictures = open_image_folder(folder, split)
    names = (path.relative_to(folder).as_posix() for path in pictures.files)
    return {name: partial(pictures.__getitem__, i) for i, name in enumerate(names)}


def _always(*splits: str) -> Callable[[Path], Sequence[str]]:
    return lambda _folder: splits


def _present(*splits: str) -> Callable[[Path], Sequence[str]]:
    """Those that have a folder; the last one where none has."""
    return lambda folder: [split for split in splits if (folder / split).is_dir()] or splits[-1:]


LAYOUTS = (
    Layout(
        "pictures with one label each",
        ("*-ubyte", "*-ubyte.gz", "*/*-ubyte*", "*/*/*-ubyte*", "*_batch*.bin", "*/*_batch*.bin"),
        _always("train", "test"),
        _labelled,
    ),
    Layout(
        "sequences of one tracked object",
        ("*/groundtruth_rect*.txt", "*/*/groundtruth_rect*.txt"),
        _present("train", "val", "test"),
        _sequences,
    ),
    Layout("videos of actions", ("ucfTrainTestlist",), _always("train", "test"), _actions),
    Layout("pictures with outlined things", ("annotations/instances_*.json",), coco_splits, _outlined),
    Layout(
        "pictures labelled by pixel",
        ("JPEGImages", "*/JPEGImages", "*/*/JPEGImages", "trainannot", "*/trainannot"),
        _always("train", "val"),
        _segmented,
    ),
    Layout(
        "pairs with flow",
        (
            *("*-gt.flo", "*_flow.flo", "data/*_flow.flo", "training/flow", "training/flow_occ"),
            *("other-gt-flow", "optical_flow"),
        ),
        flow_splits,
        _pairs,
    ),
    Layout(
        "pictures in a folder per class",
        (
            *(f"train/*/*{suffix}" for suffix in (".jpg", ".jpeg", ".JPEG", ".png", ".ppm", ".webp")),
            f"train/{ONLY_CLASS}",
        ),
        _present("train", "val", "test"),
        _pictures,
    ),
)
"""Tried in this order."""

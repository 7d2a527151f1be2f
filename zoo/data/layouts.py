"""Which reader a folder calls for, and whether that reader accepts all of it."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from zoo.data.coco import coco_splits, open_coco
from zoo.data.flow import flow_splits, listed_elsewhere, open_flow
from zoo.data.image_folder import ONLY_CLASS, open_image_folder
from zoo.data.imagenet import ROOTS, open_imagenet
from zoo.data.kinetics import open_kinetics
from zoo.data.labelled import open_labelled
from zoo.data.left_out import BadItems, leave_out, left_out
from zoo.data.otb import open_otb
from zoo.data.segmentation import open_segmentation
from zoo.data.ucf101 import open_ucf101

FEW = 0.01
"""The share of a test set that may be in training, too: official sets have such pictures (CIFAR-10 is known for it),
and published scores count them. More are a mistake."""


class Item(NamedTuple):
    """A picture, pair, sequence or video."""

    read: Callable[[], object]  # all of it
    content: Path | bytes  # by which a copy of it is known: a file, or a hash where many share one


Items = Mapping[str, Item]
"""The items of a split by name."""


class Opened(NamedTuple):
    """A split, and what is worth knowing about it."""

    items: Items
    remarks: Sequence[str] = ()


class Layout(NamedTuple):
    """An official layout: what gives it away, and how a split is opened."""

    title: str
    signs: tuple[str, ...]  # glob patterns, of which one that matches is enough
    splits: Callable[[Path], Sequence[str]]  # that for training before those for testing
    open: Callable[[Path, str], Opened]


def examine(folder: Path, *, skip_bad: bool = False) -> str | None:
    """Read a data set from end to end; returns what it is in words, or None where its layout is none of ours.

    Args:
        skip_bad: leave absent and damaged items out instead, and of a test set those that are in training, too: from
            then on `left-out.tsv` in the folder names them. MNIST's, CIFAR-10's and SVHN's files hold many pictures
            each, of which none can be left out.

    Raises:
        ValueError: the layout is known, and something in it is missing or damaged, or was trained on and is tested on.
    """
    layout = next((layout for layout in LAYOUTS if _any(folder, layout.signs)), None)
    if layout is None:
        return None
    splits: dict[str, Opened] = {}
    for name in layout.splits(folder):
        train = splits["train"].items if "train" in splits else {}
        splits[name] = _examine(layout, folder, name, train, skip_bad=skip_bad)
    told = [f"{layout.title}: {', '.join(f'{len(split.items)} {name}' for name, split in splits.items())}"]
    told += dict.fromkeys(remark for split in splits.values() for remark in split.remarks)
    return "; ".join(told + [f"{len(faults)} left out" for faults in [left_out(folder)] if faults])


def _any(folder: Path, patterns: Sequence[str]) -> bool:
    return any(path for pattern in patterns for path in folder.glob(pattern))


def _examine(layout: Layout, folder: Path, split: str, train: Items, *, skip_bad: bool) -> Opened:
    """A split without the items that had to be left out of it."""
    items, remarks = _opened(layout, folder, split, skip_bad=skip_bad)
    faults = _damage(items, skip_bad=skip_bad)
    items = {name: item for name, item in items.items() if name not in faults}
    copies = _copies(items, train) if train else {}
    if len(copies) > FEW * len(items):
        faults |= _leak(folder, split, copies, items, skip_bad=skip_bad and copies.keys().isdisjoint(train))
    elif copies:
        remarks = (*remarks, f"{len(copies)} of {split} are in train, too")
    if faults:
        leave_out(folder, faults)
        layout.open(folder, split)  # something has to remain
    return Opened({name: item for name, item in items.items() if name not in faults}, remarks)


def _opened(layout: Layout, folder: Path, split: str, *, skip_bad: bool) -> Opened:
    while True:
        try:
            return layout.open(folder, split)
        except BadItems as error:
            if not skip_bad:
                raise
            leave_out(folder, dict.fromkeys(error.items, str(error)))


def _damage(items: Items, *, skip_bad: bool) -> dict[str, str]:
    """What is wrong with each item that cannot be read."""
    faults: dict[str, str] = {}
    for name, item in items.items():
        try:
            item.read()
        except ValueError as error:
            if not skip_bad:
                raise
            faults[name] = str(error)
    return faults


def _copies(items: Items, train: Items) -> dict[str, str]:
    """The training item that an item has all bytes of, by the name of either."""
    sizes = {_size(item.content) for item in items.values()}
    seen = {_hash(item.content): name for name, item in train.items() if _size(item.content) in sizes}
    hashes = {name: _hash(item.content) for name, item in items.items()}
    return {name: seen[content] for name, content in hashes.items() if content in seen}


def _leak(folder: Path, split: str, copies: dict[str, str], items: Items, *, skip_bad: bool) -> dict[str, str]:
    """Why each copy is left out, if it can be and that was asked for."""
    copy, original = next(iter(copies.items()))
    if not skip_bad or isinstance(items[copy].content, bytes):
        raise ValueError(
            f"{folder}: expected {split} to share no picture with train, but {len(copies)} of {len(items)} are copies, "
            f"first {copy} of {original}: a score would tell what was memorised. Fetch the official splits again, or "
            f"leave copies out of {split} by --skip-bad where each has a file of its own."
        )
    return {copy: f"a copy of {original} in train" for copy, original in copies.items()}


def _size(content: Path | bytes) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def _hash(content: Path | bytes) -> bytes:
    if isinstance(content, bytes):
        return content
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _labelled(folder: Path, split: str) -> Opened:
    images = open_labelled(folder, split).images  # opening has read them all
    return Opened({str(i): Item(int, hashlib.sha256(image).digest()) for i, image in enumerate(images)})


def _sequences(folder: Path, split: str) -> Opened:
    sequences = open_otb(folder, split)
    items = {found.name: Item(found.check, found.folder / found.files[0]) for found in sequences}
    beyond = sum(int(found.truncated.sum()) for found in sequences)
    return Opened(items, (f"{beyond} boxes of {split} reach beyond the picture",) if beyond else ())


def _actions(folder: Path, part: str) -> Opened:
    videos = open_ucf101(folder, part).videos
    return Opened({f"{video.path.parent.name}/{video.path.name}": Item(video.check, video.path) for video in videos})


def _kinetics(folder: Path, part: str) -> Opened:
    videos = open_kinetics(folder, part).videos
    return Opened({f"{part}/{video.path.name}": Item(video.check, video.path) for video in videos})


def _segmented(folder: Path, split: str) -> Opened:
    pictures = open_segmentation(folder, split)
    return Opened(
        {name: Item(partial(pictures.__getitem__, i), pictures.files[i][0]) for i, name in enumerate(pictures.ids)}
    )


def _outlined(folder: Path, split: str) -> Opened:
    pictures = open_coco(folder, split)
    files = [pictures.picture(i) for i in range(len(pictures))]
    return Opened(_by_file(folder, files, pictures.__getitem__))


def _pairs(folder: Path, split: str) -> Opened:
    pairs = open_flow(folder, split)
    items = {name: Item(partial(pairs.__getitem__, i), pairs.files[i].first) for i, name in enumerate(pairs.ids)}
    elsewhere = listed_elsewhere(folder)
    return Opened(items, (f"a sample: its list names {elsewhere:,} pairs more",) if elsewhere else ())


def _imagenet(folder: Path, split: str) -> Opened:
    pictures = open_imagenet(folder, split)
    files = [pictures.file(i) for i in range(len(pictures))]
    return Opened(_by_file(folder, files, pictures.__getitem__))


def _pictures(folder: Path, split: str) -> Opened:
    pictures = open_image_folder(folder, split)
    return Opened(_by_file(folder, pictures.files, pictures.__getitem__))


def _by_file(folder: Path, files: Sequence[Path], read: Callable[[int], object]) -> Items:
    """Items that are named by where they lie."""
    return {path.relative_to(folder).as_posix(): Item(partial(read, i), path) for i, path in enumerate(files)}


def _always(*splits: str) -> Callable[[Path], Sequence[str]]:
    return lambda _folder: splits


def _present(*splits: str) -> Callable[[Path], Sequence[str]]:
    """Those that have a folder; the last one where none has."""
    return lambda folder: [split for split in splits if (folder / split).is_dir()] or splits[-1:]


LAYOUTS = (
    Layout(
        "pictures with one label each",
        ("*-ubyte", "*-ubyte.gz", "*/*-ubyte*", "*/*/*-ubyte*", "*_batch*.bin", "*/*_batch*.bin", "*_32x32.mat"),
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
        "ImageNet, classification",
        tuple(f"{root}/train/n[0-9]*" for root in ROOTS),
        _always("train", "val"),
        _imagenet,
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
    Layout(
        "videos of actions",
        ("train.csv", "annotations/train.csv"),
        _always("train", "val"),
        _kinetics,
    ),
)
"""Tried in this order."""

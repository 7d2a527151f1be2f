"""Which reader a folder calls for, and whether that reader accepts all of it."""

from pathlib import Path

from zoo.data.flow import flow_splits, open_flow
from zoo.data.labelled import open_labelled
from zoo.data.otb import open_otb
from zoo.data.segmentation import open_segmentation
from zoo.data.ucf101 import open_ucf101


def examine(folder: Path) -> str | None:
    """Read a data set from end to end; returns what it is in words, or None where its layout is none of ours.

    Raises:
        ValueError: the layout is known, and something in it is missing or damaged.
    """
    if _any(folder, "*-ubyte", "*-ubyte.gz", "*/*-ubyte*", "*/*/*-ubyte*", "*_batch*.bin", "*/*_batch*.bin"):
        return _examine_labelled(folder)
    if _any(folder, "*/groundtruth_rect*.txt", "*/*/groundtruth_rect*.txt"):
        return _examine_otb(folder)
    if _any(folder, "ucfTrainTestlist"):
        return _examine_ucf101(folder)
    if _any(folder, "JPEGImages", "*/JPEGImages", "*/*/JPEGImages", "trainannot", "*/trainannot"):
        return _examine_segmentation(folder)
    if _any(folder, "*-gt.flo", "*_flow.flo", "data/*_flow.flo", "training/flow", "training/flow_occ", "other-gt-flow"):
        return _examine_flow(folder)
    return None


def _any(folder: Path, *patterns: str) -> bool:
    return any(path for pattern in patterns for path in folder.glob(pattern))


def _examine_labelled(folder: Path) -> str:
    counts = {split: len(open_labelled(folder, split).labels) for split in ("train", "test")}
    return f"pictures with one label each: {_said(counts)}"


def _examine_otb(folder: Path) -> str:
    splits = [split for split in ("train", "test") if (folder / split).is_dir()] or ["test"]
    counts = {}
    for split in splits:
        sequences = open_otb(folder, split)
        for sequence in sequences:
            for i in range(len(sequence)):
                sequence.frame(i)
        counts[split] = len(sequences)
    return f"sequences of one tracked object: {_said(counts)}"


def _examine_segmentation(folder: Path) -> str:
    counts = {}
    for split in ("train", "val"):
        pictures = open_segmentation(folder, split)
        for i in range(len(pictures)):
            pictures[i]
        counts[split] = len(pictures)
    return f"pictures labelled by pixel: {_said(counts)}, {len(pictures.classes)} classes"


def _examine_flow(folder: Path) -> str:
    counts = {}
    for split in flow_splits(folder):
        pairs = open_flow(folder, split)
        for i in range(len(pairs)):
            pairs[i]
        counts[split] = len(pairs)
    return f"pairs with flow ({pairs.layout}): {_said(counts)}"


def _examine_ucf101(folder: Path) -> str:
    counts = {}
    for part in ("train", "test"):
        split = open_ucf101(folder, part)
        for video in split.videos:
            video.check()
        counts[part] = len(split.videos)
    return f"UCF-101: {_said(counts)} videos, {len(split.classes)} classes"


def _said(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {split}" for split, count in counts.items())

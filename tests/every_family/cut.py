"""The first few items of each made data set, in its own layout: what every promise needs, and nothing to wait for."""

import json
import shutil
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from zoo.data.made.collage_flow import LIST
from zoo.data.made.digits import _idx
from zoo.data.mnist import read_idx

KEPT = {"train": 24, "val": 6, "test": 6}  # pictures or pairs of a split
FILMS, FRAMES = 3, 8  # of a split, and of each of its films
CLIPS = {"train": 2, "test": 1}  # of each action
DIGITS = {"train": 600, "t10k": 100}


def cut(datasets: Path, folder: Path) -> Path:
    """Copy a little of every made data set; returns the folder."""
    for name, of in CUTS.items():
        (folder / name).mkdir(parents=True)
        of(datasets / name, folder / name)
    return folder


def _segmentation(source: Path, folder: Path) -> None:
    shutil.copyfile(source / "classes.txt", folder / "classes.txt")
    for split in ("train", "val"):
        listed = f"ImageSets/Segmentation/{split}.txt"
        ids = (source / listed).read_text().split()[: KEPT[split]]
        _write(folder / listed, "".join(f"{name}\n" for name in ids))
        _copy(source, folder, [f"JPEGImages/{name}.jpg" for name in ids])
        _copy(source, folder, [f"SegmentationClass/{name}.png" for name in ids])


def _detection(source: Path, folder: Path) -> None:
    for split in ("train", "val"):
        listed = f"annotations/instances_{split}.json"
        told = json.loads((source / listed).read_text())
        told["images"] = told["images"][: KEPT[split]]
        kept = {image["id"] for image in told["images"]}
        told["annotations"] = [thing for thing in told["annotations"] if thing["image_id"] in kept]
        _write(folder / listed, json.dumps(told))
        _copy(source, folder, [f"{split}/{image['file_name']}" for image in told["images"]])


def _tracking(source: Path, folder: Path) -> None:
    for split in ("train", "test"):
        for film in sorted((source / split).iterdir())[:FILMS]:
            name = f"{split}/{film.name}"
            boxes = (film / "groundtruth_rect.txt").read_text().splitlines(keepends=True)
            _write(folder / name / "groundtruth_rect.txt", "".join(boxes[:FRAMES]))
            frames = sorted(frame.name for frame in (film / "img").iterdir())
            _copy(source, folder, [f"{name}/img/{frame}" for frame in frames[:FRAMES]])


def _flow(source: Path, folder: Path) -> None:
    splits = (source / LIST).read_text().split()  # a line per pair: 1 trains, 2 tests
    kept = [i for split, count in (("1", KEPT["train"]), ("2", KEPT["test"])) for i in _places(splits, split)[:count]]
    _write(folder / LIST, "".join(f"{splits[i]}\n" for i in kept))
    for new, old in enumerate(kept):
        for part in ("img0.ppm", "img1.ppm", "gt.flo"):
            shutil.copyfile(source / f"{old + 1:07}-{part}", folder / f"{new + 1:07}-{part}")


def _action(source: Path, folder: Path) -> None:
    lists = "ucfTrainTestlist"
    _copy(source, folder, [f"{lists}/classInd.txt"])
    for split, count in CLIPS.items():
        lines = (source / lists / f"{split}list01.txt").read_text().splitlines()
        kept = [line for _, of in groupby(lines, lambda line: line.split("/")[0]) for line in list(of)[:count]]
        _write(folder / lists / f"{split}list01.txt", "".join(f"{line}\n" for line in kept))
        _copy(source, folder, [f"UCF-101/{line.split()[0]}" for line in kept])


def _digits(source: Path, folder: Path) -> None:
    for split, count in DIGITS.items():
        for what, axes in (("images-idx3", 3), ("labels-idx1", 1)):
            name = f"{split}-{what}-ubyte"
            (folder / name).write_bytes(_idx(read_idx(source / name, axes=axes)[:count]))


CUTS = {
    "digits": _digits,
    "collage-seg": _segmentation,
    "collage-coco": _detection,
    "collage-track": _tracking,
    "collage-flow": _flow,
    "collage-action": _action,
}


def _places(values: list[str], wanted: str) -> list[int]:
    return [i for i, value in enumerate(values) if value == wanted]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _copy(source: Path, folder: Path, names: Iterable[str]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, folder / name)

"""Cityscapes' things one by one, in the layout of COCO.

    zoo data convert cityscapes ~/cityscapes cityscapes

    leftImg8bit/SPLIT/CITY/CITY_*_leftImg8bit.png       the pictures
    gtFine/SPLIT/CITY/CITY_*_gtFine_instanceIds.png     of every pixel the class, or 1,000 times that plus a number

The eight classes that are scored by instance are kept. Pixels with the bare number of such a class are a group whose
members nobody told apart: a crowd. The official lists are the folders: 2,975 pictures to train on, 500 to validate on.
COCO's average precision is not that of Cityscapes' own script, so scores made with it are not those of its board.

Source: Cordts et al., "The Cityscapes dataset", CVPR 2016; cityscapesScripts, helpers/labels.py and
preparation/json2instanceImg.py.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int32
from pycocotools import mask as coco_mask

from zoo.data.convert.outcome import Converted, Report, found_in, link
from zoo.data.pictures import read_numbers, read_size

OFFICIAL = {"train": 2975, "val": 500}
CLASSES = {
    24: "person",
    25: "rider",
    26: "car",
    27: "truck",
    28: "bus",
    31: "train",
    32: "motorcycle",
    33: "bicycle",
}
"""Numbers of the classes that are scored by instance."""
NUMBERED = 1000  # from here on a value is of one thing
PICTURE, LABEL = "_leftImg8bit.png", "_gtFine_instanceIds.png"
_AGAIN = "Unpack leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip again, side by side."


def convert_cityscapes(source: Path, target: Path, *, report: Report = lambda *_: None) -> Converted:
    """Write training and validation pictures, as links, and their annotations into a folder.

    Raises:
        ValueError: a split is absent, a picture has no labels, or its labels are damaged, of another size or of unknown
            classes.
    """
    source = found_in(source, "gtFine", "cityscapes")
    pictures = {split: _pictures(source, split) for split in OFFICIAL}
    total = sum(len(found) for found in pictures.values())
    (target / "annotations").mkdir(parents=True)
    done = 0
    for split, found in pictures.items():
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for number, picture in enumerate(found, 1):
            label = read_numbers(_label(source, picture))
            _check(label, picture, _label(source, picture))
            height, width = label.shape
            link(picture, target / split / picture.name)
            images.append({"id": number, "file_name": picture.name, "height": height, "width": width})
            annotations += [{"image_id": number, **thing} for thing in things(label)]
            done += 1
            report(done, total)
        numbered = [{"id": i, **annotation} for i, annotation in enumerate(annotations, 1)]
        categories = [{"id": number, "name": name} for number, name in CLASSES.items()]
        listing = {"images": images, "annotations": numbered, "categories": categories}
        (target / "annotations" / f"instances_{split}.json").write_text(json.dumps(listing))
    counts = {split: len(found) for split, found in pictures.items()}
    remarks = [
        f"{s}: {n:,} pictures, where Cityscapes has {OFFICIAL[s]:,}" for s, n in counts.items() if n != OFFICIAL[s]
    ]
    return Converted(counts=counts, remarks=tuple(remarks))


def things(label: Int32[np.ndarray, "h w"]) -> Iterator[dict[str, Any]]:
    """What COCO says of each thing or group in a picture's labels, in the order of their values."""
    for value in np.unique(label).tolist():
        kind = value // NUMBERED if value >= NUMBERED else value
        if kind in CLASSES:
            yield {"category_id": kind, "iscrowd": int(value < NUMBERED), **_outlined(label == value)}


def _outlined(mask: Bool[np.ndarray, "h w"]) -> dict[str, Any]:
    runs = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    left, top, width, height = (float(side) for side in coco_mask.toBbox(runs))
    return {
        "bbox": [left, top, width, height],
        "area": int(mask.sum()),
        "segmentation": {"size": list(mask.shape), "counts": runs["counts"].decode()},
    }


def _pictures(source: Path, split: str) -> list[Path]:
    found = sorted((source / "leftImg8bit" / split).glob(f"*/*{PICTURE}"))
    if not found:
        raise ValueError(f"{source}: expected leftImg8bit/{split}/CITY/*{PICTURE}, found none. {_AGAIN}")
    return found


def _label(source: Path, picture: Path) -> Path:
    city = picture.parent
    return source / "gtFine" / city.parent.name / city.name / picture.name.replace(PICTURE, LABEL)


def _check(label: Int32[np.ndarray, "h w"], picture: Path, path: Path) -> None:
    if (size := read_size(picture)) != label.shape[::-1]:
        raise ValueError(
            f"{path}: expected the size of its picture {size[0]}x{size[1]}, got {label.shape[1]}x{label.shape[0]}. "
            f"{_AGAIN}"
        )
    kinds = np.unique(np.where(label >= NUMBERED, label // NUMBERED, label))
    if not 0 <= kinds.min() <= kinds.max() <= max(CLASSES):
        raise ValueError(
            f"{path}: expected classes 0 to {max(CLASSES)}, as in cityscapesScripts, got {kinds.min()} to "
            f"{kinds.max()}. {_AGAIN}"
        )

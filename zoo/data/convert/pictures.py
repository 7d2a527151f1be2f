"""Pictures of any size, cropped to a square and averaged down to one size, in a folder per class.

    zoo data convert pictures ~/img_align_celeba celeba --size 64 --crop celeba

Decoded once, here; training then reads small PNGs (`zoo.data.labelled`). The resizer is OpenCV's INTER_AREA: each pixel
is the mean of the area that it covers, also where that shares pixels with the next. A picture is never enlarged.

    center  the largest square in the middle: LSUN (shorter side 256) and ImageNet as DCGAN's and WGAN's loaders have
            them, Resize and CenterCrop (github.com/martinarjovsky/WassersteinGAN, main.py), but for the resizer
    celeba  128 x 128 around x = 89, y = 121 of the aligned 178 x 218, as Karras et al. (github.com/tkarras/
            progressive_growing_of_gans, dataset_tool.py) and DDIM (github.com/ermongroup/ddim, datasets/) have it
    none    all of a picture, its sides scaled each by itself, as LSGAN's authors bring LSUN to 112 x 112
            (github.com/xudonmao/LSGAN, convert_lsun.py), but for the resizer

A source with train/, val/ or test/ keeps these and the folders in them as classes; any other is one class of train.
LSUN comes as a database: its own tool exports it to files first (github.com/fyu/lsun, `data.py export`).
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from zoo.data.convert.outcome import Converted, Report
from zoo.data.image_folder import ONLY_CLASS, SUFFIXES
from zoo.data.left_out import FILE, leave_out
from zoo.data.pictures import read_rgb

CROPS = ("center", "celeba", "none")
_CELEBA_SIZE, _CELEBA_BOX = (178, 218), (89 - 64, 121 - 64, 89 + 64, 121 + 64)
_AT_ONCE = 1000  # pictures that are handed to the threads together


def convert_pictures(
    source: Path,
    target: Path,
    *,
    size: int,
    crop: str = "center",
    skip_bad: bool = False,
    report: Report = lambda *_: None,
) -> Converted:
    """Write all pictures below a folder into another one.

    Args:
        size: side in pixels of what is written.
        crop: one of `CROPS`.
        skip_bad: leave pictures out that cannot be used, and name them in `left-out.tsv`, instead of refusing.

    Raises:
        ValueError: no pictures, two that would get one name, or one that is damaged or too small.
    """
    if crop not in CROPS:
        raise ValueError(f"expected the crop {', '.join(CROPS)}, got {crop!r}.")
    files, others = _named(source)
    faults: dict[str, str] = {}
    make = partial(_make, target=target, size=size, crop=crop)
    for done, (name, fault) in enumerate(_in_threads(make, files), 1):
        if fault and not skip_bad:
            raise ValueError(f"{fault} Or leave such pictures out by --skip-bad.")
        if fault:
            faults[name] = fault
        report(done, len(files))
    if len(faults) == len(files):
        raise ValueError(
            f"{source}: none of {len(files)} pictures can be used, the first: {next(iter(faults.values()))}"
        )
    if faults:
        leave_out(target, faults)
    counts = Counter(name.partition("/")[0] for name in files if name not in faults)
    return Converted(counts=counts, remarks=_remarks(faults=len(faults), others=others))


def _named(source: Path) -> tuple[dict[str, Path], int]:
    """The pictures by where they go, and how many other files there are."""
    splits = [name for name in ("train", "val", "test") if (source / name).is_dir()]
    named: dict[str, Path] = {}
    others = 0
    for root in [source / name for name in splits] or [source]:
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            within = path.relative_to(root)
            if path.suffix.lower() not in SUFFIXES or any(part.startswith(".") for part in within.parts):
                others += 1
                continue
            name = _name(within, split=root.name if splits else "")
            if name in named:
                raise ValueError(
                    f"{path}: expected one picture of this name, but {named[name].name} would become the same."
                )
            named[name] = path
    if not named:
        raise ValueError(f"{source}: expected pictures ({', '.join(sorted(SUFFIXES))}) in it or below, found none.")
    return named, others


def _name(within: Path, *, split: str) -> str:
    classed = within if split and len(within.parts) > 1 else ONLY_CLASS / within
    return (Path(split or "train") / classed).with_suffix(".png").as_posix()


def _in_threads(make: Callable[[str, Path], str], files: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    """Each name with what is wrong with its picture, in order. Pillow decodes and encodes beside other threads."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        names = iter(files)
        while some := list(islice(names, _AT_ONCE)):
            yield from zip(some, pool.map(make, some, map(files.__getitem__, some)), strict=True)


def _make(name: str, path: Path, *, target: Path, size: int, crop: str) -> str:
    """Write one picture, or say why not."""
    try:
        picture = square(read_rgb(path), size=size, crop=crop)
    except ValueError as error:
        return str(error) if str(path) in str(error) else f"{path}: {error}"
    (target / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(target / name)
    return ""


def square(picture: UInt8[np.ndarray, "h w 3"], *, size: int, crop: str) -> UInt8[np.ndarray, "{size} {size} 3"]:
    """The part that a crop keeps, averaged down.

    Raises:
        ValueError: that part is smaller than what it should become, or the picture is none of CelebA's.
    """
    height, width = picture.shape[:2]
    if crop == "celeba" and (width, height) != _CELEBA_SIZE:
        raise ValueError(f"expected 178x218, as CelebA's aligned pictures are, got {width}x{height}.")
    left, top, right, bottom = _box(width, height, crop=crop)
    if (shorter := min(right - left, bottom - top)) < size:
        raise ValueError(f"expected at least {size} pixels a side after the crop, got {shorter}.")
    return np.asarray(cv2.resize(picture[top:bottom, left:right], (size, size), interpolation=cv2.INTER_AREA))


def _box(width: int, height: int, *, crop: str) -> tuple[int, int, int, int]:
    """What a crop keeps: left, top, right, bottom."""
    if crop == "celeba":
        return _CELEBA_BOX
    if crop == "none":
        return 0, 0, width, height
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def _remarks(*, faults: int, others: int) -> tuple[str, ...]:
    remarks = []
    if faults:
        remarks.append(f"left out: {faults:,} pictures that are damaged or too small, named in {FILE}")
    if others:
        remarks.append(f"left out: {others:,} files that are no pictures by their names, or hidden")
    return tuple(remarks)

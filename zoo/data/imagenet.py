"""ImageNet's classification set of 2012: 1.28 million pictures in a folder per class, and 50,000 to score.

    train/n01440764/n01440764_18.JPEG   classes in the order of their WordNet numbers
    val/ILSVRC2012_val_00000001.JPEG    named by one of the official lists:
        LOC_val_solution.csv                                                   Kaggle's, beside train/ or above it
        ILSVRC2012_devkit_t12/data/{ILSVRC2012_validation_ground_truth.txt,meta.mat}   the development kit's
    or val/n01440764/ILSVRC2012_val_00000293.JPEG                              sorted by one of them

in the folder itself or in its `Data/CLS-LOC/` or `ILSVRC/Data/CLS-LOC/`. Listing a million files costs seconds, and
minutes on a network's disk: it is kept by the names and times of the class folders, which change with what is in them.

Source: Russakovsky et al., "ImageNet large scale visual recognition challenge", IJCV 2015; the kit's readme.txt.
"""

import csv
import hashlib
import os
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Int16, UInt8

from zoo.data.convert.mat import read_columns
from zoo.data.image_folder import SUFFIXES
from zoo.data.left_out import BadItems, kept, left_out
from zoo.data.pictures import read_rgb
from zoo.durable import atomically

ROOTS = (".", "Data/CLS-LOC", "ILSVRC/Data/CLS-LOC")
KAGGLE = "LOC_val_solution.csv"
KIT = "ILSVRC2012_devkit_t12/data"
Names = npt.NDArray[Any]
"""Of files, as bytes of one length: 26 a picture."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A split: 40 bytes a picture."""

    folder: Path
    classes: tuple[str, ...]
    names: Names  # below the folder, UTF-8
    labels: Int16[np.ndarray, "n"]

    def __len__(self) -> int:
        return len(self.names)

    def file(self, i: int) -> Path:
        """Where a picture lies."""
        return self.folder / self.names[i].decode()

    def __getitem__(self, i: int) -> tuple[UInt8[np.ndarray, "h w 3"], int]:
        """A picture in RGB, and its class.

        Raises:
            ValueError: the file is damaged.
        """
        return read_rgb(self.file(i)), int(self.labels[i])


def is_imagenet(folder: Path) -> bool:
    """Whether a folder has this layout, rather than that of any pictures in a folder per class."""
    return any(next((root / "train").glob("n[0-9]*"), None) is not None for root in _roots(folder))


def open_imagenet(folder: Path, split: str, *, cache: Path | None = None) -> Listing:
    """A split ("train" or "val"; the labels of the test set are not published).

    Args:
        cache: where the listing is kept; none: nowhere.

    Raises:
        ValueError: no such split, no pictures of a class, or no list that tells the classes of flat pictures.
    """
    root = next((root for root in _roots(folder) if (root / "train").is_dir()), folder)
    classes = tuple(sorted(entry.name for entry in _entries(root / "train") if entry.is_dir()))
    part = {"train": root / "train", "val": root / "val"}.get(split)
    if part is None:
        raise ValueError(f"{folder}: expected the split train or val, got {split!r}.")
    if any(entry.is_dir() for entry in _entries(part)):
        found = _by_class(part, classes, cache)
    else:
        found = _listed(part, classes, _validation_classes(folder, root), folder)
    return _without_left_out(found, folder)


def _roots(folder: Path) -> Iterator[Path]:
    return (folder / name for name in ROOTS)


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    if not folder.is_dir():
        raise ValueError(f"{folder}: expected this folder of ImageNet, which does not exist. Unpack the archive there.")
    with os.scandir(folder) as entries:
        yield from entries


def _by_class(part: Path, classes: tuple[str, ...], cache: Path | None) -> Listing:
    """Every file in the folder of each class, out of the cache where nothing has changed."""
    if there := {entry.name for entry in _entries(part)} ^ set(classes):
        raise ValueError(
            f"{part}: expected the {len(classes)} classes of train/, but only one has {', '.join(sorted(there)[:5])}. "
            "Class numbers would not mean the same; complete the folders."
        )
    key = hashlib.sha256(str(part.resolve()).encode())
    for name in classes:
        key.update(f"\n{name} {(part / name).stat().st_mtime_ns}".encode())
    path = None if cache is None else cache / "listings" / f"{key.hexdigest()}.npz"
    if path is not None and (found := _looked_up(path)) is not None:
        names, labels = found
    else:
        names, labels = _scanned(part, classes)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomically(path) as file:
                np.savez(file, names=names, labels=labels)
    return Listing(folder=part, classes=classes, names=names, labels=labels)


def _scanned(part: Path, classes: tuple[str, ...]) -> tuple[Names, Int16[np.ndarray, "n"]]:
    """One class after the other, so that no more than its names are ever in memory as objects."""
    each: list[Names] = []
    for name in classes:
        files = sorted(f"{name}/{entry.name}" for entry in _entries(part / name) if not entry.name.startswith("."))
        strange = [file for file in files if f".{file.rpartition('.')[2].lower()}" not in SUFFIXES]
        if strange or not files:
            raise ValueError(
                f"{part / (strange[0] if strange else name)}: expected pictures ({', '.join(sorted(SUFFIXES))}), "
                f"got {'another file' if strange else 'none'}. Unpack the archive of this class again."
            )
        each.append(np.array([file.encode() for file in files]))
    labels = np.repeat(np.arange(len(each), dtype=np.int16), [len(names) for names in each])
    return np.concatenate(each), labels


def _looked_up(path: Path) -> tuple[Names, Int16[np.ndarray, "n"]] | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return arrays["names"], arrays["labels"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
        warnings.warn(f"a kept listing is damaged and made again: {error}", stacklevel=2)
        return None


def _listed(part: Path, classes: tuple[str, ...], told: dict[str, str], folder: Path) -> Listing:
    """Flat pictures, in the order of their names, whose classes a list tells."""
    numbers = {name: number for number, name in enumerate(classes)}
    if strange := sorted(set(told.values()) - set(numbers)):
        raise ValueError(
            f"{part}: expected classes that train/ has, but its list has {len(strange)} others, first {strange[0]}. "
            "Unpack the training archive of each class."
        )
    prefix = part.relative_to(folder).as_posix()
    there = {entry.name for entry in _entries(part)}
    names = sorted(kept(folder, {f"{prefix}/{name}": name for name in told}).values())
    if absent := [name for name in names if name not in there]:
        raise BadItems(
            f"{part / absent[0]}: expected this and the others of its list, but {len(absent):,} of {len(names):,} are "
            "absent. Unpack ILSVRC2012_img_val.tar again.",
            (f"{prefix}/{name}" for name in absent),
        )
    labels = np.array([numbers[told[name]] for name in names], np.int16)
    return Listing(folder=part, classes=classes, names=np.array([n.encode() for n in names]), labels=labels)


def _validation_classes(folder: Path, root: Path) -> dict[str, str]:
    """The WordNet number of each validation picture, by the first official list that is there."""
    for place in dict.fromkeys((folder, root, folder / "ILSVRC")):
        if (place / KAGGLE).is_file():
            return _kaggle(place / KAGGLE)
        if (place / KIT).is_dir():
            return _kit(place / KIT)
    raise ValueError(
        f"{folder}: expected the official list of the validation pictures' classes, {KAGGLE} (Kaggle's) or "
        f"{KIT}/ (ILSVRC2012_devkit_t12.tar.gz), found neither. Put one of them there, or sort val/ into a folder per "
        "class."
    )


def _kaggle(path: Path) -> dict[str, str]:
    """Lines `ILSVRC2012_val_00048981,n03995372 85 1 499 272`: a class and where it is."""
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))[1:]
    if broken := [line for line in lines if len(line) != 2 or not line[1].strip()]:
        raise ValueError(f"{path}: expected lines of a picture and its class, got {broken[0]}. Fetch the list again.")
    return {f"{name}.JPEG": classes.split()[0] for name, classes in lines}


def _kit(folder: Path) -> dict[str, str]:
    """A line for each picture, in order, with a number whose class meta.mat tells."""
    truth, meta = folder / "ILSVRC2012_validation_ground_truth.txt", folder / "meta.mat"
    try:
        columns = read_columns(meta, "synsets", ("ILSVRC2012_ID", "WNID"))
        named = {int(number): str(name) for number, name in columns}
        numbers = [int(line) for line in truth.read_text(encoding="utf-8").split()]
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"{folder}: expected {truth.name} and {meta.name} of the kit, got: {error}") from error
    if strange := [number for number in numbers if number not in named]:
        raise ValueError(f"{truth}: expected numbers of meta.mat, got {strange[0]}. Unpack the kit again.")
    return {f"ILSVRC2012_val_{i:08}.JPEG": named[number] for i, number in enumerate(numbers, 1)}


def _without_left_out(found: Listing, folder: Path) -> Listing:
    """What `left-out.tsv` does not name."""
    without = left_out(folder)
    if not without:
        return found
    prefix = found.folder.relative_to(folder).as_posix()
    names = np.array([name.removeprefix(f"{prefix}/").encode() for name in without])
    keep = ~np.isin(found.names, names)
    return Listing(folder=found.folder, classes=found.classes, names=found.names[keep], labels=found.labels[keep])

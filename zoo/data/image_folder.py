"""Pictures in one folder per class, as torchvision's ImageFolder and ImageNet have them.

    {train,val,test}/<class>/<picture>     classes in alphabetical order, equal in all splits

Pictures are decoded one at a time, for they may be of any size and number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from zoo.data.left_out import BadItems, kept
from zoo.data.pictures import read_rgb

ONLY_CLASS = "pictures"  # of a data set without classes
SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True, kw_only=True)
class ImageFolder:
    """A split on disk."""

    classes: tuple[str, ...]
    files: Sequence[Path]
    labels: Sequence[int]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: int) -> tuple[UInt8[np.ndarray, "h w 3"], int]:
        """A picture in RGB, and its class.

        Raises:
            ValueError: the file is damaged.
        """
        return read_rgb(self.files[i]), self.labels[i]


def open_image_folder(folder: Path, split: str) -> ImageFolder:
    """A split ("train", "val" or "test").

    Raises:
        ValueError: no such split, a class without files, a file that is no picture, or classes another lacks.
    """
    splits = {path.name: path for path in sorted(folder.iterdir()) if path.name in ("train", "val", "test")}
    if split not in splits:
        raise ValueError(f"{folder}: expected a folder {split}/ with a folder per class, found {_listed(splits)}.")
    classes = {name: _classes(path) for name, path in splits.items()}
    for other, names in classes.items():
        if names != classes[split]:
            differing = sorted(set(names) ^ set(classes[split]))
            raise ValueError(
                f"{folder}: expected the same classes in {split}/ and {other}/, but only one has {_listed(differing)}. "
                "Class numbers would not mean the same; complete the folders."
            )
    labels = {path: label for label, name in enumerate(classes[split]) for path in _files(splits[split] / name)}
    files = kept(folder, {path.relative_to(folder).as_posix(): path for path in labels})
    if strange := {name: path for name, path in files.items() if path.suffix.lower() not in SUFFIXES}:
        first = next(iter(strange.values()))
        raise BadItems(f"{first}: expected a picture ({', '.join(sorted(SUFFIXES))}). Remove the file.", strange)
    return ImageFolder(
        classes=classes[split], files=tuple(files.values()), labels=tuple(labels[path] for path in files.values())
    )


def _classes(split: Path) -> tuple[str, ...]:
    names = tuple(sorted(path.name for path in split.iterdir() if path.is_dir()))
    if not names:
        raise ValueError(f"{split}: expected a folder per class, found none.")
    return names


def _files(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    if not files:
        raise ValueError(f"{folder}: expected pictures of this class, found none. Fetch them, or remove the folder.")
    return files


def _listed(names: Sequence[str] | dict[str, Path]) -> str:
    return ", ".join(names) or "none"

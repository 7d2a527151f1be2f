"""`collage-coco`: the objects of collage-seg one by one, several of a kind in a picture; COCO layout.

240 training and 60 validation pictures, 96x96, two to five things in each before photographs and distractors. Outlines
are of what can be seen of a thing, exact to the pixel: polygons, or run lengths where something lies within it and
no polygon without holes will do. In every tenth picture lies a heap of coins, outlined as one crowd. What training
and validation share is as in collage-seg.
"""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from zoo.data.coco import outlined
from zoo.data.made.collage import backdrop, grainy, paste, render, resized, write_jpeg
from zoo.data.made.collage_seg import BACKDROPS, CLASSES, look

_SIZE = 96
_COUNT = {"train": 240, "val": 60}
_LEAST = 32  # pixels that must be seen of a thing; of less nobody could tell what it is
_CROWDED, _HEAP = 10, 9  # every tenth picture has a heap, of nine coins
_COIN = CLASSES.index("coin")

Mask = Bool[np.ndarray, "h w"]


def make(folder: Path) -> None:
    """Write pictures and annotations."""
    (folder / "annotations").mkdir()
    for split, count in _COUNT.items():
        (folder / split).mkdir()
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for i in range(1, count + 1):
            image, things = _scene(
                split, np.random.default_rng([*b"collage-coco", *split.encode(), i]), heap=i % _CROWDED == 0
            )
            write_jpeg(folder / split / f"{i:06d}.jpg", image)
            images.append({"id": i, "file_name": f"{i:06d}.jpg", "height": _SIZE, "width": _SIZE})
            for kind, mask, crowd in things:
                annotations.append({"id": len(annotations) + 1, "image_id": i, **_annotation(kind, mask, crowd=crowd)})
        categories = [{"id": kind, "name": name} for kind, name in enumerate(CLASSES) if kind]
        listing = {"images": images, "annotations": annotations, "categories": categories}
        text = json.dumps(listing, separators=(",", ":"))
        (folder / "annotations" / f"instances_{split}.json").write_text(text + "\n", newline="\n")


def _scene(
    split: str, rng: np.random.Generator, *, heap: bool
) -> tuple[UInt8[np.ndarray, "h w 3"], list[tuple[int, Mask, bool]]]:
    """A picture, and the kind, visible pixels and crowdedness of what is in it."""
    image = backdrop(str(rng.choice(BACKDROPS[split])), rng, width=_SIZE, height=_SIZE)
    things = [(_COIN, _pile(image, split, rng), True)] if heap else []
    kinds = [*rng.integers(1, len(CLASSES), size=rng.integers(2, 6)), *[0] * rng.integers(0, 3)]
    for kind in rng.permutation(kinds).tolist():
        thing = render(look(CLASSES[kind], split, rng))
        x, y = (int(rng.integers(_SIZE)) - side // 2 for side in (thing.shape[1], thing.shape[0]))
        covered = paste(image, thing, x=x, y=y)
        things = [(behind, mask & ~covered, crowd) for behind, mask, crowd in things]
        things.append((kind, covered, False))
    seen = [thing for thing in things if thing[0] and thing[1].sum() >= _LEAST]
    return grainy(image, rng, grain=8), seen


def _pile(image: UInt8[np.ndarray, "h w 3"], split: str, rng: np.random.Generator) -> Mask:
    """Small coins pasted around one spot; where they are."""
    pile = np.zeros((_SIZE, _SIZE), bool)
    middle = rng.integers(20, _SIZE - 20, size=2)
    for _ in range(_HEAP):
        thing = render(resized(look("coin", split, rng), percent=35))
        x, y = (middle + rng.integers(-16, 17, size=2)).tolist()
        pile |= paste(image, thing, x=x - thing.shape[1] // 2, y=y - thing.shape[0] // 2)
    return pile


def _annotation(kind: int, mask: Mask, *, crowd: bool) -> dict[str, Any]:
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    left, top = int(columns[0]), int(rows[0])
    polygons = _polygons(mask)
    exact = not crowd and np.array_equal(outlined(polygons, height=_SIZE, width=_SIZE), mask)
    return {
        "category_id": kind,
        "bbox": [left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top],
        "area": int(mask.sum()),
        "iscrowd": int(crowd),
        "segmentation": polygons if exact else {"size": [_SIZE, _SIZE], "counts": _run_lengths(mask)},
    }


def _polygons(mask: Mask) -> list[list[float]]:
    """The outlines of a mask's parts, a quarter of a pixel within its pixels' edges; holes are lost.

    OpenCV's contours go through the middles of the outermost pixels, here of pixels of half the size.
    """
    fine = np.repeat(np.repeat(mask.astype(np.uint8), 2, axis=0), 2, axis=1)
    contours, _ = cv2.findContours(fine, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [((contour.ravel() + 0.5) / 2).tolist() for contour in contours]


def _run_lengths(mask: Mask) -> list[int]:
    """How many pixels are off, on, off, ... down the columns."""
    pixels = np.concatenate([[False], mask.T.ravel(), [False]])
    ends = np.flatnonzero(np.diff(pixels.astype(np.int8)))
    runs = np.diff(np.concatenate([[0], ends, [mask.size]])).tolist()
    return runs if runs[-1] else runs[:-1]

"""`collage-seg`: eight kinds of objects, turned, scaled, lit and overlapping, over other photographs; VOC layout.

400 training and 100 validation pictures, 96x96, labels exact to the pixel. What does not belong to the eight classes
is background, and there is much of it: pieces of other photographs lie about as distractors. Training and validation
share no background photograph, no distractor and no coin; the other classes have one photograph each, seen in both.
"""

import struct
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from zoo.data.made.collage import Look, backdrop, grainy, light, paste, render, write_jpeg

CLASSES = ("background", "cat", "coin", "cup", "flower", "motorbike", "pagoda", "person", "rocket")

_SIZE = 96
_COUNT = {"train": 400, "val": 100}
BACKDROPS = {
    "train": ("brick.png", "grass.png", "hubble_deep_field.jpg", "ihc.png", "clock_motion.png"),
    "val": ("gravel.png", "moon.png", "page.png", "retina.jpg", "text.png"),
}
_DISTRACTORS = {
    "train": ("tissue", "gland", "snake", "emblem", "cameraman", "bubble"),
    "val": ("disc", "macula", "colours", "crater", "headline", "tower"),
}
_COINS = {"train": range(12), "val": range(12, 22)}


def make(folder: Path) -> None:
    """Write pictures, labels, lists and class names."""
    for part in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (folder / part).mkdir(parents=True)
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in CLASSES), newline="\n")
    for split, count in _COUNT.items():
        ids = [f"{split}_{i:04d}" for i in range(count)]
        for i, name in enumerate(ids):
            image, label = _scene(split, np.random.default_rng([*b"collage-seg", *split.encode(), i]))
            write_jpeg(folder / "JPEGImages" / f"{name}.jpg", image)
            (folder / "SegmentationClass" / f"{name}.png").write_bytes(_palette_png(label))
        listing = folder / "ImageSets" / "Segmentation" / f"{split}.txt"
        listing.write_text("".join(f"{name}\n" for name in ids), newline="\n")


def _scene(split: str, rng: np.random.Generator) -> tuple[np.ndarray, UInt8[np.ndarray, "h w"]]:
    image = backdrop(str(rng.choice(BACKDROPS[split])), rng, width=_SIZE, height=_SIZE)
    label = np.zeros((_SIZE, _SIZE), np.uint8)
    kinds = [*rng.permutation(np.arange(1, len(CLASSES)))[: rng.integers(2, 5)], *[0] * rng.integers(1, 4)]
    for kind in rng.permutation(kinds):
        thing = render(look(CLASSES[kind], split, rng))
        x, y = (int(rng.integers(_SIZE)) - side // 2 for side in (thing.shape[1], thing.shape[0]))
        label[paste(image, thing, x=x, y=y)] = kind
    return grainy(image, rng, grain=8), label


def look(kind: str, split: str, rng: np.random.Generator) -> Look:
    name = kind
    if kind == "background":
        name = str(rng.choice(_DISTRACTORS[split]))
    elif kind == "coin":
        name = f"coin-{rng.choice(_COINS[split]):02d}"
    elif kind == "rocket":
        name = str(rng.choice(("rocket", "shuttle")))
    return Look(
        name=name,
        size=int(rng.integers(24, 65)),
        angle=float(rng.integers(-30, 31)),
        mirrored=bool(rng.integers(2)),
        gain=light(rng, spread=30),
    )


def _palette_png(label: UInt8[np.ndarray, "h w"]) -> bytes:
    """A palette PNG in VOC's colours. Its data are stored, not compressed: compressed bytes depend on the zlib."""
    height, width = label.shape
    rows = np.pad(label, ((0, 0), (1, 0))).tobytes()  # each row opens with its filter: none
    stored = struct.pack("<BHH", 1, len(rows), len(rows) ^ 0xFFFF) + rows  # one final block, RFC 1951 §3.2.4
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", bytes(channel for index in range(256) for channel in _voc_colour(index))),
        (b"IDAT", b"\x78\x01" + stored + struct.pack(">I", zlib.adler32(rows))),
        (b"IEND", b""),
    )
    chunks = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _voc_colour(index: int) -> tuple[int, int, int]:
    """VOC's colour map: the index's bits, dealt to red, green and blue in turn, highest first (VOClabelcolormap.m)."""
    red, green, blue = (sum((index >> (3 * i + c) & 1) << (7 - i) for i in range(3)) for c in range(3))
    return red, green, blue

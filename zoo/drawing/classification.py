"""The pictures that a classifier finds hardest, with what they are and what it takes them for."""

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from zoo.drawing.sheets import captioned, grid

SHOWN = 100
HEIGHT, LETTER = 56, 8  # least pixels of a picture, and those that a letter below it may take


def hardest(
    images: UInt8[np.ndarray, "n c h w"],
    labels: Int64[np.ndarray, "n"],
    scores: Float32[np.ndarray, "n classes"],
    classes: tuple[str, ...],
) -> UInt8[np.ndarray, "H W 3"]:
    """Those whose class has the lowest score, lowest first."""
    order = np.argsort(scores[np.arange(len(labels)), labels], kind="stable")[:SHOWN]
    return named(images[order], labels[order], scores.argmax(axis=1)[order], classes)


def named(
    images: UInt8[np.ndarray, "n c h w"],
    labels: Int64[np.ndarray, "n"],
    found: Int64[np.ndarray, "n"],
    classes: tuple[str, ...],
) -> UInt8[np.ndarray, "H W 3"]:
    """Pictures with what they are and what they are taken for."""
    captions = [(f"is {classes[label]}", f"as {classes[name]}") for label, name in zip(labels, found, strict=True)]
    wide = LETTER * max(len(line) for caption in captions for line in caption)
    sheet = grid(images, captions=captions, height=max(HEIGHT, wide))
    return captioned(sheet, "is: its class; as: the class that comes first")


def filters(weights: Float32[np.ndarray, "n c h w"]) -> UInt8[np.ndarray, "H W 3"]:
    """Kernels over the picture, each stretched to the whole range by itself; of one or three channels."""
    low, high = (end(weights, axis=(1, 2, 3), keepdims=True) for end in (np.min, np.max))
    stretched = (weights - low) / np.maximum(high - low, np.finfo(np.float32).tiny)
    return captioned(grid((stretched * 255).round().astype(np.uint8), columns=16), "kernels of the first layer")


def attention(
    images: UInt8[np.ndarray, "n c h w"], maps: Float32[np.ndarray, "n rows columns"]
) -> UInt8[np.ndarray, "H W 3"]:
    """Pictures above themselves in the light of what is attended to: the brighter a patch, the more of it."""
    repeats = images.shape[2] // maps.shape[1], images.shape[3] // maps.shape[2]
    light = maps / maps.max(axis=(1, 2), keepdims=True)
    light = light.repeat(repeats[0], axis=1).repeat(repeats[1], axis=2)[:, None]
    lit = (images * light).round().astype(np.uint8)
    rows = [grid(row, columns=len(images), height=112) for row in (images, lit)]
    return captioned(np.vstack(rows), "below: each patch as bright as its share in what names the picture")

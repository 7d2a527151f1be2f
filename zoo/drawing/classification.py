"""The pictures that a classifier finds hardest, with what they are and what it takes them for."""

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from zoo.drawing.sheets import captioned, grid

SHOWN = 100


def hardest(
    images: UInt8[np.ndarray, "n c h w"],
    labels: Int64[np.ndarray, "n"],
    scores: Float32[np.ndarray, "n classes"],
    classes: tuple[str, ...],
) -> UInt8[np.ndarray, "H W 3"]:
    """Those whose class has the lowest score, lowest first."""
    order = np.argsort(scores[np.arange(len(labels)), labels], kind="stable")[:SHOWN]
    named = scores.argmax(axis=1)
    captions = [(f"is {classes[labels[i]]}", f"as {classes[named[i]]}") for i in order]
    return captioned(grid(images[order], captions=captions), "is: its class; as: the class that comes first")

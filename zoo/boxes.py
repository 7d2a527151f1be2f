"""Boxes as rows of left, top, width, height in pixels: what both learning and scoring say of them."""

import numpy as np
from jaxtyping import Float


def overlap(a: Float[np.ndarray, "n 4"], b: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, " n"]:
    """Intersection over union of boxes, row by row; 0 where neither has area."""
    corner = np.maximum(a[:, :2], b[:, :2])
    sides = np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:]) - corner
    intersection = sides[:, 0].clip(0) * sides[:, 1].clip(0)
    union = a[:, 2] * a[:, 3] + b[:, 2] * b[:, 3] - intersection
    share = np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)
    return np.asarray(share.clip(0, 1))  # (left + width) - left is not width to the last bit

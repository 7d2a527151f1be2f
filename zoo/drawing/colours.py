"""Colours by which classes are told apart."""

import numpy as np
from jaxtyping import UInt8


def voc_colours() -> UInt8[np.ndarray, "256 3"]:
    """VOC's colour of each label: its bits, dealt to red, green, blue in turn, highest first (VOClabelcolormap.m)."""
    label = np.arange(256)[:, None]
    bits = [((label >> (3 * i + np.arange(3))) & 1) << (7 - i) for i in range(3)]
    return np.sum(bits, axis=0).astype(np.uint8)

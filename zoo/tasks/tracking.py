"""Tracking: following one object through a video."""

from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import UInt8

Frame = UInt8[np.ndarray, "height width 3"]


class Box(NamedTuple):
    """An upright box in pixels: left, top of its first pixel counted from 0, and its size."""

    left: float
    top: float
    width: float
    height: float


class Tracker(Protocol):
    """Follows one object, told only where it was at first."""

    def start(self, frame: Frame, box: Box) -> None: ...

    def follow(self, frame: Frame) -> Box: ...

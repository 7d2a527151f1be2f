"""Tracking: following one object through a video."""

from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import UInt8

Frame = UInt8[np.ndarray, "height width 3"]


class Box(NamedTuple):
    """An upright box, in pixels; fractions are allowed.

    Args:
        left: column of its first pixel, counted from 0.
        top: row of its first pixel, counted from 0.
        width: how many columns.
        height: how many rows.
    """

    left: float
    top: float
    width: float
    height: float


class Tracker(Protocol):
    """Follows one object, told only where it was at first.

    Device: frames are arrays and boxes plain numbers, in main memory; it computes where the weights are.
    Randomness: none, but a state: `start` forgets what was, and each answer depends on all frames since.
    Example:
        >>> import numpy as np, zoo
        >>> from zoo.tasks import tracking
        >>> tracker, frame = zoo.load("siamfc"), np.zeros((120, 160, 3), np.uint8)
        >>> tracker.start(frame, tracking.Box(left=60, top=50, width=30, height=24))
        >>> box = tracker.follow(frame)
    """

    def start(self, frame: Frame, box: Box) -> None:
        """Begin with an object.

        Args:
            frame: RGB, 0 ... 255; of any height and width.
            box: around the object in this frame, with an area.
        """
        ...

    def follow(self, frame: Frame) -> Box:
        """Find the object again.

        Args:
            frame: the next one of the video, of the same size.

        Returns:
            Around the object; it may reach over the frame's edges.
        """
        ...

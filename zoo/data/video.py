"""A video of one object, whichever layout it comes in."""

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, UInt8


@runtime_checkable
class Video(Protocol):
    """A video and the true boxes of one object in it, as `zoo.data.otb` reads it."""

    @property
    def name(self) -> str: ...

    @property
    def boxes(self) -> Float64[np.ndarray, "n 4"]:
        """Left, top, width, height, counted from 0; perhaps fewer than frames, perhaps some without area."""
        ...

    def __len__(self) -> int: ...

    def frame(self, i: int, /) -> UInt8[np.ndarray, "height width 3"]: ...

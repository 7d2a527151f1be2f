"""Training clips: frames of a video, shrunk to one size; a data set that fits into memory is decoded once."""

from collections.abc import Sequence
from functools import lru_cache

import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.nn import functional

from zoo.data.ucf101 import Video

CACHED_BYTES = 2**30  # of shrunk frames


def shrunk(clips: UInt8[Tensor, "n 3 t h w"], size: tuple[int, int]) -> UInt8[Tensor, "n 3 t sh sw"]:
    """Every frame at another height and width, whatever its own, without aliasing."""
    n, _, t = clips.shape[:3]
    frames = clips.transpose(1, 2).flatten(0, 1)
    small = functional.interpolate(frames, size=size, mode="bilinear", antialias=True)
    return small.unflatten(0, (n, t)).transpose(1, 2)


class Clips:
    """Videos to take clips out of.

    Args:
        size: height and width of the frames that come out.
    """

    def __init__(self, videos: Sequence[Video], *, size: tuple[int, int]) -> None:
        self.videos = videos
        self.size = size
        self.cached = len(videos) * len(videos[0]) * 3 * size[0] * size[1] <= CACHED_BYTES
        self._whole = lru_cache(len(videos))(lambda i: self._read(i, 0, len(videos[i])))

    def __call__(self, i: int, *, start: int, length: int) -> UInt8[Tensor, "3 {length} sh sw"]:
        """Consecutive frames of the i-th video; at its end it stands still.

        Raises:
            ValueError: the video is damaged.
        """
        if not self.cached:
            return self._read(i, start, length)
        whole: Tensor = self._whole(i)
        return whole[:, torch.arange(start, start + length).clamp(max=whole.shape[1] - 1)]

    def _read(self, i: int, start: int, length: int) -> Tensor:
        frames = torch.from_numpy(self.videos[i].clip(start, length))
        return shrunk(frames.permute(3, 0, 1, 2)[None], self.size)[0]

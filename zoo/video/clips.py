"""Training clips: frames of a video, shrunk to one size, decoded once where there is room to keep them."""

from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Shaped, UInt8
from torch import Tensor
from torch.nn import functional

from zoo.artifact import sha256_of
from zoo.contracts import Batch, Inputs
from zoo.data.actions import open_actions
from zoo.data.ucf101 import Video
from zoo.tasks.action import ActionFacts
from zoo.training import shuffled
from zoo.video.kept import Kept

CACHED_BYTES = 2**30  # of shrunk frames in memory, where there is no folder for them
DECODED_BY = {"shrunk": 1, "av": version("av"), "torch": version("torch")}
"""What decides pixels besides the video; the number rises whenever `shrunk` gives others."""


def shrunk(clips: UInt8[Tensor, "n 3 t h w"], size: tuple[int, int]) -> UInt8[Tensor, "n 3 t sh sw"]:
    """Every frame at another height and width, whatever its own, without aliasing."""
    n, _, t = clips.shape[:3]
    frames = clips.transpose(1, 2).flatten(0, 1)
    small = functional.interpolate(frames, size=size, mode="bilinear", antialias=True)
    return small.unflatten(0, (n, t)).transpose(1, 2)


def central(frames: Shaped[Tensor, "*n h w"], crop: int) -> Shaped[Tensor, "*n {crop} {crop}"]:
    """The square in the middle of every frame."""
    top, left = ((side - crop) // 2 for side in frames.shape[-2:])
    return frames[..., top : top + crop, left : left + crop]


class Clips:
    """Videos to take clips out of.

    Args:
        size: height and width of the frames that come out.
        cache: folder that keeps the frames by content, while enough of its disk stays free; none: memory does, if all
            of them fit there.
    """

    def __init__(self, videos: Sequence[Video], *, size: tuple[int, int], cache: Path | None = None) -> None:
        self.videos = videos
        self.size = size
        self.in_memory = cache is None and len(videos) * len(videos[0]) * 3 * size[0] * size[1] <= CACHED_BYTES
        self._whole = lru_cache(len(videos))(lambda i: self._read(i, 0, len(videos[i])))
        self._kept = cache and Kept(
            cache / "frames",
            source=lambda i: [sha256_of(videos[i].path), size, DECODED_BY],
            shape=lambda i: (len(videos[i]), 3, *size),
            make=lambda i: self._read(i, 0, len(videos[i])).transpose(0, 1).numpy(),
            dtype=np.uint8,
        )

    def __call__(self, i: int, *, start: int, length: int) -> UInt8[Tensor, "3 {length} sh sw"]:
        """Consecutive frames of the i-th video; at its end it stands still. Read only: they may be the kept ones.

        Raises:
            ValueError: the video is damaged.
        """
        count = len(self.videos[i])
        first, stop = min(start, count - 1), min(start + length, count)
        if self._kept and self._kept.has_room(i):
            frames = torch.from_numpy(self._kept(i, first, stop)).transpose(0, 1)
        elif self.in_memory:
            frames = self._whole(i)[:, first:stop]
        else:
            return self._read(i, start, length)
        still = frames[:, -1:].expand(-1, length - frames.shape[1], -1, -1)
        return torch.cat((frames, still), dim=1) if still.shape[1] else frames

    def _read(self, i: int, start: int, length: int) -> Tensor:
        frames = torch.from_numpy(self.videos[i].clip(start, length))
        return shrunk(frames.permute(3, 0, 1, 2)[None], self.size)[0]


class ClipNumbers(Protocol):
    """The numbers of a recipe that say which clips a network learns from."""

    @property
    def dataset(self) -> str: ...
    @property
    def split(self) -> int: ...
    @property
    def clip_length(self) -> int: ...
    @property
    def size(self) -> tuple[int, int]: ...
    @property
    def crop(self) -> int: ...
    @property
    def mirror(self) -> bool: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def seed(self) -> int: ...


class RandomClips:
    """A random clip of each video, all its frames cropped and mirrored alike, at random."""

    def __init__(self, recipe: ClipNumbers, inputs: Inputs) -> None:
        split = open_actions(inputs.dataset(recipe.dataset), "train", split=recipe.split)
        self.recipe = recipe
        self.videos = split.videos
        self.clips = Clips(split.videos, size=recipe.size, cache=inputs.cache)
        self.facts = ActionFacts(classes=split.classes)

    def __call__(self, step: int) -> Batch:
        recipe = self.recipe
        rng = np.random.default_rng([recipe.seed, step])
        chosen = shuffled(len(self.videos), recipe.batch_size, seed=recipe.seed, step=step).tolist()
        return {
            "clip": torch.stack([self._clip(i, rng) for i in chosen]),
            "label": torch.tensor([self.videos[i].label for i in chosen]),
        }

    def _clip(self, i: int, rng: np.random.Generator) -> UInt8[Tensor, "3 t crop crop"]:
        recipe = self.recipe
        start = int(rng.integers(max(len(self.videos[i]) - recipe.clip_length, 0) + 1))
        top, left = (int(rng.integers(side - recipe.crop + 1)) for side in recipe.size)
        frames = self.clips(i, start=start, length=recipe.clip_length)
        part = frames[..., top : top + recipe.crop, left : left + recipe.crop]
        return part.flip(-1) if recipe.mirror and rng.random() < 0.5 else part

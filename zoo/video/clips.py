"""Training clips: frames of a video, shrunk to one size; a data set that fits into memory is decoded once."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.nn import functional

from zoo.contracts import Batch, Inputs
from zoo.data.actions import open_actions
from zoo.data.ucf101 import Video
from zoo.tasks.action import ActionFacts
from zoo.training import shuffled

CACHED_BYTES = 2**30  # of shrunk frames


def shrunk(clips: UInt8[Tensor, "n 3 t h w"], size: tuple[int, int]) -> UInt8[Tensor, "n 3 t sh sw"]:
    """Every frame at another height and width, whatever its own, without aliasing."""
    n, _, t = clips.shape[:3]
    frames = clips.transpose(1, 2).flatten(0, 1)
    small = functional.interpolate(frames, size=size, mode="bilinear", antialias=True)
    return small.unflatten(0, (n, t)).transpose(1, 2)


def central(frames: UInt8[Tensor, "*n h w"], crop: int) -> UInt8[Tensor, "*n {crop} {crop}"]:
    """The square in the middle of every frame."""
    top, left = ((side - crop) // 2 for side in frames.shape[-2:])
    return frames[..., top : top + crop, left : left + crop]


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
        self.clips = Clips(split.videos, size=recipe.size)
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

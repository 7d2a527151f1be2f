"""Optical flow of videos, computed once and kept by content."""

import shutil
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from tempfile import mkdtemp
from threading import Lock
from typing import cast
from weakref import finalize

import numpy as np
import torch
from jaxtyping import Float, Int8, UInt8
from torch import Tensor, nn

from zoo.artifact import sha256_of
from zoo.contracts import Upstream
from zoo.data.ucf101 import Video
from zoo.tasks.optical_flow import FlowEstimator
from zoo.video.clips import DECODED_BY, shrunk
from zoo.video.kept import Kept

LEVELS = 127  # on either side of 0: flow is kept in 8 bits, as Simonyan and Zisserman keep it (section 5)
PORTION = 32  # pairs of frames that are estimated at once


def estimated(
    estimator: FlowEstimator, first: UInt8[Tensor, "n 3 h w"], second: UInt8[Tensor, "n 3 h w"], *, reach: float
) -> Int8[Tensor, "n 2 h w"]:
    """Flow in whole levels, on the CPU: -127 ... 127 for -reach ... reach pixels, and for all that is beyond."""
    portions = [estimator.flow(*pair).cpu() for pair in zip(first.split(PORTION), second.split(PORTION), strict=True)]
    return (torch.cat(portions) / reach * LEVELS).round().clamp(-LEVELS, LEVELS).to(torch.int8)


def in_pixels(levels: Int8[Tensor, "*shape"], *, reach: float) -> Float[Tensor, "*shape"]:
    """Flow, from its levels."""
    return levels * (reach / LEVELS)


class RefiningEstimator(nn.Module):
    """What is asked of a flow entry: a `tasks.optical_flow.FlowEstimator` with a number of refinements, as RAFT has."""

    updates: int


def refining(trained: nn.Module, updates: int) -> RefiningEstimator:
    """A copy of a flow entry's network that refines so often."""
    estimator = cast(RefiningEstimator, deepcopy(trained).eval())
    estimator.updates = updates
    return estimator


def between(
    frames: UInt8[Tensor, "n 3 t h w"], estimator: FlowEstimator, *, reach: float
) -> Int8[Tensor, "n flows 2 h w"]:
    """Flow between neighbouring frames; clips of one video overlap, so each pair of frames is looked at once."""
    pairs = torch.stack((frames[:, :, :-1], frames[:, :, 1:])).permute(1, 3, 0, 2, 4, 5).flatten(0, 1)
    number: dict[bytes, int] = {}
    places = [number.setdefault(pair.numpy().tobytes(), len(number)) for pair in pairs.cpu()]
    first, second = pairs[[places.index(place) for place in range(len(number))]].unbind(1)
    flows = estimated(estimator, first, second, reach=reach)
    return flows[places].unflatten(0, (len(frames), -1))


class Flows:
    """The flow between every `gap`-th frame of each video and the next such, in a file for each video.

    Args:
        made_by: what identifies the estimator and its weights.
        size: height and width that frames are shrunk to first.
        reach: pixels that the largest level stands for.
        cache: folder of the files; none: one that goes with this object.
    """

    def __init__(
        self,
        videos: Sequence[Video],
        estimator: FlowEstimator,
        *,
        made_by: str,
        size: tuple[int, int],
        gap: int,
        reach: float,
        cache: Path | None,
    ) -> None:
        self.videos, self.estimator = videos, estimator
        self.made_by, self.size, self.gap, self.reach = made_by, size, gap, reach
        if cache is None:
            cache = Path(mkdtemp(prefix="flows-"))
            self._forget = finalize(self, shutil.rmtree, cache, ignore_errors=True)
        self.folder = cache / "flows"
        self._estimating = Lock()  # an estimator may keep state while it works
        self._kept = Kept(self.folder, source=self._source, shape=self._shape, make=self._made, dtype=np.int8)

    def count(self, i: int) -> int:
        """How many flows the i-th video has."""
        return (len(self.videos[i]) - 1) // self.gap

    def __call__(self, i: int, *, start: int, length: int) -> Int8[Tensor, "{length} 2 h w"]:
        """Consecutive flows of the i-th video, in levels; at its end it stands still. Read only: they may lie in the
        file."""
        moving = max(0, min(length, self.count(i) - start))
        still = torch.zeros(length - moving, 2, *self.size, dtype=torch.int8)
        if not moving:
            return still
        flows = torch.from_numpy(self._kept(i, start, start + moving))
        return torch.cat((flows, still)) if len(still) else flows

    def _shape(self, i: int) -> tuple[int, int, int, int]:
        return self.count(i), 2, *self.size

    def _source(self, i: int) -> object:
        digest = sha256_of(self.videos[i].path)
        return [self.made_by, digest, self.size, self.gap, self.reach, DECODED_BY]

    def _made(self, i: int) -> Int8[np.ndarray, "n 2 h w"]:
        video = self.videos[i]
        frames = torch.from_numpy(video.clip(0, len(video))[:: self.gap])
        small = shrunk(frames.permute(3, 0, 1, 2)[None], self.size)[0].transpose(0, 1)
        with self._estimating:
            return estimated(self.estimator, small[:-1], small[1:], reach=self.reach).numpy()


def flows_by(
    upstream: Upstream,
    videos: Sequence[Video],
    *,
    updates: int,
    size: tuple[int, int],
    gap: int,
    reach: float,
    cache: Path | None,
) -> Flows:
    """The flows of videos by a flow entry that refines so often, estimated on a GPU where there is one."""
    estimator = refining(upstream.predictor, updates).to("cuda" if torch.cuda.is_available() else "cpu")
    return Flows(
        videos,
        cast(FlowEstimator, estimator),
        made_by=f"{upstream.entry} {upstream.digest}, {updates} updates",
        size=size,
        gap=gap,
        reach=reach,
        cache=cache,
    )

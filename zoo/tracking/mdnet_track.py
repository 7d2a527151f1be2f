"""How MDNet follows one video: a network whose convolutions others taught learns, while the video plays, to tell its
object from what lies beside it.

The family is in `zoo.tracking.mdnet`; "code" is github.com/hyeonseobnam/MDNet, whose numbers these are.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, UInt8
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from zoo.contracts import Scores
from zoo.tasks.tracking import Box, Frame
from zoo.tracking.regions import GREY, Boxes, BoxRegression, Draw, crops, far, near
from zoo.training import Updater
from zoo.training.order import shuffled

AT_ONCE = 256  # crops; code, mdnet_init.m: batchSize_test
BEST = 5  # candidates whose mean is the object; code, mdnet_run.m
SCALE_STEP = 1.05  # code: scale_factor
MOMENTUM, DECAY = 0.9, 5e-4  # offline and online; code, mdnet_train.m and mdnet_finetune_hnm.m
BIAS_RATE = 2.0  # of a bias, times that of its weights; code, mdnet_prepare_model.m
LAST_RATE = 10.0  # of fc6, times the rate online; code, mdnet_init.m


class Online(BaseModel):
    """How a track learns; the numbers of the code, mdnet_init.m."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    track_seed: Scores[int] = Field(0, ge=0, description="of every track, whatever the video")
    candidates: Scores[int] = Field(256, ge=BEST, description="boxes a frame that the object is looked for in")
    shift: Scores[float] = Field(0.6, gt=0, description="how far candidates lie off, in mean sides")
    widest_shift: Scores[float] = Field(1.5, gt=0, description="where it has grown, by 1.1 a frame without success")

    first_positives: Scores[int] = Field(500, ge=1)
    first_negatives: Scores[int] = Field(5000, ge=2, description="half of them around the object, half anywhere")
    first_iterations: Scores[int] = Field(30, ge=0)
    first_rate: Scores[float] = Field(1e-4, gt=0)
    regression_boxes: Scores[int] = Field(1000, ge=1)
    ridge: Scores[float] = Field(1000.0, gt=0, description="lambda; code, train_bbox_regressor.m")

    positives_a_frame: Scores[int] = Field(50, ge=1)
    negatives_a_frame: Scores[int] = Field(200, ge=1)
    update_iterations: Scores[int] = Field(10, ge=0)
    update_rate: Scores[float] = Field(3e-4, gt=0)
    long: Scores[int] = Field(100, ge=1, description="frames of success whose positives a regular update learns")
    short: Scores[int] = Field(20, ge=1, description="frames of success that one after a failure learns")
    interval: Scores[int] = Field(10, ge=1, description="frames between regular updates")

    batch_positives: Scores[int] = Field(32, ge=1)
    batch_negatives: Scores[int] = Field(96, ge=1, description="the hardest of those mined")
    mined: Scores[int] = Field(1024, ge=1, description="negatives an iteration that hard ones are chosen from")


class ResponseNormalisation(nn.Module):
    """x / (2 + 1e-4 (sum of squares over the 5 channels around))^0.75, as VGG-M has it.

    The same as `nn.LocalResponseNorm(5, alpha=5e-4, k=2)`, in a fifth of its time on the CPU.
    """

    around: Float[Tensor, "c c 1 1"]

    def __init__(self, channels: int) -> None:
        super().__init__()
        number = torch.arange(channels)
        around = (number[:, None] - number).abs() <= 2
        self.register_buffer("around", around[..., None, None].float(), persistent=False)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        root = (2 + 1e-4 * functional.conv2d(x.square(), self.around)).rsqrt()
        return x * root * root.sqrt()


class SharedLayers(nn.Module):
    """What all videos share: convolutions, and fully connected layers on their 3 x 3 features (section 3.1)."""

    def __init__(
        self, channels: Sequence[int], *, kernel: int, stride: Sequence[int], hidden: int, deviation: float
    ) -> None:
        super().__init__()
        one, two, three = channels
        self.convolutions = nn.Sequential(
            nn.Conv2d(3, one, kernel, stride[0]),
            nn.ReLU(inplace=True),
            ResponseNormalisation(one),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(one, two, 5, stride[1]),
            nn.ReLU(inplace=True),
            ResponseNormalisation(two),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(two, three, 3),
            nn.ReLU(inplace=True),
        )
        self.hidden = hidden
        self.connected = nn.Sequential(
            nn.Linear(9 * three, hidden), nn.ReLU(), nn.Dropout(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout()
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
            elif isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, 0, deviation)
                nn.init.constant_(layer.bias, 0.1)  # code, mdnet_prepare_model.m

    def features(self, images: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n f"]:
        """What conv3 makes of crops."""
        features: Tensor = self.convolutions(images.float() - GREY)
        return features.flatten(1)

    def forward(self, images: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n hidden"]:
        shared: Tensor = self.connected(self.features(images))
        return shared


def last_layer(hidden: int, *, domains: int = 1) -> nn.Linear:
    """fc6: for each domain a score for background and one for the object, in this order."""
    layer = nn.Linear(hidden, 2 * domains)
    nn.init.normal_(layer.weight, 0, 0.01)
    nn.init.zeros_(layer.bias)
    return layer


def groups(layers: Iterable[nn.Module], *, rate: float) -> list[dict[str, Any]]:
    """Layers to learn at a rate: their biases at twice the rate, and without decay (code, mdnet_prepare_model.m)."""
    with_weights = [layer for layer in layers if isinstance(layer, nn.Conv2d | nn.Linear)]
    return [
        {"params": [layer.weight for layer in with_weights], "lr": rate},
        {"params": [layer.bias for layer in with_weights], "lr": BIAS_RATE * rate, "weight_decay": 0.0},
    ]


def sgd(parameters: list[dict[str, Any]], *, rate: float) -> Updater:
    """Stochastic gradient descent with momentum, as everywhere in MDNet."""
    return Updater(parameters, torch.optim.SGD, lr=rate, momentum=MOMENTUM, weight_decay=DECAY)


def as_images(pictures: UInt8[np.ndarray, "n h w 3"]) -> UInt8[Tensor, "n 3 h w"]:
    """Crops as a batch, channels last in memory, which pooling is several times faster on."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2)


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """torch's random numbers from a seed, and afterwards as if nobody had drawn any."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


@torch.no_grad()
def hardest(head: nn.Module, features: Float[Tensor, "n f"], *, count: int) -> Float[Tensor, "_count f"]:
    """Of negatives those that look most like an object, as the head sees them without dropout."""
    scores = head.eval()(features)[:, 1]
    return features[scores.topk(min(count, len(scores))).indices]


class Track:
    """One video: a copy of the fully connected layers under a last layer of its own, what they learn from, and where
    the object is (algorithm 1). All its random numbers are its own, from one seed."""

    def __init__(
        self, network: SharedLayers, frame: Frame, box: Box, *, online: Online, size: int, padding: int
    ) -> None:
        self.network, self.online, self.size, self.padding = network, online, size, padding
        self.rng = np.random.default_rng(online.track_seed)
        self.box, self.shift, self.frames = box, online.shift, 1
        with seeded(self._seed(), self._device):
            self.last = last_layer(network.hidden)
        self.head = nn.Sequential(*deepcopy(network.connected), self.last).to(self._device).requires_grad_(True)
        self.regression = self._regression(frame)
        positives, negatives = self._first(frame)
        self._learn(positives, negatives, iterations=online.first_iterations, rate=online.first_rate)
        self.positives = deque([positives], maxlen=online.long)
        self.negatives = deque([self._beside(frame, most=0.5)], maxlen=online.short)

    def follow(self, frame: Frame) -> Box:
        online = self.online
        boxes = self._draw(frame).normal(self.box, online.candidates, shift=self.shift, power=1)
        features = self._features(frame, boxes)
        score, best = self._best(features)
        self.box = Box(*boxes[best].mean(0).tolist())
        self.frames += 1
        if score <= 0:
            self.shift = min(1.1 * self.shift, online.widest_shift)
            self._update(frames=online.short)
            return self.box
        self.shift = online.shift
        self._remember(frame)
        if self.frames % online.interval == 0:
            self._update(frames=online.long)
        return Box(*self.regression(features[best], boxes[best]).mean(0).tolist())

    def _update(self, *, frames: int) -> None:
        """Learn the positives of so many frames of success, and the negatives that are kept."""
        positives, negatives = list(self.positives)[-frames:], list(self.negatives)
        iterations, rate = self.online.update_iterations, self.online.update_rate
        self._learn(torch.cat(positives), torch.cat(negatives), iterations=iterations, rate=rate)

    def _learn(
        self, positives: Float[Tensor, "n f"], negatives: Float[Tensor, "m f"], *, iterations: int, rate: float
    ) -> None:
        """Each iteration learns some positives and the hardest of many negatives (section 4.2)."""
        online, order = self.online, self._seed()
        update = sgd(groups(self.head[:-1], rate=rate) + groups([self.last], rate=LAST_RATE * rate), rate=rate)
        with seeded(self._seed(), self._device):
            for i in range(iterations):
                here = positives[shuffled(len(positives), online.batch_positives, seed=order, step=i)]
                mined = negatives[shuffled(len(negatives), online.mined, seed=order, step=i)]
                hard = hardest(self.head, mined, count=online.batch_negatives)
                scores = self.head.train()(torch.cat([here, hard]))
                objects = torch.arange(len(scores), device=self._device) < len(here)
                update(functional.cross_entropy(scores, objects.long()))

    def _first(self, frame: Frame) -> tuple[Float[Tensor, "n f"], Float[Tensor, "m f"]]:
        """Features of what is the object in the first frame, and of what is not."""
        draw, n = self._draw(frame), self.online.first_negatives
        around, anywhere = draw.uniform(self.box, n, shift=1, power=10), draw.anywhere(self.box, n, power=5)
        beside = far(self.box, self.rng.permutation(np.concatenate([around, anywhere])), n, most=0.5)
        close = self._close(frame, self.online.first_positives)
        return self._features(frame, close), self._features(frame, beside)

    def _remember(self, frame: Frame) -> None:
        """Keep examples from a frame where the object was found."""
        self.positives.append(self._features(frame, self._close(frame, self.online.positives_a_frame)))
        self.negatives.append(self._beside(frame, most=0.3))

    def _close(self, frame: Frame, n: int) -> Boxes:
        """Boxes to take for the object."""
        return near(self.box, self._draw(frame).normal(self.box, 2 * n, shift=0.1, power=5), n, least=0.7)

    def _beside(self, frame: Frame, *, most: float) -> Float[Tensor, "n f"]:
        """Features of what is not the object but near it."""
        n = self.online.negatives_a_frame
        boxes = self._draw(frame).uniform(self.box, 2 * n, shift=2, power=5)
        return self._features(frame, far(self.box, boxes, n, most=most))

    def _regression(self, frame: Frame) -> BoxRegression:
        n = self.online.regression_boxes
        drawn = self._draw(frame).stretched(self.box, 10 * n, shift=0.3, power=10)
        boxes = near(self.box, drawn, n, least=0.6)
        return BoxRegression(self._features(frame, boxes), boxes, self.box, ridge=self.online.ridge)

    @torch.no_grad()
    def _features(self, frame: Frame, boxes: Boxes) -> Float[Tensor, "n f"]:
        shown = as_images(crops(frame, boxes, size=self.size, padding=self.padding))
        return torch.cat([self.network.features(some.to(self._device)) for some in shown.split(AT_ONCE)])

    @torch.no_grad()
    def _best(self, features: Float[Tensor, "n f"]) -> tuple[float, list[int]]:
        """Mean score of the best candidates, and which they are.

        Raises:
            ValueError: it is not finite.
        """
        top = self.head.eval()(features)[:, 1].topk(BEST)
        score = float(top.values.mean())
        if not np.isfinite(score):
            raise ValueError(
                f"expected finite scores, got {score}: learning diverged. Lower first_rate or update_rate."
            )
        return score, top.indices.tolist()

    def _draw(self, frame: Frame) -> Draw:
        return Draw(self.rng, frame.shape[1::-1], step=SCALE_STEP)

    def _seed(self) -> int:
        return int(self.rng.integers(2**31))

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device


class MDNetTracker(nn.Module):
    """Learns each video while it follows its object, behind `zoo.tasks.tracking.Tracker`.

    Its random numbers (boxes, last layer, dropout) are its own, from one seed: started again it gives the same boxes,
    and draws none of anybody else's. The running track is no part of `state_dict()`.
    """

    learns_online = True

    def __init__(self, network: SharedLayers, *, online: Online, size: int, padding: int) -> None:
        super().__init__()
        self.network = network
        self.online, self.size, self.padding = online, size, padding

    @torch.inference_mode(False)  # also where its caller needs no gradients
    def start(self, frame: npt.NDArray[np.uint8], box: Box) -> None:
        """Begin a track.

        Raises:
            ValueError: no RGB frame, or a box with nothing of it.
        """
        check_frame(frame)
        check_box(box, frame)
        self.track = Track(self.network, frame, box, online=self.online, size=self.size, padding=self.padding)

    @torch.inference_mode(False)
    def follow(self, frame: npt.NDArray[np.uint8]) -> Box:
        check_frame(frame)
        return self.track.follow(frame)


def check_frame(frame: npt.NDArray[np.uint8]) -> None:
    """
    Raises:
        ValueError: no RGB picture of bytes.
    """
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        raise ValueError(
            f"expected an RGB frame of bytes, (height, width, 3), got {frame.dtype} of shape {frame.shape}. "
            "Repeat a grey one three times."
        )


def check_box(box: Box, frame: Frame) -> None:
    """
    Raises:
        ValueError: nothing of the frame is in the box.
    """
    height, width = frame.shape[:2]
    seen_x = min(box.left + box.width, width) - max(box.left, 0)
    seen_y = min(box.top + box.height, height) - max(box.top, 0)
    if not (np.isfinite(box).all() and min(box.width, box.height, seen_x, seen_y) > 0):
        raise ValueError(
            f"expected a first box with some of the {width}x{height} picture in it, got {tuple(box)}. Look at where "
            "the track starts."
        )

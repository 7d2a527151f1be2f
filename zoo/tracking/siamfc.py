"""SiamFC: slide the object's embedding over the embedding of the next frame; where they correlate, there it is.

    zoo train siamfc --recipe mini

50 s of one core, success AUC 0.607 on collage-track (seed 0; 0.169 if the first box never moves). By 300 steps, as
`otb` takes them, it was 0.605 +- 0.026 (three seeds), and with the same weights 0.483 +- 0.083 on OTB's Crossing and
DragonBaby (floor 0.152). That is worth little: two sequences are no evidence, and on five others of OTB it was below
the floor on three.

Bertinetto, Valmadre, Henriques, Vedaldi, Torr, "Fully-Convolutional Siamese Networks for Object Tracking", ECCV 2016
workshops, arXiv 1606.09549v2 ("paper" below); "code" is the authors' release, github.com/bertinetto/siamese-fc.

Differs from the paper: the response is upsampled to 257 x 257 rather than 272 x 272, so that its centre is a sample;
a scale is penalised from the lowest response of the pyramid up, so that a penalty never helps; a displacement counts
in pixels of the scale it was found at; crops larger than the network sees are averaged down, not skipped over; the
learning rate falls at every step instead of every epoch; search images have 255 pixels in training, too, where the code
has 239. A crop's colours are shifted each by itself, where the code shifts them along the principal axes of ImageNet
VID's colours, so that most of its shift is light. `smoke`, `mini` and `otb` decay and learn all parameters alike.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, UInt8
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from zoo.contracts import Ask, Batch, Facts, Family, Inputs, Learner, Recipe, Scalars, Scores, Target
from zoo.data.otb import open_otb
from zoo.data.video import Video
from zoo.evaluation.tracking import one_pass_evaluation
from zoo.tasks.tracking import Box, Frame
from zoo.training import Updater

CACHED_BYTES = 2**30  # of decoded frames; a data set that fits is decoded once
UPSAMPLING = 16  # response samples per cell; code, tracker.m: 17 x 17 to 272 x 272
SMALLEST, LARGEST = 0.2, 5.0  # times the first size; code, tracker.m: "arbitrary scale saturation"


class SiamFCRecipe(Recipe):
    """The numbers of SiamFC; the defaults are the paper's."""

    # Table 1: channels of conv1 to conv5, and the support and stride of conv1
    channels: tuple[int, int, int, int, int] = (96, 256, 384, 384, 256)
    kernel: int = 11
    stride: int = 2
    exemplar_size: int = Field(127, description="pixels; code, experiment.m: exemplarSize")
    search_size: int = Field(255, description="pixels; code, tracker.m: instanceSize")

    # Training
    max_gap: int = Field(100, ge=1, description="frames between exemplar and search (T); code: frameRange")
    radius: float = Field(
        16, description="pixels of the search image that still count as the object (R); code, experiment.m: rPos"
    )
    learning_rate: float = Field(1e-2, gt=0, description="at first; falls geometrically")
    last_learning_rate: float = Field(1e-5, gt=0)
    momentum: float = Field(0.9, description="code: MatConvNet's default")
    weight_decay: float = Field(5e-4, description="code, experiment.m")
    bias_rate: float = Field(2.0, gt=0, description="of conv5's bias, times the rate; code, vid_create_net.m")
    gain_rate: float = Field(2.0, gt=0, description="of normalisation's gains, times the rate; code, vid_create_net.m")
    other_decay: float = Field(
        0.0, ge=0, description="weight decay of conv5's bias and of normalisation; code, vid_create_net.m"
    )
    max_stretch: float = Field(0.05, description="share by which a side of a crop is stretched; code, experiment.m")
    max_shift: float = Field(4, description="pixels by which a crop is off its centre; code, experiment.m")
    colour_shift: float = Field(
        6, ge=0, description="grey levels, standard deviation per crop and colour; code: 0.1 of the colours' own"
    )

    # Tracking: SiamFC-3s with the numbers of the code, tracker.m; the paper names 1.025 and 0.35
    scales: Scores[Literal[1, 3, 5]] = 3
    scale_step: Scores[float] = Field(1.0375, gt=1)
    scale_penalty: Scores[float] = Field(0.9745, gt=0, le=1, description="factor on the response of any other scale")
    scale_damping: Scores[float] = Field(0.59, gt=0, le=1, description="share of a change of scale that is believed")
    window_influence: Scores[float] = Field(0.176, ge=0, le=1, description="share of the cosine window in the response")

    @property
    def total_stride(self) -> int:
        """Pixels of the search image per cell of the response (k): conv1 and two poolings of stride 2."""
        return 4 * self.stride

    @classmethod
    def upgraded(cls, numbers: Mapping[str, Any]) -> dict[str, Any]:
        """Numbers from before biases and normalisation could learn and decay otherwise than the weights."""
        return {"bias_rate": 1.0, "gain_rate": 1.0, "other_decay": numbers.get("weight_decay", 5e-4), **numbers}


def embedding(channels: Sequence[int], *, kernel: int, stride: int) -> nn.Sequential:
    """Table 1: AlexNet's convolutions without padding, so that the embedding of a shifted image is shifted alike.

    Every convolution but the last is followed by batch normalisation and ReLU; conv2, conv4 and conv5 are in two
    groups, as their channel maps say (256 x 48, 384 x 192, 256 x 192).
    """
    one, two, three, four, five = channels

    def normalised(convolution: nn.Conv2d) -> tuple[nn.Module, ...]:
        return convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU(inplace=True)

    layers = nn.Sequential(
        *normalised(nn.Conv2d(3, one, kernel, stride, bias=False)),
        nn.MaxPool2d(3, 2),
        *normalised(nn.Conv2d(one, two, 5, groups=2, bias=False)),
        nn.MaxPool2d(3, 2),
        *normalised(nn.Conv2d(two, three, 3, bias=False)),
        *normalised(nn.Conv2d(three, four, 3, groups=2, bias=False)),
        nn.Conv2d(four, five, 3, groups=2),
    )
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out")  # code, vid_create_net.m: weightInitMethod
    return layers


def cross_correlation(
    exemplar: Float[Tensor, "n c hz wz"], search: Float[Tensor, "n c hx wx"]
) -> Float[Tensor, "n hx-hz+1 wx-wz+1"]:
    """Inner product of each exemplar with every window of its own search map: a convolution in n groups."""
    n, c, height, width = search.shape
    return functional.conv2d(search.reshape(1, n * c, height, width), exemplar, groups=n)[0]


class SiamFC(nn.Module):
    """f(z, x) = scale * phi(z) star phi(x) + bias."""

    def __init__(self, channels: Sequence[int], *, kernel: int, stride: int) -> None:
        super().__init__()
        self.embedding = embedding(channels, kernel=kernel, stride=stride)
        self.scale = 1e-3 * 256 / channels[-1]  # code, make_siameseFC.m: 1e-3 for its 256 channels, not learned
        self.bias = nn.Parameter(torch.tensor(0.0))

    def embed(self, images: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n c hf wf"]:
        """phi."""
        features: Tensor = self.embedding(images.float() / 255 - 0.5)
        return features

    def respond(
        self, exemplar: Float[Tensor, "n c hz wz"], search: Float[Tensor, "n c hx wx"]
    ) -> Float[Tensor, "n h w"]:
        """The response map to search features of exemplar features."""
        return self.scale * cross_correlation(exemplar, search) + self.bias

    def forward(
        self, exemplar: UInt8[Tensor, "n 3 hz wz"], search: UInt8[Tensor, "n 3 hx wx"]
    ) -> Float[Tensor, "n h w"]:
        return self.respond(self.embed(exemplar), self.embed(search))


def label_map(size: int, *, radius: float) -> Float32[Tensor, "size size"]:
    """+1 within `radius` cells of the centre of the response, -1 elsewhere."""
    offset = torch.arange(size) - (size - 1) / 2
    near = torch.hypot(offset[:, None], offset[None, :]) <= radius
    return near.float() * 2 - 1


def balanced_logistic_loss(response: Float[Tensor, "n h w"], label: Float[Tensor, "h w"]) -> Float[Tensor, ""]:
    """Mean of log(1 + exp(-y v)), positive and negative cells weighing one half each."""
    loss = functional.softplus(-label * response.float())
    return (loss[:, label > 0].mean() + loss[:, label < 0].mean()) / 2


def context_side(size: Float64[np.ndarray, "2"]) -> float:
    """Side of the square that an exemplar shows, in pixels of the frame: the box with a margin of context,
    A = (w + 2p) (h + 2p) with p = (w + h) / 4 (code, save_crops.m: context_amount)."""
    return float(np.sqrt(np.prod(size + size.sum() / 2)))


def crop(
    frame: Frame, centre: Float64[np.ndarray, "2"], sides: float | Float64[np.ndarray, "2"], *, size: int
) -> UInt8[np.ndarray, "{size} {size} 3"]:
    """The region of a frame around `centre`, resampled to `size` pixels; outside the frame is its mean colour.

    Args:
        centre: x and y, where (0, 0) is the middle of the first pixel.
        sides: width and height of the region in pixels of the frame.
    """
    finer = max(1, round(float(np.max(sides)) / size))  # whole factor, so that averaging down keeps the geometry
    step = np.broadcast_to(sides, 2) / (size * finer)
    origin = centre - step * (size * finer - 1) / 2
    picture = cv2.warpAffine(
        frame,
        np.column_stack([np.diag(step), origin]),
        (size * finer, size * finer),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=cv2.mean(frame)[:3],
    )
    return np.asarray(cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA))


def as_images(crops: Sequence[UInt8[np.ndarray, "h w 3"]]) -> UInt8[Tensor, "n 3 h w"]:
    """Crops as a batch."""
    return torch.from_numpy(np.stack([np.ascontiguousarray(picture.transpose(2, 0, 1)) for picture in crops]))


class Pairs:
    """Exemplar and search image of one object, at most `max_gap` frames apart, both centred on it."""

    facts = Facts()

    def __init__(self, videos: Sequence[Video], recipe: SiamFCRecipe) -> None:
        annotated = [(video, np.flatnonzero((video.boxes[:, 2:] > 0).all(axis=1))) for video in videos]
        self.videos = [(video, frames) for video, frames in annotated if len(frames) > 1]
        if not self.videos:
            raise ValueError(
                f"{recipe.dataset}: expected a sequence with boxes in at least 2 frames, got none in "
                f"{len(videos)} sequences. Check its groundtruth files."
            )
        self.recipe = recipe
        frames = CACHED_BYTES // videos[0].frame(0).nbytes
        self._frame = lru_cache(frames)(lambda video, i: self.videos[video][0].frame(i))

    def __call__(self, step: int) -> Batch:
        rng = np.random.default_rng([self.recipe.seed, step])
        exemplars, searches = zip(*(self._pair(rng) for _ in range(self.recipe.batch_size)), strict=True)
        return {"exemplar": as_images(exemplars), "search": as_images(searches)}

    def _pair(self, rng: np.random.Generator) -> tuple[UInt8[np.ndarray, "z z 3"], UInt8[np.ndarray, "x x 3"]]:
        video = int(rng.integers(len(self.videos)))
        frames, gap = self.videos[video][1], self.recipe.max_gap
        z = int(rng.integers(len(frames)))
        x = int(rng.integers(max(0, z - gap), min(len(frames) - 1, z + gap)))
        x += x >= z  # any but z itself
        exemplar = self._crop(video, int(frames[z]), self.recipe.exemplar_size, rng)
        return exemplar, self._crop(video, int(frames[x]), self.recipe.search_size, rng)

    def _crop(self, video: int, i: int, size: int, rng: np.random.Generator) -> Frame:
        corner, extent = np.split(self.videos[video][0].boxes[i], 2)
        scale = context_side(extent) / self.recipe.exemplar_size  # pixels of the frame per pixel of the crop
        shift = rng.uniform(-self.recipe.max_shift, self.recipe.max_shift, 2)
        stretch = 1 + rng.uniform(-self.recipe.max_stretch, self.recipe.max_stretch, 2)
        centre = corner + (extent - 1) / 2 + shift * scale
        picture = crop(self._frame(video, i), centre, size * scale * stretch, size=size)
        colour = rng.normal(0, self.recipe.colour_shift, 3)
        return np.asarray(cv2.add(picture, (*colour.tolist(), 0.0)))


class SiamFCTracker(nn.Module):
    """Finds the first frame's embedding again in a pyramid of scales around the last box; nothing is learned on the
    way. Behind `zoo.tasks.tracking.Tracker`; the running track is no part of `state_dict()`."""

    window: Float[Tensor, "up up"]

    def __init__(
        self,
        network: SiamFC,
        *,
        exemplar_size: int,
        search_size: int,
        total_stride: int,
        scales: int,
        scale_step: float,
        scale_penalty: float,
        scale_damping: float,
        window_influence: float,
    ) -> None:
        super().__init__()
        self.network = network
        self.exemplar_size = exemplar_size
        self.search_size = search_size
        self.total_stride = total_stride
        self.factors = scale_step ** (np.arange(scales) - scales // 2)
        self.penalties = np.where(self.factors == 1, 1, scale_penalty)
        self.scale_damping = scale_damping
        self.window_influence = window_influence
        cells = (search_size - exemplar_size) // total_stride
        cosine = torch.hann_window(UPSAMPLING * cells + 1, periodic=False)
        window = torch.outer(cosine, cosine)
        self.register_buffer("window", window / window.sum(), persistent=False)

    @torch.inference_mode()
    def start(self, frame: Frame, box: Box) -> None:
        self.size = self.first_size = np.array([box.width, box.height], dtype=np.float64)
        self.centre = np.array([box.left, box.top]) + (self.size - 1) / 2
        picture = crop(frame, self.centre, context_side(self.size), size=self.exemplar_size)
        self.exemplar = self.network.embed(as_images([picture]).to(self.window.device))

    @torch.inference_mode()
    def follow(self, frame: Frame) -> Box:
        sides = self.factors * context_side(self.size) * self.search_size / self.exemplar_size
        crops = [crop(frame, self.centre, float(side), size=self.search_size) for side in sides]
        search = self.network.embed(as_images(crops).to(self.window.device))
        response = self.network.respond(self.exemplar.expand(len(crops), -1, -1, -1), search)
        best, displacement = self._peak(response)
        self.centre = self.centre + displacement * sides[best] / self.search_size
        grown = self.size * (1 + self.scale_damping * (self.factors[best] - 1))
        self.size = np.clip(grown, SMALLEST * self.first_size, LARGEST * self.first_size)
        return Box(*(self.centre - (self.size - 1) / 2).tolist(), *self.size.tolist())

    def _peak(self, response: Float[Tensor, "scales h w"]) -> tuple[int, Float64[np.ndarray, "2"]]:
        """The best scale, and where its windowed response is highest: x and y off the centre, in crop pixels."""
        size = len(self.window)
        fine = functional.interpolate(response[:, None], size=(size, size), mode="bicubic", align_corners=True)[:, 0]
        heights = (fine - fine.min()).amax(dim=(1, 2)).cpu().numpy() * self.penalties
        best = int(heights.argmax())
        raised = fine[best] - fine[best].min()
        windowed = (1 - self.window_influence) * raised / raised.sum() + self.window_influence * self.window
        y, x = divmod(int(windowed.argmax()), size)
        return best, (np.array([x, y]) - (size - 1) / 2) * self.total_stride / UPSAMPLING


class SiamFCLearner(Learner):
    """Stochastic gradient descent on pairs."""

    label: Float[Tensor, "m m"]

    def __init__(self, recipe: SiamFCRecipe, _facts: Facts) -> None:
        super().__init__()
        self.recipe = recipe
        self.network = SiamFC(recipe.channels, kernel=recipe.kernel, stride=recipe.stride)
        decay = recipe.last_learning_rate / recipe.learning_rate
        self.update = Updater(
            self._groups(),
            torch.optim.SGD,
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            schedule=lambda done: decay ** (done / recipe.steps),
        )
        cells = (recipe.search_size - recipe.exemplar_size) // recipe.total_stride + 1
        label = label_map(cells, radius=recipe.radius / recipe.total_stride)
        self.register_buffer("label", label, persistent=False)

    def _groups(self) -> list[dict[str, Any]]:
        """Convolutions and the response's bias, and what learns or decays at its own rate."""
        recipe, network = self.recipe, self.network
        norms = [layer for layer in network.embedding if isinstance(layer, nn.BatchNorm2d)]
        convolutions = [layer.weight for layer in network.embedding if isinstance(layer, nn.Conv2d)]
        own = (
            (recipe.bias_rate, [network.embedding[-1].bias]),
            (recipe.gain_rate, [norm.weight for norm in norms]),
            (1.0, [norm.bias for norm in norms]),
        )
        return [{"params": [*convolutions, network.bias]}] + [
            {"params": parameters, "lr": times * recipe.learning_rate, "weight_decay": recipe.other_decay}
            for times, parameters in own
        ]

    def step(self, batch: Batch) -> Scalars:
        response = self.network(batch["exemplar"], batch["search"])
        loss = balanced_logistic_loss(response, self.label)
        self.update(loss)
        hit = self.label.flatten()[response.detach().flatten(1).argmax(1)] > 0
        return {"loss": loss.detach(), "peak_on_object": hit.float().mean()}

    def predictor(self) -> SiamFCTracker:
        recipe = self.recipe
        return SiamFCTracker(
            self.network,
            exemplar_size=recipe.exemplar_size,
            search_size=recipe.search_size,
            total_stride=recipe.total_stride,
            scales=recipe.scales,
            scale_step=recipe.scale_step,
            scale_penalty=recipe.scale_penalty,
            scale_damping=recipe.scale_damping,
            window_influence=recipe.window_influence,
        )


def _batches(recipe: SiamFCRecipe, inputs: Inputs) -> Pairs:
    """Pairs from the training sequences."""
    return Pairs(open_otb(inputs.dataset(recipe.dataset), "train"), recipe)


def halved(recipe: SiamFCRecipe) -> SiamFCRecipe:
    """The same network on half the resolution: conv1 with half its support and stride, so that every later size is
    that of Table 1."""
    return recipe.but(kernel=5, stride=1, exemplar_size=63, search_size=127, radius=8, max_shift=2)


def _narrow(*, steps: int, channels: tuple[int, int, int, int, int], scored_on: str = "") -> SiamFCRecipe:
    """A narrow network at half the resolution. `collage-track` has few photographs, so colours vary more, and objects
    that grow by 4 % a frame, so scales lie further apart (both chosen on held-out training sequences)."""
    return halved(
        SiamFCRecipe(
            dataset="collage-track",
            scored_on=scored_on,
            steps=steps,
            batch_size=8,
            channels=channels,
            bias_rate=1.0,
            gain_rate=1.0,
            other_decay=5e-4,
            colour_shift=20,
            scale_step=1.05,
        )
    )


FAMILY = Family(
    name="siamfc",
    paper="Bertinetto et al., Fully-Convolutional Siamese Networks for Object Tracking, ECCV 2016 workshops",
    recipes={
        "smoke": _narrow(steps=100, channels=(16, 32, 48, 48, 32)),
        "mini": _narrow(steps=180, channels=(24, 64, 96, 96, 64)),
        "otb": _narrow(steps=300, channels=(24, 64, 96, 96, 64), scored_on="otb"),
        # 50 epochs of 50,000 pairs in batches of 8 (code, experiment.m: 50, 53,200 and 8), ImageNet VID in OTB's layout
        "paper": SiamFCRecipe(dataset="imagenet-vid", scored_on="otb-2013", steps=312_500, batch_size=8),
    },
    learner=SiamFCLearner,
    training_set=_batches,
    benchmark=one_pass_evaluation,
    asks=(Ask(metric="success_auc", value=0.369),),
    targets=(
        Target(metric="success_auc", value=0.608, dataset="otb-2013", source="paper, OTB-13, SiamFC-3s"),
        Target(metric="success_auc", value=0.589, dataset="otb-2013", source="siamfc-pytorch, trained on GOT-10k"),
        Target(metric="precision_20px", value=0.781, dataset="otb-2013", source="siamfc-pytorch, trained on GOT-10k"),
    ),
)

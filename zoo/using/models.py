"""A pulled model that takes pictures as people have them and answers with names: `zoo.use(DIR)`.

>>> import zoo
>>> model = zoo.use("fcn8s")
>>> answer = model("street.jpg")          # a path, a PIL picture, an array or a tensor; several of them in a list
>>> answer.row(), answer.draw("street.jpg")

Behind it is the predictor of `zoo.load`, whose interface (`zoo.tasks`) takes batches of tensors and is what a program
that feeds many pictures should use.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from zoo.artifact import Identity, load, read_identity
from zoo.contracts import Picture
from zoo.data.otb import read_boxes
from zoo.data.ucf101 import Video
from zoo.evaluation.action import CLIPS
from zoo.evaluation.stage import Device, Placed, Stage
from zoo.tasks.tracking import Box
from zoo.using.given import VIDEOS, Given, is_several, picture, picture_files, pictures, sized
from zoo.using.results import Likelihood, Motion, Ranking, Regions, Result, Samples, Things, Track

COUNT = 16  # pictures that a sampler draws where nobody says how many
MOST_CLASSES = 256

Answered = TypeVar("Answered", bound=Result)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a person asks of a model on the command line."""

    inputs: tuple[Path, ...] = ()
    box: Box | None = None
    count: int | None = None
    seed: int | None = None

    def only(self, *names: str, of: str) -> None:
        """Refuse what a model has no use for.

        Raises:
            ValueError: an option was given that is not among these.
        """
        for name in ("box", "count", "seed"):
            if name not in names and getattr(self, name) is not None:
                raise ValueError(f"--{name}: {of}, and has no use for it.")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of one input."""

    name: str  # of the input, without what files end in
    result: Result
    picture: Picture


def use(folder: str | Path, *, device: Device = "cpu") -> "Model":
    """The model in a pulled folder, every file of it verified, for pictures in any form.

    Raises:
        CannotLoad: today's code has no such family or recipe, or its network has other weights.
        ValueError: a file differs from the manifest.
    """
    predictor = load(folder, device=str(device))
    for kind in KINDS:
        if all(hasattr(predictor, method) for method in kind.methods):
            return kind(Stage(device).place(predictor), read_identity(Path(folder)))
    raise ValueError(f"{folder}: expected a model of a task that is known here, got {type(predictor).__name__}.")


class Model(ABC):
    """A model of one task."""

    methods: ClassVar[tuple[str, ...]]  # of the predictors that it stands for
    takes: ClassVar[str]

    def __init__(self, predictor: Placed, identity: Identity) -> None:
        self.predictor: Any = predictor
        self.name = f"{identity.family}-{identity.variant}" if identity.variant else identity.family
        self.classes = _classes(identity)
        self.facts = identity.facts

    @abstractmethod
    def answers(self, asked: Asked) -> Iterator[Answer]:
        """An answer to each input.

        Raises:
            ValueError: an input is of another kind than the model takes, or cannot be read.
        """

    def needs(self, got: str) -> ValueError:
        """What to say to another kind of input."""
        return ValueError(f"{self._said}; got {got}.")

    @property
    def _said(self) -> str:
        return f"{self.name} takes {self.takes}"


class _OfPictures(Model):
    """A model that answers to one picture at a time."""

    takes = "pictures, or folders of them"

    def _each(self, asked: Asked, answered: Any) -> Iterator[Answer]:
        asked.only(of=self._said)
        if not asked.inputs:
            raise self.needs("nothing")
        for path in asked.inputs:
            if path.suffix.lower() in VIDEOS:
                raise self.needs(f"a video, {path}")
            for file in picture_files(path) if path.is_dir() else [path]:
                image = picture(file)
                result = answered(image)
                yield Answer(name=file.stem, result=result, picture=result.draw(image))

    def _sized(self, image: UInt8[np.ndarray, "h w 3"]) -> UInt8[Tensor, "1 c H W"]:
        """A picture of the channels and size of the training data."""
        shape = {name: self.facts[name] for name in ("channels", "height", "width")}
        return torch.from_numpy(sized(image, **shape).copy())[None]


class Classifier(_OfPictures):
    """Names what a picture shows; a picture of another size or colouring is made as the training data's were."""

    methods: ClassVar[tuple[str, ...]] = ("probabilities",)

    def __call__(self, given: Given) -> Ranking | list[Ranking]:
        return _one_or_all(given, [self._answer(image) for image in pictures(given)])

    def answers(self, asked: Asked) -> Iterator[Answer]:
        return self._each(asked, self._answer)

    def _answer(self, image: UInt8[np.ndarray, "h w 3"]) -> Ranking:
        probabilities = self.predictor.probabilities(self._sized(image))[0].float().numpy()
        return Ranking(classes=_named(self.classes, len(probabilities)), probabilities=probabilities)


class Segmenter(_OfPictures):
    """Names the class of every pixel."""

    methods: ClassVar[tuple[str, ...]] = ("segment",)

    def __call__(self, given: Given) -> Regions | list[Regions]:
        return _one_or_all(given, [self._answer(image) for image in pictures(given)])

    def answers(self, asked: Asked) -> Iterator[Answer]:
        return self._each(asked, self._answer)

    def _answer(self, image: UInt8[np.ndarray, "h w 3"]) -> Regions:
        labels = self.predictor.segment(_batch(image))[0].numpy()
        return Regions(classes=_named(self.classes, MOST_CLASSES), labels=labels)


class Detector(_OfPictures):
    """Finds the things in a picture."""

    methods: ClassVar[tuple[str, ...]] = ("detect",)

    def __call__(self, given: Given) -> Things | list[Things]:
        return _one_or_all(given, [self._answer(image) for image in pictures(given)])

    def answers(self, asked: Asked) -> Iterator[Answer]:
        return self._each(asked, self._answer)

    def _answer(self, image: UInt8[np.ndarray, "h w 3"]) -> Things:
        (found,) = self.predictor.detect(_batch(image))
        return Things(
            classes=_named(self.classes, MOST_CLASSES),
            boxes=found.boxes.float().numpy(),
            scores=found.scores.float().numpy(),
            labels=found.classes.numpy(),
            masks=found.masks.numpy(),
        )


class FlowEstimator(Model):
    """Says where every pixel of a picture went."""

    methods: ClassVar[tuple[str, ...]] = ("flow",)
    takes = "two pictures of one size, or a folder of frames"

    def __call__(self, first: Given, second: Given) -> Motion:
        """How far each pixel of the first picture moved until the second.

        Raises:
            ValueError: they are of different sizes.
        """
        both = picture(first), picture(second)
        if both[0].shape != both[1].shape:
            sizes = [f"{image.shape[1]}x{image.shape[0]}" for image in both]
            raise self.needs(f"one of {sizes[0]} and one of {sizes[1]}")
        flow = self.predictor.flow(*map(_batch, both))[0].float()
        return Motion(flow=flow.permute(1, 2, 0).numpy())

    def answers(self, asked: Asked) -> Iterator[Answer]:
        asked.only(of=self._said)
        files = self._frames(asked.inputs)
        for first, second in pairwise(files):
            result = self(first, second)
            yield Answer(name=first.stem, result=result, picture=result.draw(first))

    def _frames(self, inputs: Sequence[Path]) -> list[Path]:
        files = picture_files(inputs[0]) if len(inputs) == 1 and inputs[0].is_dir() else list(inputs)
        if (
            len(files) < 2
            or (len(files) > 2 and len(inputs) > 1)
            or any(path.suffix.lower() in VIDEOS for path in files)
        ):
            raise self.needs(", ".join(map(str, inputs)) or "nothing")
        return files


class ActionRecogniser(Model):
    """Names what is done in a video: the mean over clips spread over it, as it was scored."""

    methods: ClassVar[tuple[str, ...]] = ("probabilities", "clip_length")
    takes = f"videos ({', '.join(VIDEOS)}), or folders of frames"

    def __call__(self, video: Given) -> Ranking:
        """How likely each action is.

        Args:
            video: a file, a folder of frames, or the frames: a list, an array (n, h, w, 3) or a tensor (n, 3, h, w).
        """
        return self._answer(self._frames(video))

    def answers(self, asked: Asked) -> Iterator[Answer]:
        asked.only(of=self._said)
        if not asked.inputs:
            raise self.needs("nothing")
        for path in asked.inputs:
            frames = self._frames(path)
            result = self._answer(frames)
            yield Answer(name=path.stem, result=result, picture=result.draw(frames))

    def _answer(self, frames: UInt8[np.ndarray, "n h w 3"]) -> Ranking:
        length = self.predictor.clip_length
        if len(frames) < length:  # it stands still at its last frame
            frames = np.concatenate([frames, frames[-1:].repeat(length - len(frames), axis=0)])
        starts = np.linspace(0, len(frames) - length, CLIPS).round().astype(int)
        clips = torch.from_numpy(np.stack([frames[start : start + length] for start in starts]))
        probabilities = self.predictor.probabilities(clips.permute(0, 4, 1, 2, 3)).float().mean(dim=0).numpy()
        return Ranking(classes=_named(self.classes, len(probabilities)), probabilities=probabilities)

    def _frames(self, video: Given) -> UInt8[np.ndarray, "n h w 3"]:
        if not isinstance(video, str | Path):
            return _stacked(pictures(video))
        path = Path(video)
        if path.is_dir():
            return _stacked(pictures(picture_files(path)))
        if path.suffix.lower() not in VIDEOS:
            raise self.needs(str(path))
        found = Video(path, label=0)
        return found.clip(0, len(found))


class Tracker(Model):
    """Follows one object through the frames of a video, told only where it was at first."""

    methods: ClassVar[tuple[str, ...]] = ("start", "follow")
    takes = "a folder of frames and the object's first box (--box LEFT,TOP,WIDTH,HEIGHT), or a sequence in OTB's layout"

    def __call__(self, frames: Sequence[Given], box: Box | tuple[float, float, float, float]) -> Track:
        """Where the object is in each frame.

        Args:
            frames: in their order; the first one is that of the box.
            box: left, top, width, height in pixels.
        """
        if not len(frames):
            raise self.needs("no frames")
        first = picture(frames[0])
        boxes = [_inside(Box(*map(float, box)), first)]
        self.predictor.start(first, boxes[0])
        boxes += [self.predictor.follow(picture(frame)) for frame in frames[1:]]
        return Track(boxes=tuple(Box(*map(float, found)) for found in boxes))

    def answers(self, asked: Asked) -> Iterator[Answer]:
        asked.only("box", of=self._said)
        if not asked.inputs:
            raise self.needs("nothing")
        for folder in asked.inputs:
            if not folder.is_dir():
                raise self.needs(str(folder))
            frames, box = self._sequence(folder, asked.box)
            result = self(frames, box)
            yield Answer(name=folder.name, result=result, picture=result.draw(frames))

    def _sequence(self, folder: Path, box: Box | None) -> tuple[list[Path], Box]:
        """The frames of a folder and the first box, which OTB's layout brings along."""
        within = folder / "img"
        frames = picture_files(within if within.is_dir() else folder)
        if box is None:
            truth = next(iter(sorted(folder.glob("groundtruth*.txt"))), None)
            if truth is None:
                raise self.needs(f"{folder} without a box")
            rows = read_boxes(truth)
            if len(rows) < len(frames):
                raise ValueError(
                    f"{truth}: expected a row a frame, got {len(rows)} for {len(frames)}: which frame the first one "
                    "belongs to is not known. Say --box LEFT,TOP,WIDTH,HEIGHT."
                )
            box = Box(*rows[0].tolist())
        return frames, box


class Sampler(Model):
    """Draws new pictures."""

    methods: ClassVar[tuple[str, ...]] = ("sample",)
    takes = "no input: --count and --seed say what it draws"

    def __call__(self, count: int = COUNT, *, seed: int = 0) -> Samples:
        """New pictures; the same count and seed give the same ones."""
        return Samples(images=self.predictor.sample(count, seed=seed).numpy(), seed=seed)

    def answers(self, asked: Asked) -> Iterator[Answer]:
        asked.only("count", "seed", of=self._said)
        if asked.inputs:
            raise self.needs(str(asked.inputs[0]))
        result = self(COUNT if asked.count is None else asked.count, seed=asked.seed or 0)
        yield Answer(name=f"{self.name}-seed-{result.seed}", result=result, picture=result.draw())


class DensityModel(Sampler, _OfPictures):
    """Draws new pictures, and says of given ones how probable they are."""

    methods: ClassVar[tuple[str, ...]] = ("sample", "log_likelihood")
    takes = "pictures to say how probable they are; or none, and --count and --seed say what it draws"

    def likelihood(self, given: Given, *, seed: int = 0) -> Likelihood | list[Likelihood]:
        """How probable pictures are; of another size or colouring, as made like the training data's."""
        return _one_or_all(given, [self._likelihood(image, seed=seed) for image in pictures(given)])

    def answers(self, asked: Asked) -> Iterator[Answer]:
        return self._each(asked, self._likelihood) if asked.inputs else super().answers(asked)

    def _likelihood(self, image: UInt8[np.ndarray, "h w 3"], *, seed: int = 0) -> Likelihood:
        made = self._sized(image)
        return Likelihood(nats=float(self.predictor.log_likelihood(made, seed=seed)[0]), values=made.numel())


KINDS: tuple[type[Model], ...] = (
    ActionRecogniser,
    Classifier,
    Segmenter,
    Detector,
    FlowEstimator,
    Tracker,
    DensityModel,
    Sampler,
)
"""Of a predictor that has the methods of several, the first one is meant."""


def _classes(identity: Identity) -> tuple[str, ...]:
    """The names that the network's data brought; of a network that is made of others, theirs."""
    if "classes" in identity.facts:
        return tuple(identity.facts["classes"])
    return next((found for part in identity.upstream.values() if (found := _classes(part))), ())


def _named(classes: tuple[str, ...], count: int) -> tuple[str, ...]:
    """Names for so many classes: numbers where an old model has recorded none."""
    return classes or tuple(map(str, range(count)))


def _batch(image: UInt8[np.ndarray, "h w 3"]) -> UInt8[Tensor, "1 3 h w"]:
    return torch.from_numpy(image).permute(2, 0, 1)[None].contiguous()


def _stacked(frames: list[UInt8[np.ndarray, "_ _ 3"]]) -> UInt8[np.ndarray, "n h w 3"]:
    sizes = sorted({f"{frame.shape[1]}x{frame.shape[0]}" for frame in frames})
    if len(sizes) > 1:
        raise ValueError(f"expected frames of one size, got {', '.join(sizes)}.")
    return np.stack(frames)


def _inside(box: Box, frame: UInt8[np.ndarray, "h w 3"]) -> Box:
    """A first box that shows something of its frame."""
    height, width = frame.shape[:2]
    seen = box.left < width and box.top < height and box.left + box.width > 0 and box.top + box.height > 0
    if not (box.width > 0 and box.height > 0 and seen):
        raise ValueError(f"expected a first box with an area within the frame of {width}x{height}, got {tuple(box)}.")
    return box


def _one_or_all(given: Given, results: list[Answered]) -> Answered | list[Answered]:
    """As many answers as was asked for: one alone, or a list."""
    return results if is_several(given) else results[0]

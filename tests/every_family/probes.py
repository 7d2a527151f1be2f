"""A handful of numbers that a predictor answers, found by what it can do, so that a test can hold them to a record.

Whole numbers are bytes of pictures, and may be off by one; all others are what the network computed.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from inspect import ismethod
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from tests.every_family.ramp import pictures, video

KEPT = 8  # values of each answer
SHAPE = (64, 80)  # of a picture whose size is free: not square, so that exchanged sides show
TOLERANCES = {"actions_by_flow": 5e-3}  # flow that is kept in 8 bits makes a step of what was the last bit of a float

Numbers = Mapping[str, list[float]]


class Box(NamedTuple):
    """As trackers are told it."""

    left: float
    top: float
    width: float
    height: float


def probe(predictor: Any, facts: Mapping[str, Any]) -> dict[str, list[float]]:
    """What a predictor answers to made pictures, by the name of what it was asked.

    Args:
        facts: of the data that it was built for, as its recipe.json has them.
    """
    asked = [ask for ability, ask in PROBES.items() if ismethod(getattr(predictor, ability, None))]
    answers: dict[str, Tensor] = {}
    with torch.inference_mode():
        for ask in asked:
            answers |= ask(predictor, facts)
    return {name: _some(answer) for name, answer in answers.items()}


def assert_close(found: Numbers, expected: Numbers) -> None:
    """The numbers on record, but for rounding on another machine."""
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        whole = all(isinstance(value, int) for value in values)
        relative, absolute = (0.0, 1.0) if whole else (TOLERANCES.get(name, 1e-4), 1e-5)
        assert found[name] == pytest.approx(values, rel=relative, abs=absolute), name


def assert_telling(found: Numbers) -> None:
    """Not all alike: those would be so with many another network."""
    assert found
    for name, values in found.items():
        assert len(set(values)) > 1, f"{name} is {values[0]} everywhere: choose other weights or pictures"


def in_lines(record: Mapping[str, object]) -> str:
    """JSON with a line for each name."""
    return "{\n" + ",\n".join(f"  {json.dumps(name)}: {json.dumps(record[name])}" for name in sorted(record)) + "\n}\n"


def segmented(predictor: Any, _facts: Mapping[str, Any]) -> dict[str, Tensor]:
    """Class scores: the classes themselves would hide small changes, and jump at others."""
    return {"scores": predictor(pictures(2, 3, *SHAPE))}


def detected(predictor: Any, _facts: Mapping[str, Any]) -> dict[str, Tensor]:
    """The surest things of a picture."""
    (found,) = predictor.detect(pictures(1, 3, *SHAPE))
    surest = slice(KEPT // 4)
    answers = {"scores": found.scores[:KEPT], "boxes": found.boxes[surest]}
    if hasattr(predictor, "outlined"):
        ((_, contours),) = predictor.outlined(pictures(1, 3, *SHAPE))
        return answers | {"contours": contours[surest]}
    return answers | {"covered": found.masks[surest].float().mean(dim=(1, 2))}


def tracked(predictor: Any, _facts: Mapping[str, Any]) -> dict[str, Tensor]:
    """Where an object is found in two frames, and the features of the last: a box moves in steps, which hide small
    changes."""
    frames = [frame.permute(1, 2, 0).contiguous().numpy() for frame in video(3, 120, 160, moving=(3, 6))]
    predictor.start(frames[0], Box(60.0, 50.0, 30.0, 24.0))
    with _last_convolution(predictor) as said:
        boxes = {f"box_{i}": torch.tensor(predictor.follow(frame)) for i, frame in enumerate(frames[1:], start=1)}
    return boxes | {"features": said[-1]}


def estimated(predictor: Any, _facts: Mapping[str, Any]) -> dict[str, Tensor]:
    """Flow from one frame to the next."""
    return {"flow": predictor.flow(*video(2, *SHAPE).split(1))}


def sampled(predictor: Any, _facts: Mapping[str, Any]) -> dict[str, Tensor]:
    """Some bytes of pictures that are drawn, and the mean of each picture."""
    drawn = predictor.sample(4, seed=0)
    return {"sample": drawn, "sample_means": drawn.float().flatten(1).mean(dim=1)}


def sampled_labelled(predictor: Any, _facts: Mapping[str, Any]) -> dict[str, Tensor]:
    """The same of pictures that are asked for."""
    drawn = predictor.sample_labelled(torch.arange(4), seed=0)
    return {"sample_labelled": drawn, "sample_labelled_means": drawn.float().flatten(1).mean(dim=1)}


def judged(predictor: Any, facts: Mapping[str, Any]) -> dict[str, Tensor]:
    """How probable pictures are said to be."""
    return {"log_likelihood": predictor.log_likelihood(_shown(facts), seed=0)}


def described(predictor: Any, facts: Mapping[str, Any]) -> dict[str, Tensor]:
    """The features of pictures."""
    return {"features": predictor.features(_shown(facts))}


def classified(predictor: Any, facts: Mapping[str, Any]) -> dict[str, Tensor]:
    """Class probabilities, of a clip if it looks at clips."""
    if length := getattr(predictor, "clip_length", None):
        name = "actions_by_flow" if hasattr(predictor, "flow") else "actions"
        return {name: predictor.probabilities(video(length, *SHAPE).transpose(0, 1)[None])}
    return {"probabilities": predictor.probabilities(_shown(facts))}


PROBES: dict[str, Callable[[Any, Mapping[str, Any]], dict[str, Tensor]]] = {
    "segment": segmented,
    "detect": detected,
    "follow": tracked,
    "flow": estimated,
    "sample": sampled,
    "sample_labelled": sampled_labelled,
    "log_likelihood": judged,
    "features": described,
    "probabilities": classified,
}
"""By the method of its task's interface that a predictor has."""


def _shown(facts: Mapping[str, Any]) -> Tensor:
    """Pictures such as the data had."""
    return pictures(2, facts["channels"], facts["height"], facts["width"])


@contextmanager
def _last_convolution(predictor: nn.Module) -> Iterator[list[Tensor]]:
    """What the convolutions said, the last one last."""
    said: list[Tensor] = []
    hooks = [
        layer.register_forward_hook(lambda _layer, _inputs, output: said.append(output))
        for layer in predictor.modules()
        if isinstance(layer, nn.Conv2d)
    ]
    try:
        yield said
    finally:
        for hook in hooks:
            hook.remove()


def _some(answer: Tensor) -> list[float]:
    """A few values, from all over an answer."""
    flat = answer.flatten()
    places = torch.linspace(0, len(flat) - 1, min(KEPT, len(flat))).round().long()
    values: list[float] = flat[places].tolist()
    return values if answer.dtype == torch.uint8 else [float(f"{value:.7g}") for value in values]

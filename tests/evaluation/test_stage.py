"""The stage: what goes to the device and comes back, in which mode, and who is told."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from zoo.evaluation.stage import Stage
from zoo.scoring.metrics import CannotScore


class Answer(NamedTuple):
    value: Tensor
    others: list[Tensor]


class Noting(nn.Module):
    """Remembers where its arguments lay and how it was called."""

    clip_length = 16

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.devices: list[str] = []

    def answer(self, first: Tensor, *, rest: tuple[Tensor, list[Tensor]], name: str) -> Answer:
        self.devices = [part.device.type for part in (first, rest[0], *rest[1])]
        self.mode = (self.training, torch.is_grad_enabled(), torch.is_inference_mode_enabled())
        assert name == "it"
        return Answer(first * self.scale, [rest[0] * self.scale])

    def frames(self, frame: np.ndarray) -> tuple[str, np.ndarray]:
        return "seen", frame


class Learning(Noting):
    learns_online = True


def asked(predictor: Noting, device: str) -> Answer:
    ones = torch.ones(2)
    return Stage(device).place(predictor).answer(ones, rest=(ones, [ones]), name="it")


@pytest.mark.parametrize(
    "device",
    [
        "cpu",
        "meta",
        pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")),
    ],
)
def test_the_module_and_all_its_arguments_go_to_the_device(device: str) -> None:
    predictor = Noting()
    if device == "meta":
        # Torch's own refusal, nothing of ours: a tensor without numbers cannot be carried back. That the predictor was
        # asked there is seen all the same.
        with pytest.raises(NotImplementedError, match="meta"):
            asked(predictor, device)
    else:
        answer = asked(predictor, device)
        assert isinstance(answer, Answer)
        assert [part.device.type for part in (answer.value, *answer.others)] == ["cpu", "cpu"]
    assert predictor.devices == [device] * 3
    assert predictor.scale.device.type == device
    assert predictor.mode == (False, False, True)


def test_what_learns_online_keeps_its_gradients() -> None:
    predictor = Learning()
    assert asked(predictor, "cpu").value.requires_grad
    assert predictor.mode == (False, True, False)


def test_what_is_no_module_stays_on_the_cpu() -> None:
    class Floor:
        def where(self, image: Tensor) -> str:
            return image.device.type

    assert Stage("meta").place(Floor()).where(torch.ones(1)) == "cpu"


def test_everything_else_passes_through() -> None:
    placed = Stage().place(Noting())
    frame = np.zeros((2, 2, 3), np.uint8)
    assert placed.clip_length == 16
    assert placed.frames(frame) == ("seen", frame)
    assert not hasattr(placed, "train")


class Refusing(nn.Module):
    def answer(self, error: Exception) -> Tensor:
        raise error


def test_what_a_predictor_refuses_is_told_apart_from_other_failures() -> None:
    placed = Stage().place(Refusing())
    with pytest.raises(CannotScore, match="expected colours"):
        placed.answer(ValueError("expected colours"))
    for error in (MemoryError("no room"), torch.cuda.OutOfMemoryError("no room"), RuntimeError("no kernel")):
        with pytest.raises(type(error), match="no"):
            placed.answer(error)


def test_progress_is_told_after_each_piece() -> None:
    told: list[tuple[int, int]] = []
    stage = Stage(report=lambda done, total: told.append((done, total)))
    for piece in stage.track("abc", 3):
        assert len(told) == "abc".index(piece)
    assert told == [(1, 3), (2, 3), (3, 3)]

"""Where a predictor runs while it is scored, and who watches: the one owner of device, mode, gradients and progress.

A benchmark hands a placed predictor tensors of the CPU and gets tensors of the CPU back, so neither of the two has to
remember that there are devices, an evaluation mode or gradients.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from inspect import ismethod
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from zoo.scoring.metrics import CannotScore

Device = torch.device | str
Report = Callable[[int, int], None]
"""Told after each piece of the work how many are done, and of how many."""

T = TypeVar("T")


def unwatched(_done: int, _total: int) -> None:
    """The report of whoever does not watch."""


@dataclass(frozen=True)
class Stage:
    """A device to score on, and whom to tell how far it is."""

    device: Device = "cpu"
    report: Report = unwatched

    def place(self, thing: nn.Module | object) -> Any:
        """A predictor or feature network as a benchmark uses it: on the device and in evaluation mode, and left so.

        What is no module (a floor, mostly) stays on the CPU.
        """
        if not isinstance(thing, nn.Module):
            return Placed(thing, device="cpu")
        return Placed(thing.to(self.device).eval(), device=self.device)

    def track(self, pieces: Iterable[T], total: int) -> Iterator[T]:
        """The pieces of the work one by one, each reported when it is done."""
        for done, piece in enumerate(pieces, 1):
            yield piece
            self.report(done, total)


class Placed:
    """A predictor whose methods take and give tensors of the CPU, wherever it computes, and keep no gradients.

    Has what the predictor's class adds to `nn.Module`. One that says `learns_online = True` keeps its gradients. What
    it refuses with a ValueError it cannot be scored on: a CannotScore, told apart from damaged data by that.
    """

    def __init__(self, thing: object, *, device: Device) -> None:
        keeps_gradients = getattr(thing, "learns_online", False)
        for name in set(dir(thing)) - set(dir(nn.Module)):
            if not name.startswith("__"):
                found = getattr(thing, name)
                setattr(self, name, _carrying(found, device, keeps_gradients) if ismethod(found) else found)


def _carrying(method: Callable[..., Any], device: Device, keeps_gradients: bool) -> Callable[..., Any]:
    """The method, with its arguments carried to the device and its answer back."""

    @wraps(method)
    def carried(*args: Any, **kwargs: Any) -> Any:
        with torch.inference_mode(not keeps_gradients):
            try:
                return moved(method(*moved(args, device), **moved(kwargs, device)), "cpu")
            except ValueError as error:
                raise CannotScore(str(error)) from error

    return carried


def moved(value: Any, device: Device) -> Any:
    """A value with its tensors on a device, also those in tuples, lists and mappings."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(moved(part, device) for part in value))
    if isinstance(value, tuple | list):
        return type(value)(moved(part, device) for part in value)
    if isinstance(value, Mapping):
        return {name: moved(part, device) for name, part in value.items()}
    return value

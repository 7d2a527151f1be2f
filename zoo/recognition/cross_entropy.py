"""How networks with one answer a picture learn: cross entropy, under whichever optimizer the recipe names."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor, nn
from torch.nn import functional

from zoo.contracts import Batch, Learner, Picture, Scalars
from zoo.tasks.classification import ClassificationFacts
from zoo.training import EMA
from zoo.training.optimizers import Optimized

Draw = Callable[[Any, UInt8[Tensor, "n c h w"]], Mapping[str, Picture]]
SHOWN = 8  # training pictures that are kept to draw what a network sees in them


class CrossEntropy(Learner):
    """Labels, or shares of classes where the batch has such (`target`).

    Args:
        smoothing: share of a target that is spread over all classes (Szegedy et al., CVPR 2016, section 7).
        at_once: pictures whose gradients are computed together, so that a batch may be larger than memory; none: all.
        average: decay of the moving average that is published; none: the weights themselves.
        draw: what a person would look at, from the network and a few training pictures.
    """

    shown: UInt8[Tensor, "n c h w"]

    def __init__(
        self,
        network: nn.Module,
        recipe: Optimized,
        facts: ClassificationFacts,
        *,
        smoothing: float = 0.0,
        at_once: int | None = None,
        average: float | None = None,
        draw: Draw = lambda _network, _shown: {},
    ) -> None:
        super().__init__()
        self.network, self.smoothing, self.at_once, self.draw = network, smoothing, at_once, draw
        self.update = recipe.updater(network)
        self.average = None if average is None else EMA(network, average)
        shape = SHOWN, facts.channels, facts.height, facts.width
        self.register_buffer("shown", torch.zeros(shape, dtype=torch.uint8))

    def fit(self, training_set: Any) -> None:
        """Keep the pictures that are shown."""
        first = training_set(0)["image"][:SHOWN]
        self.shown[: len(first)] = first

    def step(self, batch: Batch) -> Scalars:
        count, told = len(batch["image"]), []

        def terms() -> Iterator[Tensor]:
            for start in range(0, count, self.at_once or count):
                part = {name: value[start : start + (self.at_once or count)] for name, value in batch.items()}
                scores, label = self.network(part["image"]), part["label"]
                target = part.get("target", label)
                loss = functional.cross_entropy(scores, target, reduction="sum", label_smoothing=self.smoothing)
                told.append(torch.stack([loss.detach(), (scores.argmax(1) == label).sum()]))
                yield loss / count

        self.update(terms())
        if self.average is not None:
            self.average.update(self.network)
        loss, right = torch.stack(told).sum(dim=0) / count
        return {"loss": loss, "accuracy": right}

    def predictor(self) -> nn.Module:
        return self.network if self.average is None else self.average.average

    def pictures(self) -> Mapping[str, Picture]:
        with torch.inference_mode():
            return self.draw(self.predictor(), self.shown)

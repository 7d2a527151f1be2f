"""The nouns every family is written in: recipe, facts, learner, benchmark, family.

A family file imports from here and from nowhere else that decides: it says *what* the model is, how one
update changes it and which benchmark scores it. The loop (`zoo.training`), the scoring (`zoo.evaluation`) and
the night never ask which family they are holding.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from zoo.evaluation.stage import Stage
from zoo.published import Target as Target
from zoo.scoring.metrics import Scoring
from zoo.scoring.units import Evaluated

Batch = Mapping[str, Tensor]
"""What one step consumes, by name; the first axis of every tensor is the example."""

Scalars = Mapping[str, Tensor]
"""What one step reports, by name: detached 0-dim tensors, left on the device (no synchronisation)."""

Picture = npt.NDArray[np.uint8]
"""An RGB picture, (height, width, 3)."""


class Recipe(BaseModel):
    """Every number that decides one training run; families add fields, each citing where it came from.

    Frozen, and strict about names: an unknown key is an error, so a misspelt number never trains silently.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dataset: str = Field(description="folder under datasets/ that is trained on")
    scored_on: str = Field("", description="folder that is scored on, where it is not the one trained on")
    steps: int = Field(ge=0, description="updates, as the family counts them")
    batch_size: int = Field(ge=1)
    seed: int = Field(0, ge=0)
    precision: Literal["auto", "fp32"] = Field("auto", description="auto: bf16 autocast where hardware pays")

    @property
    def scored(self) -> str:
        """The dataset that names the entry: the one its benchmark scores."""
        return self.scored_on or self.dataset

    @property
    def needs(self) -> tuple[str, ...]:
        """Upstream entries, as `family.dataset`, that this one is built on."""
        return ()

    def but(self, **changes: object) -> Self:
        """This recipe with some numbers changed, validated again (`model_copy(update=)` would not)."""
        return type(self).model_validate(self.model_dump() | changes)


class Facts(BaseModel):
    """What a dataset tells a network about itself; stored with the weights so that it can be rebuilt."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: int = 3
    height: int = 0
    width: int = 0
    classes: tuple[str, ...] = ()


class Batches(Protocol):
    """The training set as a pure function of the step: no state, no global random numbers, any thread."""

    @property
    def facts(self) -> Facts: ...

    def __call__(self, step: int) -> Batch: ...


class Learner(nn.Module, ABC):
    """A network together with how it learns. `state_dict()` holds all of it, so that resuming is exact:
    weights, EMA (`zoo.training.EMA`) and optimizer state (`zoo.training.Updater`)."""

    @abstractmethod
    def step(self, batch: Batch) -> Scalars:
        """One whole update: forward, backward and optimizer step, for as many networks as there are."""

    @abstractmethod
    def predictor(self) -> nn.Module:
        """The part that is published, behind its task's interface (`zoo.tasks`).

        Its `state_dict()` is what `weights.safetensors` holds; it shares memory with the learner.
        """

    def begin(self, inputs: "Inputs") -> None:
        """Fetch what a new run starts from (published weights); not called on a resumed or loaded learner.

        Raises:
            ValueError: it is not there or not what it should be; the message says how to get it.
        """

    def pictures(self) -> Mapping[str, Picture]:
        """What a person would look at besides the benchmark's pictures (first-layer filters, ...)."""
        return {}


class Untrained(Learner):
    """A learner whose weights all come from elsewhere, in `begin`; its recipes have 0 steps."""

    def step(self, batch: Batch) -> Scalars:
        size = len(next(iter(batch.values())))
        raise ValueError(f"expected 0 steps, got a batch of {size}: nothing of {type(self).__name__} is trained.")


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """A trained entry that another one is built on."""

    entry: str
    predictor: Any
    digest: str  # SHA-256 of its weights file: part of the protocol of numbers made with it

    def lend(self, load: Callable[[Mapping[str, Tensor]], object]) -> None:
        """Hand its weights to a network's `load_state_dict`, or to what ends in one.

        Raises:
            ValueError: the network is another one.
        """
        try:
            load(self.predictor.state_dict())
        except RuntimeError as error:
            raise ValueError(
                f"expected {self.entry} to have the network that this recipe describes, got another one. "
                "Take the recipe of the same name as that entry's."
            ) from error


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Where a run finds what it did not make itself."""

    datasets: Path
    upstream: Mapping[str, Upstream] = field(default_factory=dict)  # by family name
    cache: Path | None = None  # what is costly to compute again is kept there, by content; none: for one run only

    def dataset(self, name: str) -> Path:
        """The folder of a dataset.

        Raises:
            ValueError: it is not there; the message says how to get it.
        """
        folder = self.datasets / name
        if not folder.is_dir():
            raise ValueError(
                f"dataset {name!r}: expected the folder {folder}, which does not exist. "
                f"Run `zoo data make {name}` if the zoo makes it, `zoo data pull {name}` if it is versioned, "
                f"or `zoo data add {name} PATH` if you have it."
            )
        return folder


class Benchmark(Protocol):
    """A dataset and a protocol, run against a task interface: it takes a predictor and knows nothing else."""

    @property
    def protocol(self) -> str:
        """`<dataset>-<split>/<scoring id>`, as in `collage-seg-val/miou@1`: two numbers compare only under
        the same protocol and the same data digest."""
        ...

    @property
    def scoring(self) -> Scoring:
        """How units become metrics."""
        ...

    def evaluate(self, predictor: Any, stage: Stage) -> Evaluated:
        """Run a predictor that the stage has placed over the split; one row per image, video, sequence or pair."""
        ...

    def floor(self) -> tuple[str, Any]:
        """The best trivial method's name and its predictor, behind the same interface."""
        ...

    def pictures(self, model: Evaluated, floor: Evaluated) -> Mapping[str, Picture]:
        """A few results that a person would look at, from what was scored."""
        ...


@dataclass(frozen=True, kw_only=True)
class Family:
    """An architecture and its objective, from a paper: the value that ends every family file."""

    name: str
    paper: str
    recipes: Mapping[str, Recipe]
    learner: Callable[[Any, Facts], Learner]
    batches: Callable[[Any, Inputs], Batches]
    benchmark: Callable[[Any, Inputs], Benchmark]
    targets: tuple[Target, ...] = ()

    def recipe(self, name: str, **changes: object) -> Recipe:
        """A recipe of this family by name, with some numbers changed.

        Raises:
            ValueError: no such recipe, or a change that does not fit.
        """
        if name not in self.recipes:
            raise ValueError(f"{self.name} has no recipe {name!r}; it has: {', '.join(self.recipes)}")
        return self.recipes[name].but(**changes)

"""The nouns every family is written in: recipe, facts, learner, benchmark, family.

A family file imports from here and from nowhere else that decides: it says *what* the model is, how one
update changes it and which benchmark scores it. The loop (`zoo.training`), the scoring (`zoo.evaluation`) and
the night never ask which family they are holding.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from zoo.entry import Entry
from zoo.evaluation.stage import Stage
from zoo.facts import Facts as Facts
from zoo.published import Ask as Ask
from zoo.published import Target as Target
from zoo.scoring.metrics import Scoring
from zoo.scoring.units import Evaluated

Batch = Mapping[str, Tensor]
"""What one step consumes, by name; the first axis of every tensor is the example."""

Scalars = Mapping[str, Tensor]
"""What one step reports, by name: detached 0-dim tensors, left on the device (no synchronisation)."""

Picture = npt.NDArray[np.uint8]
"""An RGB picture, (height, width, 3)."""


_DECIDES_SCORES = "decides scores, not weights"
Number = TypeVar("Number")
Scores = Annotated[Number, _DECIDES_SCORES]
"""Marks a number of a recipe that decides how a trained model is used or scored, and not one weight of it."""


class Recipe(BaseModel):
    """Every number that decides a version; families add fields, each citing where it came from.

    A field marked `Scores[...]` may change without anything being trained again: the sealed weights are scored anew.
    Frozen, and strict about names: an unknown key is an error, so a misspelt number never trains silently.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dataset: str = Field(description="folder under datasets/ that is trained on")
    scored_on: Scores[str] = Field("", description="folder that is scored on, where it is not the one trained on")
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
        """Upstream entries that this one is trained on."""
        return ()

    @property
    def starts_from(self) -> tuple[str, ...]:
        """Those of `needs` whose weights a new run takes over (`Learner.begin`, `zoo.training.weights.start_from`) and
        then goes its own way: a second stage. They are no parts of its network, which loads without them."""
        return ()

    @property
    def parts(self) -> tuple[str, ...]:
        """Those of `needs` that stay parts of the network."""
        return tuple(entry for entry in self.needs if entry not in self.starts_from)

    @property
    def scoring_needs(self) -> tuple[str, ...]:
        """Upstream entries that scoring alone uses: feature networks."""
        return ()

    def numbers(self, *, scoring: bool) -> dict[str, Any]:
        """As JSON, those that decide the scores alone, or those that decide the weights."""
        marked = {name for name, field in type(self).model_fields.items() if _DECIDES_SCORES in field.metadata}
        return {name: value for name, value in self.model_dump(mode="json").items() if (name in marked) == scoring}

    def but(self, **changes: object) -> Self:
        """This recipe with some numbers changed, validated again (`model_copy(update=)` would not)."""
        return type(self).model_validate(self.model_dump() | changes)

    @classmethod
    def upgraded(cls, numbers: Mapping[str, Any]) -> dict[str, Any]:
        """The numbers of a recipe that was sealed long ago, in today's terms: a field that was renamed or dropped, or
        whose default is no longer what those weights were made with."""
        return dict(numbers)

    @classmethod
    def older_upstream(cls, numbers: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, dict[str, Any]]:  # noqa: ARG003
        """The upstream networks, as `zoo.artifact.Identity` by entry, of a model that was sealed before those were
        recorded: its own numbers and facts described them."""
        return {}


class TrainingSet(Protocol):
    """What a learner learns from, and what that tells its network."""

    @property
    def facts(self) -> Facts: ...


class NoTrainingSet:
    """Of a family that learns from no data: all it has is published weights or other entries."""

    facts = Facts()

    def __init__(self, _recipe: Recipe, _inputs: "Inputs") -> None:
        pass


class Batches(TrainingSet, Protocol):
    """A training set that is stepped through, as a pure function of the step: no state, no global random numbers, any
    thread."""

    def __call__(self, step: int) -> Batch: ...


class Learner(nn.Module, ABC):
    """A network together with how it learns. `state_dict()` holds all of it, so that resuming is exact:
    weights, EMA (`zoo.training.EMA`) and optimizer state (`zoo.training.Updater`).

    A new run calls `begin` and `fit` once, then `step` as often as the recipe says; a family overrides those it has.
    A learner survives `deepcopy`: its fastest placement is found on copies.
    """

    round: int = 1
    """Steps until everything has had its turn: domains that alternate, a penalty that comes every so often."""

    typical_step: int = 0
    """The step whose batch stands for most, where they differ: stages that grow."""

    def begin(self, inputs: "Inputs") -> None:
        """Take over what a new run starts from (published weights, those of an entry); not called on a resumed or
        loaded learner.

        Raises:
            ValueError: it is not there or not what it should be; the message says how to get it.
        """

    def fit(self, training_set: Any) -> None:
        """Learn what has a closed form or a loop of its own (neighbours, mixtures, clusters) from what the family's
        `training_set` gives; timed, and not called on a resumed or loaded learner."""

    def step(self, batch: Batch) -> Scalars:
        """One whole update: forward, backward and optimizer step, for as many networks as there are.

        Scalars may differ from step to step; a name that is absent was not computed.
        """
        size = len(next(iter(batch.values())))
        raise ValueError(f"expected 0 steps, got a batch of {size}: nothing of {type(self).__name__} is stepped.")

    @abstractmethod
    def predictor(self) -> nn.Module:
        """The part that is published, behind its task's interface (`zoo.tasks`).

        Its `state_dict()` is what `weights.safetensors` holds; it shares memory with the learner.
        """

    def pictures(self) -> Mapping[str, Picture]:
        """What a person would look at besides the benchmark's pictures (first-layer filters, ...)."""
        return {}


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """A trained entry that another one is built on."""

    entry: str
    predictor: nn.Module
    digest: str  # SHA-256 of its weights file: part of the protocol of numbers made with it


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Where a run finds what it did not make itself."""

    datasets: Path
    upstream: Mapping[str, Upstream] = field(default_factory=dict)  # by entry
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
        """Run a predictor that the stage has placed over the split; one row per image, video, sequence or pair.

        Raises:
            CannotScore: an answer cannot be one, for which a champion abdicates.
            ValueError: data is damaged or missing.
        """
        ...

    def floor(self) -> tuple[str, Any]:
        """The best trivial method's name and its predictor, behind the same interface."""
        ...

    def pictures(self, model: Evaluated, floor: Evaluated) -> Mapping[str, Picture]:
        """A few results that a person would look at, from what was scored."""
        ...


@dataclass(frozen=True, kw_only=True)
class Family:
    """An architecture and its objective, from a paper: the value that ends every family file.

    `learner` takes recipe and facts and, where upstream entries are `parts` of it, also `upstream`: their predictors by
    entry. In a run these hold the entries' weights; when a sealed model is loaded they are rebuilt from what it
    recorded of them, and its file brings the weights. So a learner keeps (copies of) them as parts of its network.
    """

    name: str
    paper: str
    recipes: Mapping[str, Recipe]
    learner: Callable[..., Learner]
    facts: type[Facts] = Facts  # what the training set tells the network
    training_set: Callable[[Any, Inputs], TrainingSet] = NoTrainingSet  # `Batches` where the learner is stepped
    benchmark: Callable[[Any, Inputs], Benchmark]
    variants: Mapping[str, Mapping[str, object]] = field(default_factory=lambda: {"": {}})  # name -> changed numbers
    targets: tuple[Target, ...] = ()
    asks: tuple[Ask, ...] = ()

    def recipe(self, name: str, *, variant: str = "", **changes: object) -> Recipe:
        """A recipe of this family by name, as a variant has it, with some numbers changed.

        Raises:
            ValueError: no such recipe or variant, or a change that does not fit.
        """
        if name not in self.recipes:
            raise ValueError(f"{self.name} has no recipe {name!r}; it has: {', '.join(self.recipes)}")
        if variant not in self.variants:
            known = ", ".join(self.variants)
            raise ValueError(f"{self.name} has no variant {variant!r}; it has: {known or 'none'}")
        return self.recipes[name].but(**self.variants[variant], **changes)

    def entry(self, recipe: Recipe, *, variant: str = "") -> Entry:
        """The entry that a recipe of this family makes."""
        return Entry.of(self.name, recipe.scored, variant=variant)

    def build(self, recipe: Recipe, facts: Facts, upstream: Mapping[str, nn.Module]) -> Learner:
        """A learner, on the upstream predictors that are parts of it."""
        if not recipe.parts:
            return self.learner(recipe, facts)
        return self.learner(recipe, facts, upstream={entry: upstream[entry] for entry in recipe.parts})

    def recipe_type(self) -> type[Recipe]:
        """The class of this family's recipes."""
        return type(next(iter(self.recipes.values())))

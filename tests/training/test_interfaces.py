"""Kinds of learners that the interfaces have to carry: fitted, in variants, on two upstream entries, growing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pytest
import torch
from pydantic import Field
from safetensors.torch import save_file
from torch import Tensor, nn

import zoo
from zoo.artifact import Identity, seal
from zoo.catalogue import CATALOGUE, Listing
from zoo.contracts import Batch, Facts, Family, Inputs, Learner, Recipe, Scalars, Upstream
from zoo.tasks.segmentation import SegmentationFacts
from zoo.training import Progress, Updater, train

X = torch.linspace(-1, 1, 32).view(-1, 1)
FACTS = {"examples": len(X)}


class ToyRecipe(Recipe):
    """Regression of x^2 from noise-free examples."""

    shape: Literal["square", "cube"] = "square"


class ToyFacts(Facts):
    """A memory has to be as large as what it is to hold."""

    examples: int


class Examples:
    """Pairs in memory."""

    def __init__(self, recipe: ToyRecipe, _inputs: Inputs) -> None:
        self.x, self.y = X, X ** (2 if recipe.shape == "square" else 3)
        self.facts = ToyFacts(examples=len(self.x))

    def __call__(self, step: int) -> Batch:
        chosen = slice(8 * (step % 4), 8 * (step % 4) + 8)
        return {"x": self.x[chosen], "y": self.y[chosen]}


class Nearest(nn.Module):
    """Answers with the value of the nearest example."""

    def __init__(self, examples: int) -> None:
        super().__init__()
        self.register_buffer("x", torch.zeros(examples, 1))
        self.register_buffer("y", torch.zeros(examples, 1))

    def forward(self, x: Tensor) -> Tensor:
        nearest: Tensor = self.y[(x - self.x.T).abs().argmin(dim=1)]
        return nearest


class NearestLearner(Learner):
    """Remembers the training set; nothing is stepped."""

    def __init__(self, _recipe: ToyRecipe, facts: ToyFacts) -> None:
        super().__init__()
        self.network = Nearest(facts.examples)

    def fit(self, training_set: Examples) -> None:
        self.network.x.copy_(training_set.x)
        self.network.y.copy_(training_set.y)

    def predictor(self) -> Nearest:
        return self.network


class Both(nn.Module):
    """The mean of two upstream predictors, and a bias that is learned."""

    def __init__(self, one: nn.Module, other: nn.Module) -> None:
        super().__init__()
        self.one, self.other = one.requires_grad_(False), other.requires_grad_(False)
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        mean: Tensor = (self.one(x) + self.other(x)) / 2 + self.bias
        return mean


class BothRecipe(ToyRecipe):
    """On two entries of one family."""

    @property
    def needs(self) -> tuple[str, ...]:
        return ("toy-nearest-square.toy", "toy-nearest-cube.toy")


class BothLearner(Learner):
    def __init__(self, _recipe: BothRecipe, _facts: Facts, upstream: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.network = Both(*upstream.values())
        self.update = Updater([self.network.bias], torch.optim.SGD, lr=0.1)

    def step(self, batch: Batch) -> Scalars:
        loss = (self.network(batch["x"]) - batch["y"]).square().mean()
        self.update(loss)
        return {"loss": loss.detach()}

    def predictor(self) -> Both:
        return self.network


class GrowingRecipe(ToyRecipe):
    grows_at: int = Field(4, ge=1)


class Growing(nn.Module):
    """A line; from some step on a parabola."""

    def __init__(self) -> None:
        super().__init__()
        self.line, self.curve = nn.Linear(1, 1), nn.Parameter(torch.zeros(()))
        self.register_buffer("grown", torch.tensor(0.0))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.line(x) + self.grown * self.curve * x**2
        return y


class GrowingLearner(Learner):
    """Two stages; every second step reports how large the weights are."""

    def __init__(self, recipe: GrowingRecipe, _facts: Facts) -> None:
        super().__init__()
        self.network = Growing()
        self.grows_at = recipe.grows_at
        self.typical_step = recipe.grows_at
        self.round = 2
        self.update = Updater(self.network.parameters(), torch.optim.SGD, lr=0.1, momentum=0.9)

    def step(self, batch: Batch) -> Scalars:
        if self.update.updates == self.grows_at:
            self.network.grown.fill_(1.0)
        loss = (self.network(batch["x"]) - batch["y"]).square().mean()
        odd = self.update.updates % 2
        self.update(loss)
        size = {"size": self.network.line.weight.detach().abs().sum()}
        return {"loss": loss.detach()} | (size if odd else {})

    def predictor(self) -> Growing:
        return self.network


def _unscored(_recipe: ToyRecipe, _inputs: Inputs) -> None:
    raise AssertionError("nothing here is scored")


def family(name: str, learner: type[Learner], recipe: type[ToyRecipe], *, steps: int) -> Family:
    return Family(
        name=name,
        paper="none",
        recipes={"smoke": recipe(dataset="toy", steps=steps, batch_size=8)},
        learner=learner,
        facts=ToyFacts,
        training_set=Examples,
        benchmark=_unscored,  # type: ignore[arg-type]
        variants={shape: {"shape": shape} for shape in ("square", "cube")},
    )


NEAREST = family("toy-nearest", NearestLearner, ToyRecipe, steps=0)
BOTH = family("toy-both", BothLearner, BothRecipe, steps=20)
GROWING = family("toy-growing", GrowingLearner, GrowingRecipe, steps=12)


@pytest.fixture(autouse=True)
def _catalogued(monkeypatch: pytest.MonkeyPatch) -> None:
    for attribute in ("NEAREST", "BOTH", "GROWING"):
        name = globals()[attribute].name
        monkeypatch.setitem(CATALOGUE, name, Listing(f"{__name__}:{attribute}", name, "none"))
    monkeypatch.setattr("zoo.catalogue.family", {f.name: f for f in (NEAREST, BOTH, GROWING)}.__getitem__)


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    return Inputs(datasets=tmp_path)


def sealed(of: Family, predictor: nn.Module, folder: Path, upstream: dict[str, Identity]) -> Path:
    recipe = of.recipe("smoke", variant="square")
    identity = Identity(
        family=of.name, recipe_name="smoke", recipe=recipe.model_dump(mode="json"), facts=FACTS, upstream=upstream
    )
    folder.mkdir()
    (folder / "recipe.json").write_text(identity.model_dump_json())
    save_file({name: value.clone() for name, value in predictor.state_dict().items()}, folder / "weights.safetensors")
    seal(folder)
    return folder


def test_a_fitted_learner_is_timed_once_and_loads(inputs: Inputs, tmp_path: Path) -> None:
    trained = train(NEAREST, NEAREST.recipe("smoke", variant="square"), inputs, tmp_path / "run")
    predictor = trained.learner.predictor()
    assert torch.equal(predictor(X), X**2)
    assert trained.seconds > 0
    loaded = zoo.load(sealed(NEAREST, predictor, tmp_path / "model", {}))
    assert torch.equal(loaded(X + 1e-4), X**2)


def test_variants_are_entries_of_their_own(inputs: Inputs, tmp_path: Path) -> None:
    made = {}
    for variant in NEAREST.variants:
        recipe = NEAREST.recipe("smoke", variant=variant)
        entry = NEAREST.entry(recipe, variant=variant)
        assert (entry.family, entry.variant, entry.dataset) == ("toy-nearest", variant, "toy")
        made[entry] = train(NEAREST, recipe, inputs, tmp_path / entry).learner.predictor()(X)
    assert list(made) == ["toy-nearest-square.toy", "toy-nearest-cube.toy"]
    assert torch.equal(made["toy-nearest-cube.toy"], X**3)
    with pytest.raises(ValueError, match="no variant 'circle'; it has: square, cube"):
        NEAREST.recipe("smoke", variant="circle")


def test_two_upstream_entries_of_one_family(inputs: Inputs, tmp_path: Path) -> None:
    needed, identities = {}, {}
    for variant in NEAREST.variants:
        recipe = NEAREST.recipe("smoke", variant=variant)
        entry = NEAREST.entry(recipe, variant=variant)
        predictor = train(NEAREST, recipe, inputs, tmp_path / entry).learner.predictor()
        needed[entry] = Upstream(entry=entry, predictor=predictor, digest="0" * 64)
        identities[str(entry)] = Identity(
            family=NEAREST.name,
            variant=variant,
            recipe_name="smoke",
            recipe=recipe.model_dump(mode="json"),
            facts=FACTS,
        )
    recipe = BOTH.recipe("smoke", variant="square")
    fed = Inputs(datasets=inputs.datasets, upstream=needed)
    predictor = train(BOTH, recipe, fed, tmp_path / "run").learner.predictor()
    plain = (X**2 + X**3) / 2
    assert torch.allclose(predictor(X) - predictor.bias, plain)
    loaded = zoo.load(sealed(BOTH, predictor, tmp_path / "model", identities))  # without the entries at hand
    assert torch.equal(loaded(X), predictor(X))


def test_a_network_that_grows_resumes_exactly_and_reports_what_it_computed(inputs: Inputs, tmp_path: Path) -> None:
    recipe = GROWING.recipe("smoke", variant="square")
    reported: list[Mapping[str, float]] = []

    def stop(progress: Progress) -> None:
        if progress.step == 6:
            raise KeyboardInterrupt

    whole = train(GROWING, recipe, inputs, tmp_path / "whole", report=lambda p: reported.append(p.scalars))
    assert [set(scalars) for scalars in reported] == [{"loss"}, {"loss", "size"}] * 6
    assert float(whole.learner.predictor().grown) == 1
    with pytest.raises(KeyboardInterrupt):
        train(GROWING, recipe, inputs, tmp_path / "parts", report=stop, checkpoint_seconds=0)
    parts = train(GROWING, recipe, inputs, tmp_path / "parts")
    for name, value in whole.learner.predictor().state_dict().items():
        assert torch.equal(parts.learner.predictor().state_dict()[name], value), name


def test_facts_of_before_tasks_had_their_own_still_load() -> None:
    old = {"channels": 3, "height": 0, "width": 0, "classes": ["cat"]}
    assert Facts.recorded(old) == Facts()
    assert SegmentationFacts.recorded(old) == SegmentationFacts(classes=("cat",))
    with pytest.raises(ValueError, match="examples"):
        ToyFacts.recorded(old)
    with pytest.raises(ValueError, match="words"):
        Facts.recorded({"words": 3})


def test_stepping_what_is_only_fitted_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing of NearestLearner is stepped"):
        NEAREST.learner(NEAREST.recipe("smoke", variant="square"), ToyFacts(**FACTS)).step({"x": X})

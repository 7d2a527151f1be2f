"""The promises that every family of the catalogue keeps, on its own `smoke` recipe and a little of the made data."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

import zoo
from zoo.artifact import Identity, seal
from zoo.catalogue import CATALOGUE, family
from zoo.contracts import Batches, Benchmark, Family, Inputs, Learner, Recipe, Upstream
from zoo.entry import Entry
from zoo.evaluation.evaluate import evaluate
from zoo.evaluation.sample_quality import SamplerRecipe
from zoo.scoring.units import Units
from zoo.training import Progress, train

STEPS = 4
DRAWS = 100  # pictures that samplers are scored on
EXPECTED = Path(__file__).parent.parent / "expected" / "parameters.json"

pytestmark = pytest.mark.parametrize("name", CATALOGUE)


class Short:
    """A family's smoke recipe, cut to a few steps, with what it needs."""

    def __init__(self, name: str, datasets: Path) -> None:
        self.of: Family = family(name)
        smoke = self.of.recipe("smoke")
        drawn = {"draws": DRAWS} if isinstance(smoke, SamplerRecipe) else {}
        # What is not trained has 0 steps and stays so.
        self.recipe: Recipe = smoke.but(steps=min(STEPS, smoke.steps), **drawn)
        needed = (*self.recipe.needs, *self.recipe.scoring_needs)
        upstream = {entry: _upstream(Entry(entry), datasets) for entry in needed}
        self.inputs = Inputs(datasets=datasets, upstream=upstream, cache=datasets.parent / "cache")

    def trained(self) -> tuple[Learner, list[dict[str, float]]]:
        """The learner of an uninterrupted run, a copy, and its losses."""
        learner, losses = _trained(self.of.name, self.inputs.datasets)
        return deepcopy(learner), losses

    def train(self, folder: Path, **changes: object) -> tuple[Learner, list[dict[str, float]]]:
        losses: list[dict[str, float]] = []

        def report(progress: Progress) -> None:
            losses.append(dict(progress.scalars))

        trained = train(self.of, self.recipe.but(**changes), self.inputs, folder, report=report, checkpoint_seconds=0)
        return trained.learner, losses

    def interrupted(self, folder: Path, *, after: int, **changes: object) -> list[dict[str, float]]:
        """Train until this step and no further; the losses so far."""
        losses: list[dict[str, float]] = []

        def report(progress: Progress) -> None:
            losses.append(dict(progress.scalars))
            if progress.step == after:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(self.of, self.recipe.but(**changes), self.inputs, folder, report=report, checkpoint_seconds=0)
        return losses

    def batches(self, **changes: object) -> Batches:
        """Of a family that is stepped; of another one the test that asks is skipped."""
        if not self.recipe.steps:
            pytest.skip("nothing is stepped, so there are no batches")
        return cast(Batches, self.of.training_set(self.recipe.but(**changes), self.inputs))

    def learner(self) -> Learner:
        upstream = {entry: deepcopy(needed.predictor) for entry, needed in self.inputs.upstream.items()}
        return self.of.build(self.recipe, self.of.training_set(self.recipe, self.inputs).facts, upstream)

    def benchmark(self) -> Benchmark:
        return self.of.benchmark(self.recipe, self.inputs)


@cache
def _trained(name: str, datasets: Path) -> tuple[Learner, list[dict[str, float]]]:
    """A family's short run, made once for all that ask: nobody changes it."""
    return Short(name, datasets).train(datasets.parent / "trained" / name)


def _upstream(entry: Entry, datasets: Path) -> Upstream:
    short = Short(entry.family, datasets)
    assert short.of.entry(short.recipe) == entry
    learner, _ = _trained(entry.family, datasets)
    return Upstream(entry=entry, predictor=deepcopy(learner.predictor()).eval(), digest="0" * 64)


def _identity(of: Family, recipe: Recipe, inputs: Inputs) -> Identity:
    needed = {entry: Short(Entry(entry).family, inputs.datasets) for entry in recipe.parts}
    return Identity(
        family=of.name,
        recipe_name="smoke",
        recipe=recipe.model_dump(mode="json"),
        facts=of.training_set(recipe, inputs).facts.model_dump(mode="json"),
        upstream={entry: _identity(short.of, short.recipe, short.inputs) for entry, short in needed.items()},
    )


@pytest.fixture
def short(name: str, little: Path) -> Short:
    return Short(name, little)


def test_has_the_three_recipes_and_they_survive_json(name: str) -> None:
    recipes = family(name).recipes
    assert {"smoke", "mini", "paper"} <= set(recipes)
    for recipe in recipes.values():
        assert type(recipe).model_validate_json(recipe.model_dump_json()) == recipe


def test_refuses_an_unknown_key_and_an_impossible_number(name: str) -> None:
    with pytest.raises(ValidationError, match="learning_rat"):
        family(name).recipe("smoke", learning_rat=0.1)
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        family(name).recipe("smoke", batch_size=0)
    with pytest.raises(ValueError, match="has no recipe 'huge'; it has: "):
        family(name).recipe("huge")


def test_a_batch_is_a_function_of_seed_and_step(short: Short) -> None:
    batches = short.batches()
    first = batches(2)
    batches(0)
    np.random.default_rng().normal()
    with ThreadPoolExecutor(4) as threads:
        for again in threads.map(batches, [2] * 4):
            assert all(torch.equal(first[key], again[key]) for key in first)
    other = short.batches(seed=1)(2)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_same_seed_same_losses_and_another_seed_others(short: Short, tmp_path: Path) -> None:
    one, losses = short.trained()
    two, same = short.train(tmp_path / "again")
    assert losses == same
    assert _equal(one.predictor().state_dict(), two.predictor().state_dict())
    if short.recipe.steps:
        assert short.interrupted(tmp_path / "other", after=1, seed=1) != losses[:1]


def test_resuming_is_bit_exact(short: Short, tmp_path: Path) -> None:
    if not short.recipe.steps:
        pytest.skip("nothing is trained, so nothing is resumed")
    whole, _ = short.trained()
    short.interrupted(tmp_path / "parts", after=STEPS // 2)
    parts, _ = short.train(tmp_path / "parts")
    assert _equal(_tensors(whole.state_dict()), _tensors(parts.state_dict()))


def test_every_weight_moves_or_is_declared_frozen(short: Short) -> None:
    recipe = short.recipe
    batches = short.batches()
    learner = short.learner().train()
    before = {key: value.detach().clone() for key, value in learner.named_parameters() if value.requires_grad}
    for step in range(recipe.steps):
        torch.manual_seed(step)
        learner.step(batches(step))
    still = [key for key, value in learner.named_parameters() if key in before and torch.equal(before[key], value)]
    assert not still, f"{short.of.name}: never moved and not declared frozen: {still}"


def test_has_the_number_of_parameters_on_record(short: Short, name: str, request: pytest.FixtureRequest) -> None:
    counted = sum(p.numel() for p in short.learner().predictor().parameters())
    record: dict[str, int] = json.loads(EXPECTED.read_text()) if EXPECTED.exists() else {}
    if request.config.getoption("--accept"):
        EXPECTED.write_text(json.dumps(record | {name: counted}, indent=2, sort_keys=True) + "\n")
        return
    assert counted == record.get(name), "if this is meant, run pytest with --accept"


def test_saved_and_loaded_it_predicts_the_same_and_scores_within_range(short: Short, tmp_path: Path) -> None:
    learner, _ = short.trained()
    predictor, benchmark = learner.predictor().eval(), short.benchmark()
    units = evaluate(benchmark, predictor).units
    kept = deepcopy(units)
    values = benchmark.scoring.aggregate(units)
    for metric in benchmark.scoring.metrics:
        metric.check(values[metric.name])
    assert _same_units(units, kept), "aggregate changed its input"

    loaded = zoo.load(sealed(short, learner, tmp_path / "model"))
    assert _same_units(evaluate(benchmark, loaded).units, units)
    units.write(tmp_path / "units.parquet")
    assert benchmark.scoring.aggregate(Units.read(tmp_path / "units.parquet")) == values


def sealed(short: Short, learner: Learner, folder: Path) -> Path:
    """The folder of a model, as the night seals it but for what it scored."""
    folder.mkdir()
    (folder / "recipe.json").write_text(_identity(short.of, short.recipe, short.inputs).model_dump_json())
    weights = {key: value.contiguous().clone() for key, value in learner.predictor().state_dict().items()}
    save_file(weights, folder / "weights.safetensors")
    seal(folder)
    return folder


def _tensors(state: Mapping[str, object], prefix: str = "") -> dict[str, torch.Tensor]:
    """Every tensor of a nested state, optimizers' moments included, by path."""
    found: dict[str, torch.Tensor] = {}
    for key, value in state.items():
        if isinstance(value, torch.Tensor):
            found[f"{prefix}{key}"] = value
        elif isinstance(value, Mapping):
            found |= _tensors(value, f"{prefix}{key}.")
    return found


def _equal(a: Mapping[str, torch.Tensor], b: Mapping[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def _same_units(a: Units, b: Units) -> bool:
    def same(x: np.ndarray, y: np.ndarray) -> bool:
        if x.dtype == object:
            return all(np.array_equal(i, j, equal_nan=True) for i, j in zip(x, y, strict=True))
        return np.array_equal(x, y)

    return all(same(a.rows[key], b.rows[key]) for key in a.rows if key != "seconds_per_frame")

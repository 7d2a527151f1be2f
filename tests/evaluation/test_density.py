"""Bits per dimension of predictors that know nothing or all."""

import math
from pathlib import Path

import pytest
import torch

from zoo.contracts import Inputs
from zoo.evaluation.density import DensityBenchmark
from zoo.evaluation.evaluate import evaluate
from zoo.scoring.likelihood import BitsPerDimension
from zoo.scoring.protocols import scoring


class Uniform:
    """Knows nothing: every value has probability 1/256."""

    def log_likelihood(self, images: torch.Tensor, *, seed: int) -> torch.Tensor:  # noqa: ARG002
        return torch.full((len(images),), -images[0].numel() * math.log(256), dtype=torch.float64)


class Certain:
    """Knows every picture."""

    def log_likelihood(self, images: torch.Tensor, *, seed: int) -> torch.Tensor:  # noqa: ARG002
        return torch.zeros(len(images), dtype=torch.float64)


def test_knowing_nothing_costs_8_bits_and_knowing_all_costs_none(datasets: Path) -> None:
    benchmark = DensityBenchmark("digits", Inputs(datasets=datasets))
    for predictor, bits in ((Uniform(), 8.0), (Certain(), 0.0)):
        assert benchmark.scoring.aggregate(evaluate(benchmark, predictor).units)["bits_per_dim"] == pytest.approx(bits)


def test_pictures_in_another_order_are_no_pairs(datasets: Path) -> None:
    benchmark = DensityBenchmark("digits", Inputs(datasets=datasets))
    before = evaluate(benchmark, Uniform()).units
    before.check_paired(evaluate(benchmark, Certain()).units)
    benchmark.images = benchmark.images[::-1].copy()
    with pytest.raises(ValueError, match="column 'id' differs"):
        evaluate(benchmark, Certain()).units.check_paired(before)


def test_a_protocol_finds_its_scoring(datasets: Path) -> None:
    assert scoring(DensityBenchmark("digits", Inputs(datasets=datasets)).protocol) == BitsPerDimension()

"""Bits per dimension of predictors that know nothing or all."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from zoo.contracts import Inputs
from zoo.evaluation.density import DensityBenchmark
from zoo.evaluation.evaluate import evaluate
from zoo.evaluation.histogram import HistogramDensity
from zoo.scoring.likelihood import BitsPerDimension
from zoo.scoring.protocols import scoring


class Uniform:
    """Knows nothing: every value has probability 1/256."""

    exact = True

    def log_likelihood(self, images: torch.Tensor, *, seed: int) -> torch.Tensor:  # noqa: ARG002
        return torch.full((len(images),), -images[0].numel() * math.log(256), dtype=torch.float64)


class Certain:
    """Knows every picture."""

    exact = True

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


def test_each_kind_of_model_has_its_floor_and_says_which_number_it_gives(datasets: Path) -> None:
    """One board for both. 17 of 256 values are used, which a histogram sees and a Gaussian does not."""
    inputs = Inputs(datasets=datasets)
    for discrete, kind, bits in ((True, "exact", 2.363), (False, "bound", 6.434)):
        benchmark = DensityBenchmark("digits", inputs, discrete=discrete)
        assert benchmark.protocol == "digits-test/bpd@1"
        _, floor = benchmark.floor()
        scored = evaluate(benchmark, floor)
        assert scored.kind == kind
        assert benchmark.scoring.aggregate(scored.units)["bits_per_dim"] == pytest.approx(bits, abs=5e-4)


def test_a_histogram_by_hand_and_nothing_is_impossible() -> None:
    """Two pixels of three pictures, each with one picture more as all six values are, and those with one more."""
    images = np.array([[7, 9], [7, 9], [8, 9]], dtype=np.uint8)[:, None, None]
    histogram = HistogramDensity(images)
    share = {7: (2 + 1 / 256) / 7, 9: (3 + 1 / 256) / 7, 0: (1 / 256) / 7}
    asked = torch.tensor([[7, 9], [0, 7]], dtype=torch.uint8)[:, None, None]
    by_hand = [(2 + share[7]) / 4 * (3 + share[9]) / 4, share[0] / 4 * share[7] / 4]
    assert histogram.log_likelihood(asked, seed=0).exp().tolist() == pytest.approx(by_hand)
    every = torch.arange(256, dtype=torch.uint8)[:, None, None, None].expand(256, 1, 1, 2)
    assert np.exp(histogram.log_probability).sum(axis=1).tolist() == pytest.approx([1.0, 1.0])
    assert histogram.log_likelihood(every, seed=0).isfinite().all()

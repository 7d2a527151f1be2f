"""End-point errors of pairs whose truth is known."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from zoo.contracts import Inputs
from zoo.data.flow import open_flow
from zoo.evaluation.evaluate import evaluate
from zoo.evaluation.flow import FlowBenchmark
from zoo.optical_flow.raft import RAFT


class Oracle:
    """Answers the truth of one pair after the other."""

    def __init__(self, folder: Path, split: str) -> None:
        self.pairs = iter(open_flow(folder, split))

    def flow(self, _first: torch.Tensor, _second: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(next(self.pairs).flow).permute(2, 0, 1)[None]


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "split", "counting", "length"),
    [
        ("flow_sintel", "clean", "epe@1", 2.982249),
        ("flow_kitti", "training", "kitti-epe@1", 51.00966),
        ("flow_middlebury", "other", "epe@1", 1.256039),
    ],
)
def test_real_pairs(shared_data: Path, name: str, split: str, counting: str, length: float) -> None:
    """The truth is off by nothing, zero flow by the mean length of the truth."""
    benchmark = FlowBenchmark(name, Inputs(datasets=shared_data), split=split)
    assert benchmark.protocol == f"{name}-{split}/{counting}"
    perfect = benchmark.scoring.aggregate(evaluate(benchmark, Oracle(shared_data / name, split)).units)
    assert perfect == {"EPE": 0, "Fl_all": 0, "within_1px": 1, "within_3px": 1, "within_5px": 1}
    floor = evaluate(benchmark, benchmark.floor()[1])
    still = benchmark.scoring.aggregate(floor.units)
    assert still["EPE"] == pytest.approx(length, rel=1e-5)
    pictures = benchmark.pictures(floor, floor)
    assert [picture.dtype for picture in pictures.values()] == [np.uint8]


@pytest.mark.shared_data
def test_passes_of_sintel_are_scored_apart(shared_data: Path, tmp_path: Path) -> None:
    """Under the name that published numbers have, and the same truth."""
    for kept, gone in (("clean", "final"), ("final", "clean")):
        folder = tmp_path / f"sintel-{kept}"
        shutil.copytree(shared_data / "flow_sintel", folder, copy_function=shutil.copyfile)
        shutil.rmtree(folder / "training" / gone)
        recipe = RAFT.recipe("paper", scored_on=folder.name)
        benchmark = RAFT.benchmark(recipe, Inputs(datasets=tmp_path))
        assert benchmark.protocol == f"sintel-{kept}-training/epe@1"
        assert recipe.scored in {target.dataset for target in RAFT.targets}
        still = benchmark.scoring.aggregate(evaluate(benchmark, benchmark.floor()[1]).units)
        assert still["EPE"] == pytest.approx(2.982249, rel=1e-5)


class Told:
    """Remembers the pictures it is shown."""

    def flow(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        self.first, self.second = first, second
        return torch.zeros(1, 2, *first.shape[2:])


def test_pictures_are_shown_in_their_order(datasets: Path) -> None:
    """Swapped, an estimator would say the flow from the second picture to the first."""
    benchmark, told = FlowBenchmark("collage-flow", Inputs(datasets=datasets), split="val"), Told()
    evaluate(benchmark, told)
    last = benchmark.pairs[len(benchmark.pairs) - 1]
    for shown, picture in ((told.first, last.first), (told.second, last.second)):
        assert np.array_equal(shown[0].permute(1, 2, 0).numpy(), picture)
    assert not torch.equal(told.first, told.second)


def test_units_and_pictures_of_made_pairs(datasets: Path) -> None:
    benchmark = FlowBenchmark("collage-flow", Inputs(datasets=datasets), split="val")
    perfect = evaluate(benchmark, Oracle(datasets / "collage-flow", "val"))
    assert list(perfect.units.rows["id"]) == list(benchmark.pairs.ids)
    assert benchmark.scoring.aggregate(perfect.units)["EPE"] == 0
    assert len(perfect.shown) == len(benchmark.pictures(perfect, perfect)) == 4
    for name, flow in perfect.shown.items():
        assert np.array_equal(flow, benchmark.pairs[benchmark.pairs.ids.index(name)].flow)

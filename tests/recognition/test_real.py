"""A hundred real pictures of CIFAR-10 through the networks that see colour, with their floor and pictures."""

from pathlib import Path

import numpy as np
import pytest
import torch

from zoo.catalogue import family
from zoo.contracts import Inputs
from zoo.data.cifar10 import RECORD
from zoo.evaluation.evaluate import evaluate
from zoo.training import train


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["k-nn", "cnn", "vit", "convnext"])
def test_learns_from_eighty_and_names_twenty(name: str, shared_data: Path, tmp_path: Path) -> None:
    (sample,) = shared_data.glob("generation_cifar10/**/*_batch*.bin")
    records = np.fromfile(sample, np.uint8).reshape(-1, RECORD)
    folder = tmp_path / "cifar10"
    folder.mkdir()
    records[:80].tofile(folder / "data_batch_1.bin")
    records[80:].tofile(folder / "test_batch.bin")
    of, inputs = family(name), Inputs(datasets=tmp_path)
    cifar = of.recipes["cifar10"]
    recipe = cifar.but(steps=min(2, cifar.steps), batch_size=min(16, cifar.batch_size))
    learner = train(of, recipe, inputs, tmp_path / "run", device="cpu").learner
    benchmark = of.benchmark(recipe, inputs)
    scored, floor = evaluate(benchmark, learner.predictor()), evaluate(benchmark, benchmark.floor()[1])
    assert len(scored.units) == len(floor.units) == 20
    shares = torch.from_numpy(scored.units.rows["scores"]).sum(1)
    assert torch.allclose(shares, torch.ones(20), atol=1e-5)
    for picture in {**benchmark.pictures(scored, floor), **learner.pictures()}.values():
        assert picture.shape[2] == 3

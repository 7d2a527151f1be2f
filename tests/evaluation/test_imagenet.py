"""ImageNet's protocol on made pictures: the crop as torchvision has it, and the five likeliest."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from zoo.contracts import Inputs
from zoo.evaluation.evaluate import evaluate
from zoo.evaluation.imagenet import ImageNetBenchmark, central, classification
from zoo.scoring.protocols import scoring
from zoo.training.augmented import Augmented

CLASSES = 8


def recipe(dataset: str) -> Augmented:
    return Augmented(dataset=dataset, steps=1, batch_size=1)


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    random = np.random.default_rng(0)
    for label in range(CLASSES):
        wnid = f"n{label:08}"
        for split, count in (("train", 2 + (label == 5)), ("val", 1)):
            for i in range(count):
                path = tmp_path / "imagenet" / split / wnid / f"{split}_{label}_{i}.JPEG"
                path.parent.mkdir(parents=True, exist_ok=True)
                noise = random.integers(256, size=(7, 9, 3), dtype=np.uint8)
                Image.fromarray(noise).resize((300 + 10 * label, 260)).save(path)
    return Inputs(datasets=tmp_path, cache=tmp_path / "cache")


class Knowing:
    """Puts the right class third, in the order that pictures come in."""

    def __init__(self) -> None:
        self.seen = 0

    def probabilities(self, images: torch.Tensor) -> torch.Tensor:
        assert images.shape[1:] == (3, 224, 224)
        scores = torch.zeros(len(images), CLASSES)
        for row in range(len(images)):
            label = self.seen + row
            for place, further in enumerate((1, 2, 0, 3, 4)):
                scores[row, (label + further) % CLASSES] = (5 - place) / 15
        self.seen += len(images)
        return scores


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (300, 300), (256, 700), (1000, 257), (30, 40)])
def test_the_crop_is_torchvisions(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(256, size=(9, 7, 3), dtype=np.uint8)
    picture = Image.fromarray(noise).resize(size)
    peer = v2.Compose([v2.Resize(256, v2.InterpolationMode.BICUBIC), v2.CenterCrop(224)])
    assert np.array_equal(central(np.asarray(picture), shorter=256, crop=224), np.asarray(peer(picture)))


def test_keeps_the_five_likeliest_of_every_validation_picture(inputs: Inputs) -> None:
    benchmark = classification(recipe("imagenet"), inputs)
    assert isinstance(benchmark, ImageNetBenchmark)
    assert benchmark.protocol == "imagenet-val/top5@1:bicubic256-crop224"
    assert scoring(benchmark.protocol) == benchmark.scoring
    scored = evaluate(benchmark, Knowing())
    assert scored.units.rows["named"].shape == (CLASSES, 5)
    assert benchmark.scoring.aggregate(scored.units) == {"accuracy": 0.0, "top5_accuracy": 1.0}
    method, trivial = benchmark.floor()
    assert method == "majority class"
    floor = evaluate(benchmark, trivial)
    assert set(floor.units.rows["named"][:, 0].tolist()) == {5}  # of which train has one more
    drawn = benchmark.pictures(scored, floor)["named"]
    assert drawn.dtype == np.uint8


def test_pictures_of_one_size_keep_their_protocol(datasets: Path) -> None:
    assert classification(recipe("digits"), Inputs(datasets=datasets)).protocol == "digits-test/accuracy@1"

"""The benchmark on a data set of three tiny pictures."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zoo.contracts import Inputs
from zoo.data.segmentation import open_segmentation
from zoo.drawing.colours import voc_colours
from zoo.evaluation.evaluate import evaluate
from zoo.evaluation.segmentation import SegmentationBenchmark

NAMES = ("background", "cat", "dog")


@pytest.fixture
def tiny(tmp_path: Path) -> Inputs:
    """Three classes; the training split is mostly dog, pictures differ in size."""
    rng = np.random.default_rng(2)
    root = tmp_path / "tiny"
    for part in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / part).mkdir(parents=True)
    (root / "classes.txt").write_text("\n".join(NAMES))
    for name, (height, width), odds in [
        ("t", (20, 30), (1, 2, 7)),
        ("a", (20, 30), (6, 2, 2)),
        ("b", (33, 17), (5, 5, 0)),
    ]:
        Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).save(root / "JPEGImages" / f"{name}.jpg")
        label = rng.choice([*range(3), 255], size=(height, width), p=[*(0.09 * np.array(odds)), 0.1])
        Image.fromarray(label.astype(np.uint8)).save(root / "SegmentationClass" / f"{name}.png")
    (root / "ImageSets/Segmentation/train.txt").write_text("t\n")
    (root / "ImageSets/Segmentation/val.txt").write_text("a\nb\n")
    return Inputs(datasets=tmp_path)


class Oracle:
    """Knows the truth of every picture, void included as class 0."""

    def __init__(self, inputs: Inputs) -> None:
        split = open_segmentation(inputs.dataset("tiny"), "val")
        self.known = {image.tobytes(): label for image, label in (split[i] for i in range(len(split)))}

    def segment(self, images: torch.Tensor) -> torch.Tensor:
        labels = [self.known[image.permute(1, 2, 0).numpy().tobytes()] for image in images]
        return torch.from_numpy(np.stack(labels)).long() % 255


def test_perfect_segmentation_scores_one(tiny: Inputs) -> None:
    benchmark = SegmentationBenchmark("tiny", tiny)
    units = evaluate(benchmark, Oracle(tiny)).units
    assert benchmark.protocol == "tiny-val/miou@1"
    assert units.rows["confusion"].shape == (2, 3, 3)
    assert set(benchmark.scoring.aggregate(units).values()) == {1.0}


def written(folder: Path, split: str, labels: list[np.ndarray]) -> None:
    """A split of black pictures with these labels, in VOC's layout."""
    for part in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "classes.txt").write_text("\n".join(NAMES))
    for i, label in enumerate(labels):
        Image.fromarray(np.zeros((*label.shape, 3), np.uint8)).save(folder / "JPEGImages" / f"{split}{i}.jpg")
        Image.fromarray(label.astype(np.uint8)).save(folder / "SegmentationClass" / f"{split}{i}.png")
    names = "\n".join(f"{split}{i}" for i in range(len(labels)))
    (folder / "ImageSets/Segmentation" / f"{split}.txt").write_text(names)


def test_the_floor_is_what_is_most_frequent_at_each_position_of_the_training_pictures(tmp_path: Path) -> None:
    """Cats above dogs in two pictures of three, at any size; nothing of it is learned from the pictures scored."""
    cats_above = np.repeat([1, 2], 32)[:, None].repeat(64, axis=1)
    other = np.zeros((32, 96), np.int64)
    written(tmp_path / "tiny", "train", [cats_above, cats_above[:, :48], other])
    written(tmp_path / "tiny", "val", [np.repeat([1, 2], 20)[:, None].repeat(30, axis=1), np.full((40, 50), 2)])
    benchmark = SegmentationBenchmark("tiny", Inputs(datasets=tmp_path))
    name, trivial = benchmark.floor()
    assert name == "most frequent class of each position"
    units = evaluate(benchmark, trivial).units
    assert units.rows["confusion"][0].tolist() == [[0, 0, 0], [0, 600, 0], [0, 0, 600]]
    assert units.rows["confusion"][1].tolist() == [[0, 0, 0], [0, 0, 0], [0, 1000, 1000]]


def test_void_is_never_the_floors_class(tmp_path: Path) -> None:
    """Where nothing is labelled it says what is most frequent elsewhere."""
    half_void = np.full((64, 64), 255)
    half_void[:32, :40] = 2
    half_void[:32, 40:] = 1
    written(tmp_path / "tiny", "train", [half_void])
    written(tmp_path / "tiny", "val", [np.full((64, 64), 2)])
    benchmark = SegmentationBenchmark("tiny", Inputs(datasets=tmp_path))
    confusion = evaluate(benchmark, benchmark.floor()[1]).units.rows["confusion"][0]
    assert confusion[2].tolist() == [0, 32 * 24, 64 * 64 - 32 * 24]


@pytest.mark.shared_data
def test_the_floor_of_real_streets_knows_where_sky_and_road_are(shared_data: Path) -> None:
    benchmark = SegmentationBenchmark("segmentation_camvid", Inputs(datasets=shared_data))
    floor = benchmark.scoring.aggregate(evaluate(benchmark, benchmark.floor()[1]).units)
    assert floor["mIoU"] == pytest.approx(0.161, abs=0.001)  # the majority class has 0.026


def test_pictures_show_photo_truth_prediction_and_legend(tiny: Inputs) -> None:
    benchmark = SegmentationBenchmark("tiny", tiny)
    scored = evaluate(benchmark, Oracle(tiny))
    panels = benchmark.pictures(scored, scored)
    image, truth = benchmark.val[0]
    panel = panels["a"]
    assert set(panels) == {"a", "b"}
    assert panel.dtype == np.uint8
    assert panel.shape[1] == 3 * 300  # pixels are repeated ten times
    assert panel.shape[0] > 200 + 18  # caption and legend
    assert np.array_equal(panel[:200:10, :300:10], image)
    assert np.array_equal(panel[:200:10, 300:600:10], voc_colours()[truth])
    assert np.array_equal(panel[:200:10, 600::10], voc_colours()[truth % 255])

"""The benchmark on made pictures."""

import numpy as np
import pytest
import torch

from zoo.contracts import Inputs
from zoo.data.coco import CocoSplit
from zoo.data.made import make
from zoo.evaluation.detection import DETECTIONS, DetectionBenchmark, found_in
from zoo.evaluation.evaluate import evaluate
from zoo.scoring.metrics import CannotScore
from zoo.tasks.detection import Detections


class Told:
    """Answers with the truth, which it is told in the order of the split."""

    def __init__(self, split: CocoSplit) -> None:
        self.things = (split.instances(i) for i in range(len(split)))

    def detect(self, images: torch.Tensor) -> list[Detections]:
        things = next(self.things)
        parts = (things.boxes, np.ones(len(things.classes)), things.classes, things.masks)
        return [Detections(*(torch.from_numpy(part[~things.crowd]) for part in parts))] * len(images)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("datasets")
    make("collage-coco", folder / "collage-coco")
    return Inputs(datasets=folder)


@pytest.fixture
def benchmark(made: Inputs) -> DetectionBenchmark:
    return DetectionBenchmark("collage-coco", made)


def test_the_truth_is_perfect_and_the_floor_is_low(benchmark: DetectionBenchmark) -> None:
    assert benchmark.protocol == "collage-coco-val/coco@2"
    perfect = benchmark.scoring.aggregate(evaluate(benchmark, Told(benchmark.val)).units)
    assert perfect == pytest.approx(dict.fromkeys(perfect, 1))
    method, trivial = benchmark.floor()
    assert method == "one box a class, where it fits most"
    floor = benchmark.scoring.aggregate(evaluate(benchmark, trivial).units)
    assert 0 < floor["box_AP"] < 0.02
    assert 0 < floor["mask_AP50"] < 0.02


def test_the_floor_finds_what_is_always_in_its_place(benchmark: DetectionBenchmark) -> None:
    for split in (benchmark.train, benchmark.val):
        for things in split.things.values():
            things[:] = [
                thing.model_copy(update={"bbox": (12.0 * thing.category_id - 12, 20.0, 10.0, 30.0), "iscrowd": 0})
                for thing in {thing.category_id: thing for thing in things}.values()
            ]
    values = benchmark.scoring.aggregate(evaluate(benchmark, benchmark.floor()[1]).units)
    # In a random order of pictures that have the class or not, precision is the share of those that do.
    there = np.mean([len(things) for things in benchmark.val.things.values()]) / 8
    assert values["box_AP"] == pytest.approx(there, abs=0.1)


def test_pictures_show_truth_and_detections(benchmark: DetectionBenchmark) -> None:
    class Nothing:
        def detect(self, images: torch.Tensor) -> list[Detections]:
            sizes = (4,), (), ()
            none = [torch.zeros(0, *size) for size in sizes]
            return [Detections(none[0], none[1], none[2].long(), torch.zeros(0, *images.shape[2:]).bool())]

    scored = evaluate(benchmark, Nothing())
    pictures = benchmark.pictures(scored, scored)
    assert list(pictures) == ["000001", "000020", "000040", "000060"]
    for picture in pictures.values():
        assert picture.shape == (288 + 18, 576, 3)
        left, right = picture[:288, :288].astype(int), picture[:288, 288:]
        assert np.abs(left - right).max(axis=2).astype(bool).mean() > 0.05  # what is there was drawn on the left


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"scores": torch.tensor([float("nan")])}, "street: expected finite boxes and scores"),
        ({"classes": torch.tensor([8])}, "street: expected classes 0 to 7, got 8 to 8"),
        ({"masks": torch.zeros(1, 3, 3, dtype=torch.bool)}, r"street: expected masks of the picture's size \(6, 9\)"),
    ],
)
def test_an_impossible_answer_is_refused(changes: dict[str, torch.Tensor], complaint: str) -> None:
    answer = Detections(
        torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.ones(1), torch.tensor([0]), torch.zeros(1, 6, 9, dtype=torch.bool)
    )._replace(**changes)

    class Answers:
        def detect(self, _images: torch.Tensor) -> list[Detections]:
            return [answer]

    with pytest.raises(CannotScore, match=complaint):
        found_in(np.zeros((6, 9, 3), np.uint8), Answers(), classes=8, name="street")


def test_only_the_surest_hundred_count() -> None:
    class Many:
        def detect(self, _images: torch.Tensor) -> list[Detections]:
            scores = torch.linspace(0, 1, 150)
            masks = torch.zeros(150, 6, 9, dtype=torch.bool)
            return [Detections(torch.zeros(150, 4), scores, torch.zeros(150, dtype=torch.int64), masks)]

    said = found_in(np.zeros((6, 9, 3), np.uint8), Many(), classes=1, name="")
    assert len(said.scores) == DETECTIONS == 100
    assert said.scores[0] == 1
    assert (np.diff(said.scores) < 0).all()

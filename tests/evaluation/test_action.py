"""Accuracy on videos where the answer is known, and which clips are looked at."""

from pathlib import Path

import numpy as np
import pytest
import torch

from zoo.contracts import Inputs
from zoo.evaluation.action import CLIPS, ActionBenchmark, video_scores
from zoo.evaluation.evaluate import evaluate
from zoo.scoring.metrics import CannotScore
from zoo.scoring.protocols import scoring
from zoo.scoring.units import Units


def units(labels: list[int], scores: np.ndarray) -> Units:
    return Units({"label": np.array(labels), "scores": np.asarray(scores, np.float32)})


class Noting:
    """Remembers what it is shown, and knows nothing."""

    clip_length = 8

    def __init__(self) -> None:
        self.seen: list[torch.Tensor] = []

    def probabilities(self, clips: torch.Tensor) -> torch.Tensor:
        self.seen.append(clips)
        return torch.full((len(clips), 8), 1 / 8)


@pytest.fixture
def benchmark(datasets: Path) -> ActionBenchmark:
    return ActionBenchmark("collage-action", Inputs(datasets=datasets))


def test_ten_clips_are_spread_from_the_first_frame_to_the_last(benchmark: ActionBenchmark) -> None:
    """20 frames, clips of 8: they start at 0, 12/9, 24/9 ... 12."""
    predictor, video = Noting(), benchmark.test.videos[0]
    video_scores(predictor, video)
    (clips,) = predictor.seen
    assert clips.shape == (CLIPS, 3, 8, 64, 64)
    frames = torch.from_numpy(video.clip(0, 20)).permute(3, 0, 1, 2)
    for clip, start in zip(clips, (0, 1, 3, 4, 5, 7, 8, 9, 11, 12), strict=True):
        assert torch.equal(clip, frames[:, start : start + 8])


def test_scores_are_the_mean_over_clips(benchmark: ActionBenchmark) -> None:
    class Counting(Noting):
        def probabilities(self, clips: torch.Tensor) -> torch.Tensor:
            return torch.eye(2)[[0] * 7 + [1] * (len(clips) - 7)]

    np.testing.assert_allclose(video_scores(Counting(), benchmark.test.videos[0]), [0.7, 0.3], rtol=1e-6)


def test_weights_that_are_not_finite_are_named(benchmark: ActionBenchmark) -> None:
    class Broken(Noting):
        def probabilities(self, clips: torch.Tensor) -> torch.Tensor:
            return torch.full((len(clips), 8), torch.nan)

    with pytest.raises(CannotScore, match="v_Left_g01_c01: expected finite class probabilities"):
        video_scores(Broken(), benchmark.test.videos[0])


def test_the_truth_scores_one_and_the_floor_is_chance(benchmark: ActionBenchmark) -> None:
    assert benchmark.protocol == "collage-action-test1/actions@1"
    assert scoring(benchmark.protocol) == benchmark.scoring
    method, trivial = benchmark.floor()
    measured = evaluate(benchmark, trivial).units
    assert method == "majority class"
    assert benchmark.scoring.aggregate(measured)["accuracy"] == 1 / 8
    perfect = units(measured.rows["label"].tolist(), np.eye(8)[measured.rows["label"]])
    assert set(benchmark.scoring.aggregate(perfect).values()) == {1.0}


def test_the_floor_knows_the_training_list_alone(tmp_path: Path, benchmark: ActionBenchmark) -> None:
    """More videos of one class are trained on, more of another one scored."""
    folder = benchmark.test.videos[0].path.parents[2]
    lists = tmp_path / "made" / "ucfTrainTestlist"
    lists.mkdir(parents=True)
    (tmp_path / "made" / "UCF-101").symlink_to(folder / "UCF-101")
    official = folder / "ucfTrainTestlist"
    (lists / "classInd.txt").write_bytes((official / "classInd.txt").read_bytes())
    left, right = benchmark.test.classes[:2]
    for part, most, fewest in (("train", right, left), ("test", left, right)):
        lines = (official / f"{part}list01.txt").read_text().splitlines()
        chosen = [line for line in lines if line.startswith(f"{most}/")][:2]
        chosen += [line for line in lines if line.startswith(f"{fewest}/")][:1]
        (lists / f"{part}list01.txt").write_text("\n".join(chosen))
    few = ActionBenchmark("made", Inputs(datasets=tmp_path))
    scores = evaluate(few, few.floor()[1]).units.rows["scores"]
    assert scores.argmax(axis=1).tolist() == [few.test.classes.index(right)] * 3

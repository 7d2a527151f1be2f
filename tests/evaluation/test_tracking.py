"""One-pass evaluation against hand-worked cases and the got10k toolkit."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from got10k.datasets import OTB
from got10k.experiments import ExperimentOTB

from zoo.data.otb import open_otb
from zoo.evaluation.evaluate import evaluate
from zoo.evaluation.tracking import FirstBox, TrackingBenchmark, one_pass
from zoo.scoring.metrics import CannotScore
from zoo.scoring.tracking import Success
from zoo.scoring.units import Units
from zoo.tasks.tracking import Box


@dataclass(frozen=True, eq=False)
class Film:
    """A sequence of grey frames of one size, in memory."""

    boxes: np.ndarray
    name: str = "film"
    frames: int = 0

    def __len__(self) -> int:
        return self.frames or len(self.boxes)

    def frame(self, i: int) -> np.ndarray:
        return np.full((40, 60, 3), i, np.uint8)


class Told:
    """A tracker that answers what it was told to."""

    def __init__(self, boxes: np.ndarray) -> None:
        self.answers = [Box(*row) for row in boxes.tolist()]

    def start(self, _frame: np.ndarray, box: Box) -> None:
        self.begun, self.coming = box, iter(self.answers)

    def follow(self, _frame: np.ndarray) -> Box:
        return next(self.coming)


class Oracle(Told):
    """Answers the truth of one film after the other."""

    def __init__(self, films: list[Film]) -> None:
        self.films = iter(films)

    def start(self, frame: np.ndarray, box: Box) -> None:
        super().__init__(next(self.films).boxes[1:])
        super().start(frame, box)


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, dtype=np.float64)


class Toolkit(ExperimentOTB):
    """The got10k toolkit's evaluation without its download and its plots.

    Args:
        dataset: (frames, boxes) by sequence, with `seq_names`, as its own `OTB` is.
    """

    nbins_iou, nbins_ce = 21, 51  # as in its constructor

    def __init__(self, dataset: object, folder: Path) -> None:
        self.dataset, self.result_dir, self.report_dir = dataset, str(folder / "results"), str(folder / "reports")
        (folder / "reports" / "it").mkdir(parents=True)

    def plot_curves(self, tracker_names: list[str]) -> None:
        pass

    def scores(self, results: list[np.ndarray]) -> dict[str, float]:
        """What it reports of these boxes, kept and read again as files of three decimals."""
        for name, found in zip(self.dataset.seq_names, results, strict=True):
            self._record(str(Path(self.result_dir) / "it" / f"{name}.txt"), found, np.ones(len(found)))
        overall = self.report(["it"])["it"]["overall"]
        return {
            "success_auc": overall["success_score"],
            "precision_20px": overall["precision_score"],
            "success_rate_50": overall["success_rate"],
        }


class Annotated(list):
    """(frames, boxes) of sequences, as the toolkit's data sets give them."""

    def __init__(self, films: list[Film]) -> None:
        super().__init__(([], film.boxes) for film in films)
        self.seq_names = [film.name for film in films]


def ours(films: list[Film], results: list[np.ndarray]) -> dict[str, float]:
    """The same boxes, rounded as the toolkit's files are, through our benchmark."""
    scores = []
    for film, found in zip(films, results, strict=True):
        measured = evaluate(TrackingBenchmark("films", [film]), Told(found.round(3)[1:])).units
        scores.append(Success().aggregate(measured))
    return {name: float(np.mean([score[name] for score in scores])) for name in scores[0]}


def strayed(truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A tracker's answers: the true boxes, ever further off and of another size."""
    drift = np.cumsum(rng.normal(0, 1.5, (len(truth), 4)), axis=0) * [1, 1, 0.3, 0.3]
    found = truth + drift
    found[:, 2:] = np.maximum(found[:, 2:], 1)
    return np.vstack([truth[:1], found[1:]])


def test_agrees_with_the_got10k_toolkit_on_random_boxes(tmp_path: Path):
    rng = np.random.default_rng(0)
    truths = [np.column_stack([rng.uniform(0, 300, (n, 2)), rng.uniform(2, 80, (n, 2))]) for n in (7, 40, 160)]
    films = [Film(truth.round(1), name=str(len(truth))) for truth in truths]
    results = [strayed(film.boxes, rng) for film in films]
    theirs = Toolkit(Annotated(films), tmp_path).scores(results)
    assert ours(films, results) == pytest.approx(theirs, rel=1e-12)
    assert 0.2 < theirs["success_auc"] < 0.8


def test_agrees_with_the_got10k_toolkit_on_whole_pixels_where_overlaps_meet_thresholds(tmp_path: Path):
    """Boxes of 20 x 1, shifted by whole pixels: overlaps of 1/2, 1/4, 3/5 ..., errors of exactly 20 pixels."""
    truth = boxes(*[(100, 50, 20, 1)] * 41)
    results = truth + [[shift, 0, 0, 0] for shift in range(41)]
    films = [Film(truth)]
    assert ours(films, [results]) == pytest.approx(Toolkit(Annotated(films), tmp_path).scores([results]), rel=1e-12)


def test_the_toolkit_counts_frames_without_the_object_as_lost_and_we_leave_them_out(tmp_path: Path):
    """The one case in which the two differ: our protocol scores frames whose truth has area, the toolkit all."""
    films = [Film(boxes((0, 0, 8, 8), (0, 0, 8, 8), (0, 0, 0, 0), (0, 0, 8, 8)))]
    results = [boxes(*[(0, 0, 8, 8)] * 4)]
    assert ours(films, results)["success_auc"] == pytest.approx(20 / 21)
    theirs = Toolkit(Annotated(films), tmp_path).scores(results)
    assert theirs["success_auc"] == pytest.approx(20 / 21 * 3 / 4)


@pytest.mark.shared_data
def test_agrees_with_the_got10k_toolkit_on_real_sequences(shared_data: Path, tmp_path: Path):
    """Each side reads the annotation files itself; the answers stray from the truth, or never move."""
    videos = open_otb(shared_data / "tracking_otb")
    theirs = OTB(str(shared_data / "tracking_otb"), version=2015, download=False)
    assert theirs.seq_names == [video.name for video in videos]
    rng = np.random.default_rng(0)
    for name, answers in {
        "strayed": [strayed(video.boxes, rng) for video in videos],
        "still": [video.boxes[:1].repeat(len(video.boxes), axis=0) for video in videos],
    }.items():
        from_one = [found + np.array([1, 1, 0, 0]) for found in answers]  # its files count pixels from 1
        expected = Toolkit(theirs, tmp_path / name).scores(from_one)
        assert ours([Film(video.boxes) for video in videos], answers) == pytest.approx(expected, rel=1e-12)


def test_the_perfect_tracker_scores_20_of_21():
    """No overlap exceeds the last threshold, 1; and that is exactly the highest value the metric may take."""
    films = [Film(boxes(*[(i, i, 7.3, 11.1) for i in range(n)]), str(n)) for n in (3, 5, 11)]
    benchmark = TrackingBenchmark("films", films)
    score = benchmark.scoring.aggregate(evaluate(benchmark, Oracle(films)).units)
    assert score == {"success_auc": 20 / 21, "precision_20px": 1.0, "success_rate_50": 1.0}
    for metric in benchmark.scoring.metrics:
        assert metric.check(score[metric.name]) == metric.highest


def test_one_pass_starts_once_and_scores_only_frames_whose_truth_has_area():
    truth = boxes((9, 9, 0, 0), (10, 10, 4, 4), (10, 10, 4, 4), (0, 0, 0, 0), (12, 10, 4, 4))
    film = Film(truth, frames=9)  # fewer boxes than frames: the rest is not looked at
    tracker = Told(boxes((10, 10, 4, 4), (50, 50, 4, 4), (14, 10, 4, 4)))
    measured = evaluate(TrackingBenchmark("films", [film]), tracker).units
    assert tracker.begun == Box(10, 10, 4, 4)
    assert next(tracker.coming, None) is None
    assert measured.rows["overlap"][0] == pytest.approx([1, 1, 1 / 3])  # the start counts, the empty box does not
    assert measured.rows["centre_error"][0] == pytest.approx([0, 0, 2])


def test_the_clock_counts_every_followed_frame_and_stays_out_of_the_units():
    film = Film(boxes(*[(i, 0, 4, 4) for i in range(5)]))
    assert (one_pass(FirstBox(), film).seconds >= 0).sum() == 4
    units = evaluate(TrackingBenchmark("films", [film]), FirstBox()).units
    assert set(units.rows) == {
        "sequence",
        "overlap",
        "centre_error",
    }


def test_the_floor_never_moves():
    film = Film(boxes((0, 0, 4, 4), (2, 0, 4, 4), (40, 0, 4, 4)))
    benchmark = TrackingBenchmark("films", [film])
    name, floor = benchmark.floor()
    assert name == "first box, never moved"
    assert evaluate(benchmark, floor).units.rows["overlap"][0] == pytest.approx([1, 1 / 3, 0])
    assert benchmark.protocol == "films-test/ope@1"


def test_units_survive_parquet(tmp_path: Path):
    films = [Film(boxes(*[(i, 0, 4, 4) for i in range(n)]), str(n)) for n in (3, 3)]  # of one length: still ragged
    benchmark = TrackingBenchmark("films", films)
    measured = evaluate(benchmark, FirstBox()).units
    measured.write(tmp_path / "units.parquet")
    again = Units.read(tmp_path / "units.parquet")
    assert benchmark.scoring.aggregate(again) == benchmark.scoring.aggregate(measured)
    assert again.rows["sequence"].tolist() == ["3", "3"]


@pytest.mark.parametrize(
    ("film", "tracker", "told", "fault"),
    [
        (Film(boxes((1, 1, 0, 0), (2, 2, 0, 5))), FirstBox(), "a box with area", ValueError),
        (
            Film(boxes((1, 1, 2, 2), (1, 1, 2, 2))),
            Told(boxes((np.nan, 0, 1, 1))),
            "film, frame 1: expected a finite",
            CannotScore,
        ),
    ],
)
def test_what_cannot_be_scored_is_refused(film, tracker, told, fault):
    with pytest.raises(ValueError, match=told) as refused:
        one_pass(tracker, film)
    assert type(refused.value) is fault


def test_pictures_show_curves_and_boxes():
    film = Film(boxes(*[(3 * i, 5, 20, 20) for i in range(9)]))
    benchmark = TrackingBenchmark("films", [film])
    scored = evaluate(benchmark, FirstBox())
    pictures = benchmark.pictures(scored, scored)
    assert set(pictures) == {"curves", "track-film"}
    for picture in pictures.values():
        assert picture.dtype == np.uint8
        assert picture.shape[2] == 3
    assert pictures["track-film"].shape[0] == 180 + 18  # frames above a legend
    for colour in ((230, 0, 0), (0, 200, 0)):  # prediction red, truth green, in frames and legend
        there = (pictures["track-film"] == colour).all(axis=2)
        assert there[:180].any()
        assert there[180:].any()


@pytest.mark.shared_data
def test_the_floor_on_real_sequences(shared_data: Path):
    videos = open_otb(shared_data / "tracking_otb")
    benchmark = TrackingBenchmark("otb", videos)
    measured = evaluate(benchmark, FirstBox()).units
    assert [len(row) for row in measured.rows["overlap"]] == [120, 113]
    score = benchmark.scoring.aggregate(measured)
    assert 0.05 < score["success_auc"] < 0.5  # both objects walk away

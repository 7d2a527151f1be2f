"""What scoring costs: our metrics, readers and other libraries' over the same inputs, with the values they give.

    make bench

One thread, one process; all ways alternate and the medians of their processor time are compared. Every Fréchet way
starts from features and forms its own statistics, of both sets or of the drawn one alone where it keeps those of the
reference; every confusion matrix starts from pictures of labels in memory; tracking scores start from files of true
and of found boxes; clips start from a video file. A ratio below 1 means that the other library is faster.
"""

import contextlib
import io
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import av
import numpy as np
import torch
from got10k.datasets import OTB
from got10k.experiments import ExperimentOTB
from pytorch_fid.fid_score import calculate_frechet_distance
from threadpoolctl import threadpool_limits
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric
from torchmetrics.classification import MulticlassConfusionMatrix
from torchmetrics.image.fid import FrechetInceptionDistance

from zoo.boxes import overlap
from zoo.data.otb import open_otb, read_boxes
from zoo.data.ucf101 import Video
from zoo.scoring.samples import distance_between, distance_to, factor_of, moments
from zoo.scoring.segmentation import MIoU, confusion_matrix
from zoo.scoring.tracking import Success, centre_error
from zoo.scoring.units import Units

Way = Callable[[], float]

DIMENSIONS, CLASSES, VOID = 2048, 21, 255
TURNS = 3


class Given(torch.nn.Module):
    """Hands torchmetrics the features that it is shown as pictures."""

    num_features = DIMENSIONS

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)


def frechet(samples: int, *, kept: bool = False) -> Mapping[str, Way]:
    """Distance of two sets of features whose spectrum falls as that of real ones does.

    Args:
        kept: the second set's statistics are there already, in the form that each library keeps.
    """
    random = np.random.default_rng(0)
    scales = 1 / np.sqrt(1 + np.arange(DIMENSIONS))
    drawn = (random.normal(size=(samples, DIMENSIONS)) * scales).astype(np.float32)
    reference = (random.normal(size=(samples, DIMENSIONS)) * scales * 1.1 + 0.02).astype(np.float32)
    drawn_tensor, reference_tensor = torch.from_numpy(drawn), torch.from_numpy(reference)

    metric = FrechetInceptionDistance(
        feature=Given(), reset_real_features=not kept, normalize=True, input_img_size=(1, 32, 64)
    ).set_dtype(torch.float64)

    def show_reference() -> None:
        metric.update(reference_tensor.view(-1, 1, 32, 64), real=True)

    def torchmetrics() -> float:
        if not kept:
            show_reference()
        metric.update(drawn_tensor.view(-1, 1, 32, 64), real=False)
        distance = float(metric.compute())
        metric.reset()
        return distance

    def torch_fidelity() -> float:
        theirs = fidelity_kept or fid_features_to_statistics(reference_tensor)
        found = fid_statistics_to_metric(fid_features_to_statistics(drawn_tensor), theirs, verbose=False)
        return float(found[KEY_METRIC_FID])

    def pytorch_fid() -> float:
        theirs = pytorch_kept or (reference.mean(axis=0), np.cov(reference, rowvar=False))
        return float(calculate_frechet_distance(drawn.mean(axis=0), np.cov(drawn, rowvar=False), *theirs))

    def ours() -> float:
        return distance_to(*ours_kept, *moments(drawn)) if ours_kept else distance_between(drawn, reference)

    ours_kept = fidelity_kept = pytorch_kept = None
    if kept:
        show_reference()
        fidelity_kept = fid_features_to_statistics(reference_tensor)
        mean, covariance = moments(reference)
        ours_kept, pytorch_kept = (mean, factor_of(covariance)), (mean, covariance)
    return {"ours": ours, "torchmetrics": torchmetrics, "torch-fidelity": torch_fidelity, "pytorch-fid": pytorch_fid}


def miou(pictures: int = 20) -> Mapping[str, Way]:
    """Confusion summed over pictures of 480 x 360, a tenth of the pixels void."""
    random = np.random.default_rng(0)
    truth = random.integers(0, CLASSES, size=(pictures, 360, 480), dtype=np.uint8)
    guessed = random.integers(0, CLASSES, size=truth.shape, dtype=np.uint8)
    prediction = np.where(random.random(truth.shape) < 0.7, truth, guessed)
    truth[random.random(truth.shape) < 0.1] = VOID

    def ours() -> float:
        each = [confusion_matrix(t, p, classes=CLASSES, name="") for t, p in zip(truth, prediction, strict=True)]
        return MIoU().aggregate(Units({"confusion": np.stack(each)}))["mIoU"]

    def torchmetrics() -> float:
        metric = MulticlassConfusionMatrix(CLASSES, ignore_index=VOID, validate_args=False)
        for t, p in zip(truth, prediction, strict=True):
            metric.update(torch.from_numpy(p)[None], torch.from_numpy(t).long()[None])
        return MIoU().aggregate(Units({"confusion": metric.compute().numpy()[None]}))["mIoU"]

    def fast_hist() -> float:
        """As FCN's authors count (score.py of their code): one number a pair, over the pixels that are not void."""
        confusion = np.zeros((CLASSES, CLASSES), dtype=np.int64)
        for t, p in zip(truth, prediction, strict=True):
            known = t < CLASSES
            pairs = CLASSES * t[known].astype(int) + p[known]
            confusion += np.bincount(pairs, minlength=CLASSES**2).reshape(CLASSES, CLASSES)
        return MIoU().aggregate(Units({"confusion": confusion[None]}))["mIoU"]

    return {"ours": ours, "torchmetrics": torchmetrics, "fast_hist": fast_hist}


class Toolkit(ExperimentOTB):
    """The got10k toolkit's evaluation of a tracker called `it`, from files."""

    nbins_iou, nbins_ce = 21, 51  # as in its constructor, which would download

    def __init__(self, folder: Path, *, plots: bool) -> None:
        self.dataset = OTB(str(folder / "OTB"), version="tb50", download=False)
        self.result_dir, self.report_dir = str(folder / "results"), str(folder / "reports")
        self.plots = plots

    def plot_curves(self, tracker_names: list[str]) -> None:
        if self.plots:
            super().plot_curves(tracker_names)


def tracking(folder: Path, *, frames: int = 400) -> Mapping[str, Way]:
    """Success AUC of sequences by the names of OTB-50, all of one length; nobody opens their frames."""
    random = np.random.default_rng(0)
    (folder / "results" / "it").mkdir(parents=True)
    (folder / "reports" / "it").mkdir(parents=True)
    for name in ("Basketball", "Biker", "Bird1", "BlurBody", "BlurCar2", "BlurFace", "BlurOwl", "Bolt", "Box", "Car1"):
        pictures = folder / "OTB" / name / "img"
        pictures.mkdir(parents=True)
        for i in range(1, frames + 1):
            (pictures / f"{i:04d}.jpg").touch()
        truth = np.column_stack([random.uniform(1, 300, (frames, 2)), random.uniform(9, 80, (frames, 2))]).round()
        np.savetxt(folder / "OTB" / name / "groundtruth_rect.txt", truth, fmt="%d", delimiter=",")
        found = truth + random.normal(0, 4, truth.shape)
        np.savetxt(folder / "results" / "it" / f"{name}.txt", found, fmt="%.3f", delimiter=",")

    def ours() -> float:
        overlaps, errors = [], []
        for video in open_otb(folder / "OTB"):
            found = read_boxes(folder / "results" / "it" / f"{video.name}.txt")
            found[0] = video.boxes[0]
            overlaps.append(overlap(found, video.boxes))
            errors.append(centre_error(found, video.boxes))
        rows = {
            name: np.fromiter(column, dtype=object, count=len(column))
            for name, column in {"overlap": overlaps, "centre_error": errors}.items()
        }
        return Success().aggregate(Units(rows))["success_auc"]

    def toolkit(*, plots: bool = False) -> float:
        with contextlib.redirect_stdout(io.StringIO()):
            return float(Toolkit(folder, plots=plots).report(["it"])["it"]["overall"]["success_score"])

    return {"ours": ours, "got10k": toolkit, "got10k + plots": lambda: toolkit(plots=True)}


def clips(path: Path, *, count: int, frames: int = 2000, length: int = 16) -> Mapping[str, Way]:
    """Mean brightness of clips spread over a video in UCF-101's size and codec."""
    if not path.exists():
        _write_video(path, frames)
    starts = np.linspace(0, frames - length, count + 2).astype(int)[1:-1].tolist()

    def ours() -> float:
        video = Video(path, 0)
        return float(np.mean([video.clip(start, length) for start in starts]))

    def pyav() -> float:
        wanted = {start + i for start in starts for i in range(length)}
        with av.open(path) as container:
            stream = container.streams.video[0]
            stream.thread_count = 1
            kept = [f.to_ndarray(format="rgb24") for i, f in enumerate(container.decode(stream)) if i in wanted]
        return float(np.mean(kept))

    return {"ours": ours, "PyAV, all of it": pyav}


def _write_video(path: Path, frames: int) -> None:
    """A texture that drifts, 320 x 240, MPEG-4 with a key frame every 12."""
    texture = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
    with av.open(path, "w") as video:
        stream = video.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 320, 240, "yuv420p", 12
        stream.thread_count = 1
        for i in range(frames):
            shifted = np.ascontiguousarray(np.roll(texture, (i, 2 * i), axis=(0, 1)))
            video.mux(stream.encode(av.VideoFrame.from_ndarray(shifted, format="rgb24")))
        video.mux(stream.encode())


def measure(title: str, ways: Mapping[str, Way]) -> None:
    """Print a line per way: value, median seconds, and how many times ours that is."""
    values, seconds = {}, {name: [] for name in ways}
    for _ in range(TURNS):
        for name, way in ways.items():
            start = time.process_time()
            values[name] = way()
            seconds[name].append(time.process_time() - start)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    print(f"\n{title}\n{'':16s} {'value':>12s} {'seconds':>9s} {'x ours':>7s}")
    for name, median in medians.items():
        print(f"{name:16s} {values[name]:12.6f} {median:9.3f} {median / medians['ours']:7.1f}", flush=True)
    fastest = min(median for name, median in medians.items() if name != "ours")
    print(f"ours is {fastest / medians['ours']:.1f} times as fast as the fastest of the others")


def main() -> None:
    """Print a table per metric."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # the others' advice
    with threadpool_limits(1):
        measure("mIoU of 20 pictures of 480 x 360, 21 classes", miou())
        with tempfile.TemporaryDirectory() as folder:
            measure("tracking success of 10 sequences of 400 frames, from files", tracking(Path(folder)))
            video = Path(folder) / "long.avi"
            measure("1 clip of 16 frames out of 2,000", clips(video, count=1))
            measure("10 clips of 16 frames out of 2,000", clips(video, count=10))
        measure("Fréchet distance of 2,048 features, 1,000 samples each", frechet(1000))
        measure("Fréchet distance of 2,048 features, 5,000 samples each", frechet(5000))
        measure("the same, the reference's statistics kept", frechet(5000, kept=True))


if __name__ == "__main__":
    main()

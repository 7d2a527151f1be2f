"""What scoring costs: our metrics and other libraries' over the same inputs, with the values they give.

    make bench

One thread, one process; all ways alternate and the medians of their processor time are compared. Every Fréchet way
starts from features and forms its own statistics, of both sets or of the drawn one alone where it keeps those of the
reference; every confusion matrix starts from pictures of labels in memory. A ratio below 1 means that the other
library is faster.
"""

import statistics
import time
import warnings
from collections.abc import Callable, Mapping

import numpy as np
import torch
from pytorch_fid.fid_score import calculate_frechet_distance
from threadpoolctl import threadpool_limits
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric
from torchmetrics.classification import MulticlassConfusionMatrix
from torchmetrics.image.fid import FrechetInceptionDistance

from zoo.evaluation.generation import distance_between, distance_to, factor_of, moments
from zoo.evaluation.scoring import Units
from zoo.evaluation.segmentation import MIoU, confusion_matrix

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
    prediction = np.where(random.random(truth.shape) < 0.7, truth, random.integers(0, CLASSES, size=truth.shape))
    truth[random.random(truth.shape) < 0.1] = VOID

    def ours() -> float:
        each = [confusion_matrix(t, p, classes=CLASSES, name="") for t, p in zip(truth, prediction, strict=True)]
        return MIoU().aggregate(Units({"confusion": np.stack(each)}))["mIoU"]

    def torchmetrics() -> float:
        metric = MulticlassConfusionMatrix(CLASSES, ignore_index=VOID, validate_args=False)
        for t, p in zip(truth, prediction, strict=True):
            metric.update(torch.from_numpy(p)[None], torch.from_numpy(t).long()[None])
        return MIoU().aggregate(Units({"confusion": metric.compute().numpy()[None]}))["mIoU"]

    return {"ours": ours, "torchmetrics": torchmetrics}


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
        measure("Fréchet distance of 2,048 features, 1,000 samples each", frechet(1000))
        measure("Fréchet distance of 2,048 features, 5,000 samples each", frechet(5000))
        measure("the same, the reference's statistics kept", frechet(5000, kept=True))


if __name__ == "__main__":
    main()

"""Benchmark for optical flow: end-point error on a split, each pair by itself and at its own size."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from zoo.contracts import Inputs, Picture
from zoo.data.flow import FlowPair, open_flow
from zoo.drawing.flow import panels
from zoo.drawing.sheets import spread
from zoo.evaluation.stage import Stage
from zoo.scoring.flow import EndPointError, end_point_errors
from zoo.scoring.units import Evaluated, Units
from zoo.tasks.optical_flow import FlowEstimator

SHOWN = 4  # pairs


class FlowBenchmark:
    """End-point error on a split."""

    def __init__(self, dataset: str, inputs: Inputs, *, split: str) -> None:
        self.pairs = open_flow(inputs.dataset(dataset), split)
        self.scoring = EndPointError("kitti" if self.pairs.layout == "KITTI-2015" else "")
        self.protocol = f"{dataset}-{split}/{self.scoring.id}"

    def evaluate(self, predictor: FlowEstimator, stage: Stage) -> Evaluated:
        """Sums and counts of every pair."""
        rows, shown, show = [], {}, spread(len(self.pairs), SHOWN)
        for i in stage.track(range(len(self.pairs)), len(self.pairs)):
            name, pair = self.pairs.ids[i], self.pairs[i]
            flow = _estimated(predictor, pair)
            rows.append(end_point_errors(flow, pair.flow, pair.valid, name=name))
            if i in show:
                shown[name] = flow
        columns = {key: np.stack([row[key] for row in rows]) for key in rows[0]}
        return Evaluated(Units({"id": np.array(self.pairs.ids)} | columns), shown)

    def floor(self) -> tuple[str, FlowEstimator]:
        """Nothing ever moves."""
        return "zero flow", _Still()

    def pictures(self, model: Evaluated, _floor: Evaluated) -> Mapping[str, Picture]:
        """Both pictures, true and estimated flow and the legend side by side, for a few pairs spread over the split."""
        return panels(self.pairs, model.shown)


class _Still:
    """Says that nothing moved."""

    def flow(self, first: UInt8[Tensor, "n 3 h w"], _second: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n 2 h w"]:
        return torch.zeros(len(first), 2, *first.shape[-2:])


def _estimated(predictor: FlowEstimator, pair: FlowPair) -> Float32[np.ndarray, "_ _ 2"]:
    first, second = (torch.from_numpy(p).permute(2, 0, 1)[None].contiguous() for p in (pair.first, pair.second))
    return np.asarray(predictor.flow(first, second)[0].permute(1, 2, 0).float().numpy())

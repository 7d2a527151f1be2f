"""What the types say of shapes is held against what comes, in all tests of this process."""

import sys

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError
from torch import Tensor

from zoo.contracts import Inputs
from zoo.evaluation.evaluate import evaluate
from zoo.evaluation.segmentation import SegmentationBenchmark
from zoo.layers.pixels import signed
from zoo.scoring.flow import end_point_errors
from zoo.scoring.metrics import Metric


class ChannelKept:
    """A segmenter that leaves an axis of its class scores in."""

    def segment(self, images: Tensor) -> Tensor:
        return torch.zeros(len(images), 1, *images.shape[-2:], dtype=torch.int64)


def test_a_segmenter_that_answers_in_another_shape_is_stopped(datasets) -> None:
    with pytest.raises(TypeCheckError, match="_segmented"):
        evaluate(SegmentationBenchmark("collage-seg", Inputs(datasets=datasets)), ChannelKept())


def test_sizes_that_belong_together_are_compared() -> None:
    flow = np.zeros((4, 5, 2), np.float32)
    with pytest.raises(TypeCheckError, match="'known'"):
        end_point_errors(flow, flow, np.ones((5, 4), bool), name="pair")


def test_numbers_of_another_type_are_stopped() -> None:
    with pytest.raises(TypeCheckError, match="'images'"):
        signed(torch.zeros(1, 3, 8, 8))


def test_what_says_no_shape_is_left_to_mypy() -> None:
    assert Metric(name="share", unit="", higher_is_better=True, lowest=0, highest=1).check(1) == 1


def test_nothing_of_the_zoo_came_in_before_the_hook() -> None:
    ours = [module for name, module in sys.modules.items() if name.startswith("zoo.")]
    assert {type(module.__spec__.loader).__module__ for module in ours} == {"jaxtyping._import_hook"}

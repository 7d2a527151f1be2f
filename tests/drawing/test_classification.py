"""The hardest pictures, with what they are and what they were taken for."""

import numpy as np

from zoo.drawing.classification import hardest
from zoo.drawing.sheets import captioned, grid


def test_hardest_first_with_both_classes() -> None:
    images = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1)
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]], np.float32)
    captions = [("is dog", "as cat"), ("is dog", "as dog"), ("is cat", "as cat")]
    expected = captioned(grid(images[[1, 2, 0]], captions=captions), "is: its class; as: the class that comes first")
    assert np.array_equal(hardest(images, np.array([0, 1, 1]), scores, ("cat", "dog")), expected)

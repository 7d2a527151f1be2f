"""Which examples a step sees: a function of (seed, step), so that a resumed run needs no sampler state."""

import numpy as np
import numpy.typing as npt


def shuffled(count: int, batch_size: int, *, seed: int, step: int) -> npt.NDArray[np.int64]:
    """The indices of a step's batch: epoch after epoch in a new random order, cut into batches.

    A batch may span two epochs, so every example is seen equally often and every batch is whole.
    """
    first = step * batch_size
    epochs = range(first // count, (first + batch_size - 1) // count + 1)
    order = np.concatenate([np.random.default_rng([seed, epoch]).permutation(count) for epoch in epochs])
    start = first - epochs.start * count
    return order[start : start + batch_size]

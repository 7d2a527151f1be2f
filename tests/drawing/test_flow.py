"""The colour code of flow."""

import numpy as np
import torch
from torchvision.utils import flow_to_image

from zoo.drawing.flow import flow_colours


def test_colours_are_torchvisions() -> None:
    flow = np.random.default_rng(0).normal(0, 3, (20, 30, 2)).astype(np.float32)
    ours = flow_colours(flow, longest=float(np.hypot(*flow.T).max()))
    theirs = flow_to_image(torch.from_numpy(flow).permute(2, 0, 1)).permute(1, 2, 0).numpy()
    assert np.abs(ours.astype(int) - theirs).max() <= 1

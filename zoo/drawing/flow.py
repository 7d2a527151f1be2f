"""Optical flow in colours: both pictures, true and estimated flow and the legend side by side.

The colour code is that of Baker et al., "A Database and Evaluation Methodology for Optical Flow", IJCV 2011.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw

from zoo.data.flow import FlowPair, FlowSplit
from zoo.drawing.sheets import captioned, enlarged

SHOWN_HEIGHT = 200  # that smaller pictures are enlarged up to


def panels(split: FlowSplit, flows: Mapping[str, Float[np.ndarray, "_ _ 2"]]) -> dict[str, UInt8[np.ndarray, "_ _ 3"]]:
    """A panel for each pair of a split that there is an estimate of."""
    place = {name: i for i, name in enumerate(split.ids)}
    return {f"flow-{name.replace('/', '-')}": _panel(split[place[name]], flow) for name, flow in flows.items()}


def _panel(pair: FlowPair, estimate: Float[np.ndarray, "h w 2"]) -> UInt8[np.ndarray, "H W 3"]:
    """Unknown flow is black; the legend's rim is the longest flow of the two."""
    error = np.hypot(*(estimate - pair.flow)[pair.valid].T)
    longest = max(float(np.hypot(*flow.T).max()) for flow in (pair.flow, estimate))
    truth = flow_colours(pair.flow, longest=longest)
    truth[~pair.valid] = 0
    said = f"estimated, EPE {error.mean():.2f} px" if error.size else "estimated"
    sides = {
        "first": pair.first,
        "second": pair.second,
        "true flow": truth,
        said: flow_colours(estimate, longest=longest),
    }
    panel = np.hstack([captioned(enlarged(side, height=SHOWN_HEIGHT), text) for text, side in sides.items()])
    return np.hstack([panel, legend(panel.shape[0], longest)])


def flow_colours(flow: Float[np.ndarray, "h w 2"], *, longest: float) -> UInt8[np.ndarray, "h w 3"]:
    """Direction as hue, length as saturation up to `longest` pixels (Baker et al.'s colour code)."""
    wheel = _colour_wheel()
    length = np.hypot(flow[..., 0], flow[..., 1]) / max(longest, 1e-6)
    turn = (np.arctan2(-flow[..., 1], -flow[..., 0]) / np.pi + 1) / 2 * (len(wheel) - 1)
    before = np.floor(turn).astype(int)
    share = (turn - before)[..., None]
    hue = (1 - share) * wheel[before] + share * wheel[(before + 1) % len(wheel)]
    return np.floor(255 * (1 - np.clip(length, 0, 1)[..., None] * (1 - hue))).astype(np.uint8)


def _colour_wheel() -> Float[np.ndarray, "55 3"]:
    """Red, yellow, green, cyan, blue, magenta, with as many steps between as colorcode.cpp has."""
    corners = np.array([(1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1), (1, 0, 1), (1, 0, 0)])
    steps = (15, 6, 4, 11, 13, 6)
    return np.concatenate(
        [a + (b - a) * np.arange(n)[:, None] / n for a, b, n in zip(corners[:-1], corners[1:], steps, strict=True)]
    )


def legend(height: int, longest: float) -> UInt8[np.ndarray, "height side 3"]:
    """The colour of every flow up to the longest, as an arrow from the centre, with its length written below."""
    side = max(64, height // 3)
    y, x = (np.mgrid[:side, :side] + 0.5 - side / 2) / (side / 2)
    disc = flow_colours(np.dstack((x, y)), longest=1.0)
    disc[np.hypot(x, y) > 1] = 255
    sheet = Image.new("RGB", (side, height), "white")
    sheet.paste(Image.fromarray(disc))
    ImageDraw.Draw(sheet).text((side // 2, min(side, height - 12)), f"{longest:.1f} px", fill="black", anchor="mt")
    return np.array(sheet)

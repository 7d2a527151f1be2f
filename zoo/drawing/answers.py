"""A model's answers on what it was asked about, where nobody knows the truth."""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, Integer, UInt8

from zoo.drawing.colours import voc_colours
from zoo.drawing.flow import flow_colours
from zoo.drawing.flow import legend as wheel
from zoo.drawing.segmentation import legend as names_of_colours
from zoo.drawing.sheets import GAP, captioned, enlarged

HEIGHT, LETTER = 200, 7  # that smaller pictures are enlarged up to; pixels that a letter may take
INK = (230, 0, 0)  # RGB of a followed box


def ranked(images: Sequence[UInt8[np.ndarray, "_ _ 3"]], lines: Sequence[str]) -> UInt8[np.ndarray, "H W 3"]:
    """Pictures of one size side by side, over lines of text."""
    row = np.hstack([enlarged(image, height=HEIGHT) for image in images])
    missing = max(0, LETTER * max(map(len, lines)) - row.shape[1])
    return captioned(np.pad(row, ((0, 0), (0, missing), (0, 0)), constant_values=255), *lines)


def regions(
    image: UInt8[np.ndarray, "h w 3"], labels: Integer[np.ndarray, "h w"], classes: tuple[str, ...]
) -> UInt8[np.ndarray, "H W 3"]:
    """A picture and its classes in colours, over their names."""
    sides = {"picture": image, "classes": voc_colours()[labels]}
    panel = np.hstack([captioned(enlarged(side, height=HEIGHT), text) for text, side in sides.items()])
    return np.vstack([panel, names_of_colours([(k, classes[k]) for k in np.unique(labels)], panel.shape[1])])


def moved(first: UInt8[np.ndarray, "h w 3"], flow: Float[np.ndarray, "h w 2"]) -> UInt8[np.ndarray, "H W 3"]:
    """The first of two pictures and how its pixels moved, beside the legend, whose rim is the longest flow."""
    longest = float(np.hypot(flow[..., 0], flow[..., 1]).max())
    sides = {"first picture": first, "flow": flow_colours(flow, longest=longest)}
    panel = np.hstack([captioned(enlarged(side, height=HEIGHT), text) for text, side in sides.items()])
    return np.hstack([panel, wheel(panel.shape[0], longest)])


def followed(
    frames: Sequence[UInt8[np.ndarray, "h w 3"]],
    boxes: Sequence[tuple[float, float, float, float]],
    numbers: Sequence[int],
) -> UInt8[np.ndarray, "H W 3"]:
    """Frames of a video side by side, each with a box (left, top, width, height) and its number, counted from 1."""
    shots = []
    for frame, (left, top, width, height), number in zip(frames, boxes, numbers, strict=True):
        times = max(1, HEIGHT // frame.shape[0])
        canvas = np.ascontiguousarray(enlarged(frame, height=HEIGHT))
        corners = np.rint(np.array([(left, top), (left + width, top + height)]) * times).astype(int).tolist()
        cv2.rectangle(canvas, corners[0], corners[1], INK, thickness=max(2, canvas.shape[0] // 180))
        shots.append(np.pad(captioned(canvas, f"frame {number + 1}"), ((0, 0), (0, GAP), (0, 0)), constant_values=255))
    return np.hstack(shots)

"""Frames of a sequence with the true and the predicted box."""

import cv2
import numpy as np
from jaxtyping import Float64, UInt8
from PIL import Image, ImageDraw

from zoo.data.video import Video
from zoo.drawing.sheets import LINE

SHOTS, SHOT_HEIGHT = 6, 180  # frames of a sequence, pixels
TRUTH, PREDICTION = (0, 200, 0), (230, 0, 0)  # RGB


def track(video: Video, boxes: Float64[np.ndarray, "n 4"], *, first: int) -> UInt8[np.ndarray, "H W 3"]:
    """Frames spread over a sequence, side by side, above a legend.

    Args:
        boxes: predicted ones, from the frame `first` on.
    """
    shots = [
        _shot(video.frame(first + i), truth=video.boxes[first + i], prediction=boxes[i])
        for i in np.linspace(0, len(boxes) - 1, SHOTS).round().astype(int).tolist()
    ]
    strip = np.hstack(shots)
    return np.vstack([strip, _legend(strip.shape[1])])


def _shot(
    frame: UInt8[np.ndarray, "h w 3"], *, truth: Float64[np.ndarray, "4"], prediction: Float64[np.ndarray, "4"]
) -> UInt8[np.ndarray, "H W 3"]:
    canvas = frame.copy()
    for (left, top, width, height), colour in ((truth, TRUTH), (prediction, PREDICTION)):
        corners = np.rint([(left, top), (left + width, top + height)]).astype(int).tolist()
        cv2.rectangle(canvas, corners[0], corners[1], colour, thickness=max(1, frame.shape[0] // 180))
    size = (round(frame.shape[1] * SHOT_HEIGHT / frame.shape[0]), SHOT_HEIGHT)
    return np.asarray(cv2.resize(canvas, size, interpolation=cv2.INTER_AREA))


def _legend(width: int) -> UInt8[np.ndarray, "h {width} 3"]:
    sheet = Image.new("RGB", (width, LINE), "white")
    draw = ImageDraw.Draw(sheet)
    for x, (name, colour) in zip((4, 84), (("truth", TRUTH), ("prediction", PREDICTION)), strict=True):
        draw.rectangle((x, 4, x + 10, 14), outline=colour, width=2)
        draw.text((x + 16, 3), name, fill="black")
    return np.array(sheet)

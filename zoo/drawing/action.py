"""Frames of a video over its class and the ones that were named."""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from zoo.data.ucf101 import ActionSplit, Video
from zoo.drawing.sheets import captioned, spread

STRIPS, SHOTS, SHOT_HEIGHT = 4, 6, 96  # videos shown, frames of each, their height in pixels
NAMED = 3  # classes under a strip


def strips(split: ActionSplit, scores: Float32[np.ndarray, "n classes"]) -> dict[str, UInt8[np.ndarray, "_ _ 3"]]:
    """A few videos spread over the list, by name."""
    return {split.videos[i].name: _strip(split, i, scores[i]) for i in spread(len(split.videos), STRIPS)}


def _strip(split: ActionSplit, i: int, scores: Float32[np.ndarray, "classes"]) -> UInt8[np.ndarray, "H W 3"]:
    named = ", ".join(f"{split.classes[k]} {scores[k]:.2f}" for k in np.argsort(-scores, kind="stable")[:NAMED])
    return captioned(_shots(split.videos[i]), f"is {split.classes[split.videos[i].label]}", f"named {named}")


def _shots(video: Video) -> UInt8[np.ndarray, "H W 3"]:
    frames = video.clip(0, len(video))
    shots = [frames[i] for i in np.linspace(0, len(frames) - 1, SHOTS).round().astype(int)]
    size = (round(shots[0].shape[1] * SHOT_HEIGHT / shots[0].shape[0]), SHOT_HEIGHT)
    return np.hstack([cv2.resize(shot, size, interpolation=cv2.INTER_AREA) for shot in shots])

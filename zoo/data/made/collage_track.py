"""`collage-track`: one object to follow as it moves, turns, grows and shrinks among others; OTB layout.

24 training and 16 test sequences of 40 frames, 160x120. The box is that of the object's exact mask, also where a
pillar hides part of it. The camera pans, other objects cross, and in every fourth sequence one of them is the
object's own twin, mirrored. Training and test share no object and no photograph (but for the sheet of coins, whose
coins differ).
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8

from zoo.data.made.collage import Look, backdrop, grainy, light, paste, render, resized, write_jpeg
from zoo.data.made.cutouts import photograph_of

_WIDTH, _HEIGHT, _FRAMES = 160, 120, 40
_PAN = 30  # pixels that the camera can pan, each way
_COUNT = {"train": 24, "test": 16}
OBJECTS = {
    "train": (
        *("person", "cup", "flower", "motorbike", "shuttle", "helmet", "wheel", "engine", "tissue", "gland", "emblem"),
        *("patch", "spoon", "shelf", *(f"coin-{i:02d}" for i in range(10))),
    ),
    "test": (
        *("cat", "pagoda", "cameraman", "rocket", "eye", "disc", "crater", "colours", "bubble", "tree", "headline"),
        *("nose", "macula", "coin-12", "coin-16", "coin-18", "coin-20"),
    ),
}
BACKDROPS = {
    "train": ("brick.png", "grass.png", "hubble_deep_field.jpg", "ihc.png", "motorcycle_left.png", "coffee.png"),
    "test": ("gravel.png", "moon.png", "page.png", "rocket.jpg", "china.jpg", "text.png", "camera.png"),
}
_TWIN_EVERY = 4

Picture = UInt8[np.ndarray, "h w 3"]
Box = tuple[int, int, int, int]
"""Left, top, width, height in pixels, counted from 0."""


def make(folder: Path) -> None:
    """Write frames and boxes."""
    for split, count in _COUNT.items():
        for i in range(count):
            name = OBJECTS[split][i % len(OBJECTS[split])]
            rng = np.random.default_rng([*b"collage-track", *split.encode(), i])
            frames, boxes = _film(name, split, rng, twin=i % _TWIN_EVERY == _TWIN_EVERY - 1)
            video = folder / split / f"{i + 1:02d}-{name}"
            (video / "img").mkdir(parents=True)
            for number, frame in enumerate(frames, 1):
                write_jpeg(video / "img" / f"{number:04d}.jpg", frame)
            rows = "".join(f"{x + 1},{y + 1},{w},{h}\n" for x, y, w, h in boxes)
            (video / "groundtruth_rect.txt").write_text(rows, newline="\n")


def _film(name: str, split: str, rng: np.random.Generator, *, twin: bool) -> tuple[list[Picture], list[Box]]:
    """Frames, and the object's box in each."""
    photographs = [p for p in BACKDROPS[split] if p != photograph_of(name)]
    others = [o for o in OBJECTS[split] if o != name]
    scenery = backdrop(str(rng.choice(photographs)), rng, width=_WIDTH + _PAN, height=_HEIGHT + _PAN)
    camera_x, camera_y = (_wander(rng, low=0.0, high=float(_PAN), speed=1.5) for _ in "xy")
    look = _look(name, rng)
    target = _Actor(look, rng)
    behind = _Actor(replace(look, mirrored=True) if twin else _look(str(rng.choice(others)), rng), rng)
    while _meet(target, before := _Actor(resized(_look(str(rng.choice(others)), rng), percent=65), rng)):
        pass  # a tracker is shown its object whole
    pillar = _pillar(str(rng.choice(photographs)), rng) if rng.integers(2) else np.empty((0, 0, 4), np.uint8)
    left, _, width, _ = target.boxes[0]  # the pillar stands beside it, where there is more room
    pillar_x = int(camera_x[0]) + (left + width if 2 * left + width < _WIDTH else left - pillar.shape[1])
    frames = []
    for t in range(_FRAMES):
        x, y = int(camera_x[t]), int(camera_y[t])
        frame = scenery[y : y + _HEIGHT, x : x + _WIDTH].copy()
        for actor in (behind, target, before):
            paste(frame, actor.things[t], x=actor.boxes[t][0], y=actor.boxes[t][1])
        paste(frame, pillar, x=pillar_x - x, y=-y)
        frames.append(grainy(frame, rng, grain=4))
    return frames, target.boxes


class _Actor:
    """An object and how it goes about, always whole within the frame."""

    things: list[UInt8[np.ndarray, "h w 4"]]
    boxes: list[Box]

    def __init__(self, look: Look, rng: np.random.Generator) -> None:
        xs, ys = (
            _wander(rng, low=0.0, high=float(_WIDTH), speed=4.5),
            _wander(rng, low=0.0, high=float(_HEIGHT), speed=3.5),
        )
        angles, percents = _wander(rng, low=-25.0, high=25.0, speed=3.0), _wander(rng, low=75.0, high=135.0, speed=3.0)
        self.things, self.boxes = [], []
        for x, y, angle, percent in zip(xs, ys, angles, percents, strict=True):
            thing = render(replace(resized(look, percent=int(percent)), angle=float(int(angle))))
            height, width = thing.shape[:2]
            left = min(max(int(x) - width // 2, 0), _WIDTH - width)
            top = min(max(int(y) - height // 2, 0), _HEIGHT - height)
            self.things.append(thing)
            self.boxes.append((left, top, width, height))


def _meet(one: _Actor, other: _Actor) -> bool:
    """Whether the boxes of two touch in the first frame."""
    (x, y, w, h), (u, v, a, b) = one.boxes[0], other.boxes[0]
    return x < u + a and u < x + w and y < v + b and v < y + h


def _pillar(photograph: str, rng: np.random.Generator) -> UInt8[np.ndarray, "h w 4"]:
    texture = backdrop(photograph, rng, width=int(rng.integers(10, 21)), height=_HEIGHT + _PAN)
    return np.dstack((texture, np.full_like(texture[..., :1], 255)))


def _look(name: str, rng: np.random.Generator) -> Look:
    return Look(name=name, size=int(rng.integers(28, 47)), gain=light(rng, spread=20))


def _wander(rng: np.random.Generator, *, low: float, high: float, speed: float) -> Float64[np.ndarray, "frames"]:
    """A value that drifts between bounds and bounces off them, at most `speed` a frame."""
    value, velocity = rng.uniform(low, high), rng.choice((-1, 1)) * rng.uniform(speed / 2, speed)
    path = np.empty(_FRAMES)
    for t in range(_FRAMES):
        path[t] = value
        velocity = min(max(velocity + rng.uniform(-speed / 5, speed / 5), -speed), speed)
        value += velocity
        if not low <= value <= high:
            velocity = -velocity
            value = min(max(value, low), high)
    return path

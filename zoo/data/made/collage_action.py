"""`collage-action`: eight kinds of motion that no single frame gives away; UCF-101 layout, 64x64, 25 frames a second.

An object over a photograph moves left, right, up or down, turns either way, grows or shrinks. What does not move in a
clip rests at a random point of the very path that it would take if it did; so in a frame taken at random the object's
place, size and angle are distributed alike for all classes, and a classifier of single frames is right one time in
eight, also if its scores are averaged over a clip. (Of frames that are always taken at the start this is not true.)

25 groups of 16 clips, one object and one scene each, the same for all classes; three splits that keep groups whole.
"""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from zoo.data.made.collage import backdrop, grainy, jpeg, light, lit, paste
from zoo.data.made.cutouts import cutout, photograph_of

_SIDE, _FRAMES, _RATE = 64, 20, 25
_CLIPS = 2  # of each class in each group
_CLASSES = {
    "Left": ("x", -1),
    "Right": ("x", 1),
    "Up": ("y", -1),
    "Down": ("y", 1),
    "TurnLeft": ("angle", 1),
    "TurnRight": ("angle", -1),
    "Grow": ("size", 1),
    "Shrink": ("size", -1),
}
"""What moves, and which way; an angle grows counter-clockwise, y downwards."""
_OBJECTS = (
    *("person", "cat", "cup", "flower", "motorbike", "pagoda", "cameraman", "rocket", "shuttle", "helmet", "eye"),
    *("wheel", "engine", "emblem", "snake", "flag", "patch", "spoon", "shelf", "colours", "tree", "word", "headline"),
    *("tower", "clock"),
)
"""That of each group."""
_BACKDROPS = ("brick.png", "grass.png", "gravel.png", "moon.png", "hubble_deep_field.jpg", "ihc.png", "coffee.png")
_TEST_GROUPS = 7  # a split; groups 1 to 7 in the first, as in UCF-101
_SPLITS = 3

Pose = dict[str, float]


def make(folder: Path) -> None:
    """Write videos and lists."""
    for name in _CLASSES:
        (folder / "UCF-101" / name).mkdir(parents=True)
    for group, thing in enumerate(_OBJECTS, 1):
        rng = np.random.default_rng([*b"collage-action", group])
        photographs = [p for p in _BACKDROPS if p != photograph_of(thing)]
        scene = backdrop(str(rng.choice(photographs)), rng, width=2 * _SIDE, height=2 * _SIDE)
        picture = _resized(cutout(thing), longest=_SIDE)
        for name in _CLASSES:
            for clip in range(1, _CLIPS + 1):
                frames = _film(picture, scene, poses(name, rng), rng)
                _write(folder / "UCF-101" / name / f"v_{name}_g{group:02d}_c{clip:02d}.avi", frames)
    _write_lists(folder / "ucfTrainTestlist")


def poses(name: str, rng: np.random.Generator) -> list[Pose]:
    """Where the object's centre is (pixels off the middle), its long side (pixels) and its angle (degrees) in each
    frame of a clip of a class."""
    moving, sign = _CLASSES[name]
    place = np.arange(_FRAMES) * 2 - (_FRAMES - 1)  # along a path, symmetric about its middle
    rest = {what: np.full(_FRAMES, rng.choice(place)) for what in ("x", "y", "angle", "size")}
    along = rest | {moving: sign * place}
    reach = {"x": rng.uniform(11, 17), "y": rng.uniform(11, 17), "angle": rng.uniform(45, 80)}
    growth = float(rng.uniform(7, 10))
    heading = float(rng.uniform(0, 360))
    path = {what: along[what] / (_FRAMES - 1) * far for what, far in reach.items()}
    path["angle"] = path["angle"] + heading
    path["size"] = 27 + along["size"] / (_FRAMES - 1) * growth
    return [{what: float(values[t]) for what, values in path.items()} for t in range(_FRAMES)]


def _film(
    picture: Image.Image, scene: UInt8[np.ndarray, "H W 3"], path: list[Pose], rng: np.random.Generator
) -> list[UInt8[np.ndarray, "h w 3"]]:
    """The frames of a clip, filmed from a random spot under a random light."""
    x, y = (int(v) for v in rng.integers(_SIDE + 1, size=2))
    background = lit(scene[y : y + _SIDE, x : x + _SIDE], light(rng, spread=20))
    frames = []
    for pose in path:
        thing = _posed(picture, pose)
        frame = background.copy()
        left, top = (
            (_SIDE - side) // 2 + round(off)
            for side, off in zip(thing.shape[1::-1], (pose["x"], pose["y"]), strict=True)
        )
        paste(frame, thing, x=left, y=top)
        frames.append(grainy(frame, rng, grain=4))
    return frames


def _posed(picture: Image.Image, pose: Pose) -> UInt8[np.ndarray, "h w 4"]:
    """The object in RGBA, centred."""
    small = _resized(picture, longest=pose["size"])
    return np.array(small.rotate(round(pose["angle"]), Image.Resampling.BICUBIC, expand=True), np.uint8)


def _resized(picture: Image.Image, *, longest: float) -> Image.Image:
    width, height = (max(1, round(side * longest / max(picture.size))) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BILINEAR)


def _write(path: Path, frames: list[UInt8[np.ndarray, "h w 3"]]) -> None:
    """A Motion JPEG: every frame is coded by itself, so that no frame holds traces of the one before it. Pillow codes
    (see `jpeg`) and FFmpeg only packs, without its version."""
    with av.open(path, "w", format="avi", container_options={"fflags": "+bitexact"}) as video:
        stream = video.add_stream("mjpeg", rate=_RATE)
        stream.width, stream.height, stream.pix_fmt = _SIDE, _SIDE, "yuvj420p"
        for number, frame in enumerate(frames):
            packet = av.Packet(jpeg(frame))
            packet.stream, packet.time_base = stream, Fraction(1, _RATE)
            packet.pts = packet.dts = number
            packet.is_keyframe = True
            video.mux(packet)


def _write_lists(folder: Path) -> None:
    """Class numbers and the splits, as the official lists have them."""
    folder.mkdir()
    indices = {name: index for index, name in enumerate(_CLASSES, 1)}
    _write_lines(folder / "classInd.txt", [f"{index} {name}" for name, index in indices.items()])
    for split in range(1, _SPLITS + 1):
        test = range((split - 1) * _TEST_GROUPS + 1, split * _TEST_GROUPS + 1)
        train = [group for group in range(1, len(_OBJECTS) + 1) if group not in test]
        lists = {"train": train, "test": test}
        for part, groups in lists.items():
            videos = [
                f"{name}/v_{name}_g{group:02d}_c{clip:02d}.avi" + (f" {index}" if part == "train" else "")
                for name, index in indices.items()
                for group in groups
                for clip in range(1, _CLIPS + 1)
            ]
            _write_lines(folder / f"{part}list{split:02d}.txt", videos)


def _write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), newline="\n")

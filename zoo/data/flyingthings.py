"""FlyingThings3D: which files make a pair, and flow in the PFM format that its truth comes in.

    frames_{cleanpass,finalpass}/{TRAIN,TEST}/{A,B,C}/NNNN/left/0006.png ... 0015.png
    optical_flow/{TRAIN,TEST}/{A,B,C}/NNNN/{into_future,into_past}/left/OpticalFlowIntoFuture_0006_L.pfm

As RAFT trains on it (github.com/princeton-vl/RAFT, core/datasets.py, stage "things"): the left camera, both directions
of time and both passes in one set; flow that leads out of a sequence's ten frames is of no pair. Layout: the same file,
and torchvision's FlyingThings3D; PFM: RAFT's core/utils/frame_utils.py. Source: Mayer et al., "A large dataset to train
convolutional networks for disparity, optical flow, and scene flow estimation", CVPR 2016.
"""

import re
from itertools import groupby
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32

PASSES = ("clean", "final")
STEPS = {"into_future": 1, "into_past": -1}
_HEADER = re.compile(rb"(P[Ff])\s+(\d+)\s+(\d+)\s+(\S+)\s")
_NUMBER = re.compile(r"_(\d+)_L\.pfm")
_AGAIN = "Fetch the data set again."


def things_splits(folder: Path) -> tuple[str, ...]:
    """Which of "train" and "test" have truth here.

    Raises:
        ValueError: neither.
    """
    found = tuple(name for name in ("train", "test") if (folder / "optical_flow" / name.upper()).is_dir())
    if not found:
        raise ValueError(
            f"{folder / 'optical_flow'}: expected FlyingThings3D's TRAIN/ or TEST/, found neither. {_AGAIN}"
        )
    return found


def things_pairs(folder: Path, split: str) -> dict[str, tuple[Path, Path, Path]]:
    """First picture, second picture and flow of every pair, by `clean/A/0000/into_future/0006`.

    Raises:
        ValueError: a file of flow whose name has no number.
    """
    pairs = {}
    for direction, step in STEPS.items():
        truths = sorted(folder.glob(f"optical_flow/{split.upper()}/*/*/{direction}/left/*.pfm"))
        for of, files in groupby(truths, key=lambda path: path.parents[2]):
            scene = of.relative_to(folder / "optical_flow")  # TRAIN/A/0000
            for number, flow in _within({_number(path): path for path in files}, step=step).items():
                for name in PASSES:
                    frames = folder / f"frames_{name}pass" / scene / "left"
                    first, second = (frames / f"{n:04d}.png" for n in (number, number + step))
                    pairs[f"{name}/{'/'.join(scene.parts[1:])}/{direction}/{number:04d}"] = (first, second, flow)
    return dict(sorted(pairs.items()))


def _within(numbered: dict[int, Path], *, step: int) -> dict[int, Path]:
    """Without the flow that leads out of the sequence: from its last frame on, or back from its first."""
    outward = max(numbered) if step > 0 else min(numbered)
    return {number: path for number, path in numbered.items() if number != outward}


def _number(path: Path) -> int:
    found = _NUMBER.search(path.name)
    if found is None:
        raise ValueError(f"{path}: expected a name like OpticalFlowIntoFuture_0006_L.pfm. {_AGAIN}")
    return int(found[1])


def read_flow_pfm(path: Path) -> tuple[Float32[np.ndarray, "h w 2"], Bool[np.ndarray, "h w"]]:
    """Flow in a PFM file of three channels, of which the third is empty, and where it is known: where it is finite.

    The sign of the header's scale is the order of bytes, its size says nothing about flow; rows go from bottom to top.

    Raises:
        ValueError: no such header, one channel only, or another length than the size asks for.
    """
    content = path.read_bytes()
    header = _HEADER.match(content)
    if header is None:
        raise ValueError(f"{path}: expected a PFM file: PF, width, height, scale; got {content[:20]!r}. {_AGAIN}")
    kind, width, height, scale = header[1], int(header[2]), int(header[3]), _scale(header[4], path)
    if kind != b"PF":
        raise ValueError(f"{path}: expected flow, which has three channels (PF), got one (Pf), as disparity has.")
    expected, found = 12 * width * height, len(content) - header.end()
    if min(width, height) < 1 or found != expected:
        raise ValueError(
            f"{path}: expected {expected} bytes for {width}x{height} pixels, got {found}. "
            f"The file is truncated or damaged. {_AGAIN}"
        )
    values = np.frombuffer(content, "<f4" if scale < 0 else ">f4", offset=header.end()).reshape(height, width, 3)
    flow = values[::-1, :, :2].astype(np.float32)
    valid = np.asarray(np.isfinite(flow).all(axis=2))
    return np.where(valid[..., None], flow, np.float32(0)), valid


def _scale(text: bytes, path: Path) -> float:
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not abs(scale) > 0:
        raise ValueError(f"{path}: expected a scale other than 0 in the header, got {text!r}. {_AGAIN}")
    return scale

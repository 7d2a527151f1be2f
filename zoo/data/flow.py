"""Pairs of pictures with true optical flow, in five official layouts behind one reader.

    FlyingChairs  NNNNNNN-img0.ppm -img1.ppm -gt.flo or NNNNN_img1.ppm _img2.ppm _flow.flo, here or in data/, and a
                  list with a line per pair: 1 train, 2 val. FlowNet2's example pairs open with the list of the release
    Sintel        training/{clean,final}/SCENE/frame_NNNN.png, flow/ (.flo), occlusions/ and invalid/ (masks). The
                  passes are two data sets: a folder with one has the split "training", one with both a split for each
    KITTI-2015    training/image_2/NNNNNN_{10,11}.png and flow_occ/NNNNNN_10.png (sparse, 16 bits)
    Middlebury    other-data/NAME/frame{10,11}.png and other-gt-flow/NAME/flow10.flo (unknown beyond 1e9)
    FlyingThings3D: zoo.data.flyingthings

Flow is right and down, in pixels of the first picture. Sources: Dosovitskiy et al., "FlowNet", ICCV 2015; Butler et
al., ECCV 2012; Menze and Geiger, CVPR 2015, and KITTI's devkit; Baker et al., IJCV 2011, and its flowIO.cpp.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8
from PIL import Image

from zoo.data.flyingthings import read_flow_pfm, things_pairs, things_splits
from zoo.data.left_out import BadItems, kept, left_out
from zoo.data.pictures import BOMBS, read_indices, read_rgb

_UNKNOWN = 1e9  # flowIO.cpp: UNKNOWN_FLOW_THRESH
_LISTS = ("FlyingChairs_release_test_train_split.list", "FlyingChairs_train_val.txt")
_EXAMPLES, _OFFICIAL = ("-gt.flo", "-img0.ppm", "-img1.ppm"), ("_flow.flo", "_img1.ppm", "_img2.ppm")
_CHAIRS = (_EXAMPLES, _OFFICIAL)
_RELEASE = 22_872  # pairs of FlyingChairs
_AGAIN = "Fetch the data set again."


class FlowPair(NamedTuple):
    """Two pictures, and where the pixels of the first one went."""

    first: UInt8[np.ndarray, "h w 3"]
    second: UInt8[np.ndarray, "h w 3"]
    flow: Float32[np.ndarray, "h w 2"]  # right, down; 0 where it is not known
    valid: Bool[np.ndarray, "h w"]  # where it is known


class FlowFiles(NamedTuple):
    """The files of a pair; masks where the layout has them."""

    first: Path
    second: Path
    flow: Path
    invalid: Path | None = None
    occlusions: Path | None = None


@dataclass(frozen=True)
class FlowSplit:
    """The pairs of one split; `split[i]` reads the i-th from its files."""

    layout: str
    ids: tuple[str, ...]
    files: tuple[FlowFiles, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[FlowPair]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, i: int) -> FlowPair:
        """The i-th pair.

        Raises:
            ValueError: a file cannot be read, or sizes differ.
        """
        files = self.files[i]
        first, second = read_rgb(files.first), read_rgb(files.second)
        flow, valid = {".png": read_flow_png, ".pfm": read_flow_pfm, ".flo": read_flo}[files.flow.suffix](files.flow)
        _same_size(files.second, second, like=first, of=files.first)
        _same_size(files.flow, flow, like=first, of=files.first)
        if files.invalid is not None:
            valid &= ~_mask(files.invalid, like=first, of=files.first)
        return FlowPair(first, second, flow, valid)

    def occluded(self, i: int) -> Bool[np.ndarray, "h w"]:
        """The pixels of the i-th pair's first picture that the second one hides.

        Raises:
            ValueError: the layout has no such masks, or this one cannot be read.
        """
        files = self.files[i]
        if files.occlusions is None:
            raise ValueError(f"{self.ids[i]}: expected a mask of occlusions, but {self.layout} has none; Sintel does.")
        return _mask(files.occlusions, like=read_rgb(files.first), of=files.first)


def open_flow(folder: Path, split: str) -> FlowSplit:
    """A split of the data set in a folder, whichever layout it has: "train" and "val" of FlyingChairs, "training" of
    Sintel with one pass, else "clean" and "final", "training" of KITTI-2015, "other" of Middlebury, "train" and "test"
    of FlyingThings3D.

    Raises:
        ValueError: no such layout or split, a list that does not fit the files, or a file missing.
    """
    layout, splits = _layout(folder)
    if split not in splits:
        raise ValueError(f"{folder}: expected a split of {layout}, {' or '.join(splits)}, got {split!r}.")
    opened = {
        "FlyingChairs": _chairs,
        "Sintel": _sintel,
        "KITTI-2015": _kitti,
        "Middlebury": _middlebury,
        "FlyingThings3D": _things,
    }[layout]
    pairs = opened(folder, split)
    if not pairs:
        raise ValueError(f"{folder}: expected pairs in the split {split} of {layout}, found none. {_AGAIN}")
    pairs = kept(folder, pairs)
    absent = {name: path for name, pair in pairs.items() for path in pair if path is not None and not path.is_file()}
    if absent:
        first = next(iter(absent.values())).relative_to(folder)
        raise BadItems(
            f"{folder}: {layout}'s split {split} has {len(absent)} pairs with a file missing, first {first}. "
            "Fetch the missing files, or cut the set to the pairs you have.",
            absent,
        )
    return FlowSplit(layout, tuple(pairs), tuple(pairs.values()))


def flow_splits(folder: Path) -> tuple[str, ...]:
    """The splits that the layout of a folder has; of a sample those that it has pairs of.

    Raises:
        ValueError: none of the five layouts, or no list where there should be one.
    """
    layout, splits = _layout(folder)
    if layout == "FlyingChairs" and (chairs := _read_chairs(folder)).sample:
        return tuple(split for split in splits if chairs.pairs(split))
    return splits


def listed_elsewhere(folder: Path) -> int:
    """How many pairs the list of a sample names that are not in it; 0 for a data set that has to be whole.

    Raises:
        ValueError: none of the five layouts, or no list where there should be one.
    """
    if _layout(folder)[0] != "FlyingChairs" or not (chairs := _read_chairs(folder)).sample:
        return 0
    return len(chairs.listed.keys() - chairs.here)


def _layout(folder: Path) -> tuple[str, tuple[str, ...]]:
    training = folder / "training"
    if (training / "flow").is_dir():
        passes = _sintel_passes(folder)
        return "Sintel", passes if len(passes) > 1 else ("training",)
    if (training / "flow_occ").is_dir():
        return "KITTI-2015", ("training",)
    if (folder / "other-gt-flow").is_dir():
        return "Middlebury", ("other",)
    if (folder / "optical_flow").is_dir():
        return "FlyingThings3D", things_splits(folder)
    if any(next(root.glob(f"*{ending}"), None) for root in (folder, folder / "data") for (ending, *_) in _CHAIRS):
        return "FlyingChairs", ("train", "val")
    raise ValueError(
        f"{folder}: expected the layout of FlyingChairs (*-gt.flo or *_flow.flo), Sintel (training/flow/), KITTI-2015 "
        "(training/flow_occ/), Middlebury (other-gt-flow/) or FlyingThings3D (optical_flow/). "
        "Unpack the data set so that one of these is there."
    )


class _Chairs(NamedTuple):
    """A folder of FlyingChairs: line n of its list is about the n-th pair, which is named by its number."""

    named: Path  # the list
    root: Path
    endings: tuple[str, str, str]  # of flow and pictures
    here: frozenset[str]
    listed: dict[str, str]  # 1 (train) or 2 (val), by pair

    @property
    def sample(self) -> bool:
        """Whether it holds FlowNet2's examples, beside which lies the list of the release that they are from.

        The release itself never had such names. A list of another length is a cut that somebody made: all of its pairs
        are expected.
        """
        return self.endings == _EXAMPLES and len(self.listed) == _RELEASE

    def pairs(self, split: str) -> dict[str, FlowFiles]:
        """The pairs of a split, or those of them that a sample holds."""
        flag = {"train": "1", "val": "2"}[split]
        return {
            pair: FlowFiles(*(self.root / f"{pair}{self.endings[i]}" for i in (1, 2, 0)))
            for pair, said in self.listed.items()
            if said == flag and (pair in self.here or not self.sample)
        }


def _chairs(folder: Path, split: str) -> dict[str, FlowFiles]:
    chairs = _read_chairs(folder)
    surplus = sorted(chairs.here - set(chairs.listed))
    absent = sorted(set(chairs.listed) - chairs.here - set(left_out(folder)))
    ending = chairs.endings[0]
    if surplus:
        raise ValueError(
            f"{chairs.named}: the list does not name {len(surplus)} pairs, first {surplus[0]}{ending}. {_AGAIN}"
        )
    if absent and not chairs.sample:
        raise BadItems(
            f"{chairs.named}: the list names {len(absent)} pairs that are absent, first {absent[0]}{ending}. Fetch the "
            "missing files, leave them out by --skip-bad, or cut the list to the pairs here: a line each, in order.",
            absent,
        )
    return chairs.pairs(split)


def _read_chairs(folder: Path) -> _Chairs:
    flows = sorted(path for root in (folder, folder / "data") for end, *_ in _CHAIRS for path in root.glob(f"*{end}"))
    endings = next(endings for endings in _CHAIRS if flows[0].name.endswith(endings[0]))
    here = [path.name.removesuffix(endings[0]) for path in flows]
    first = 1 if here[0].strip("0") else 0  # FlowNet2 counts its examples from 0
    named, flags = _read_list(folder)
    listed = {f"{number:0{len(here[0])}d}": flag for number, flag in enumerate(flags, first)}
    return _Chairs(named, flows[0].parent, endings, frozenset(here), listed)


def _read_list(folder: Path) -> tuple[Path, list[str]]:
    named = next((folder / name for name in _LISTS if (folder / name).is_file()), None)
    if named is None:
        raise ValueError(f"{folder}: expected the list {' or '.join(_LISTS)}, found neither. {_AGAIN}")
    flags = named.read_text().split()
    strange = next((line for line, flag in enumerate(flags, 1) if flag not in ("1", "2")), None)
    if strange is not None:
        raise ValueError(
            f"{named}, line {strange}: expected 1 (train) or 2 (val), got {flags[strange - 1]!r}. {_AGAIN}"
        )
    return named, flags


def _sintel_passes(folder: Path) -> tuple[str, ...]:
    found = tuple(name for name in ("clean", "final") if (folder / "training" / name).is_dir())
    if not found:
        raise ValueError(
            f"{folder / 'training'}: expected Sintel's clean/ or final/ beside flow/, found neither. {_AGAIN}"
        )
    return found


def _sintel(folder: Path, split: str) -> dict[str, FlowFiles]:
    root = folder / "training"
    shown = split if split in ("clean", "final") else _sintel_passes(folder)[0]
    pairs = {}
    for flow in sorted(root.glob("flow/*/frame_*.flo")):
        scene, number = flow.parent.name, int(flow.stem.removeprefix("frame_"))
        name = f"{scene}/frame_{number:04d}"
        pairs[name] = FlowFiles(
            first=root / shown / f"{name}.png",
            second=root / shown / scene / f"frame_{number + 1:04d}.png",
            flow=flow,
            invalid=root / "invalid" / f"{name}.png",
            occlusions=root / "occlusions" / f"{name}.png",
        )
    return pairs


def _kitti(folder: Path, split: str) -> dict[str, FlowFiles]:
    root = folder / split
    return {
        flow.stem: FlowFiles(root / "image_2" / flow.name, root / "image_2" / f"{flow.stem[:-3]}_11.png", flow)
        for flow in sorted(root.glob("flow_occ/*_10.png"))
    }


def _middlebury(folder: Path, split: str) -> dict[str, FlowFiles]:
    pictures = folder / f"{split}-data"
    return {
        flow.parent.name: FlowFiles(
            pictures / flow.parent.name / "frame10.png", pictures / flow.parent.name / "frame11.png", flow
        )
        for flow in sorted(folder.glob(f"{split}-gt-flow/*/flow10.flo"))
    }


def _things(folder: Path, split: str) -> dict[str, FlowFiles]:
    return {name: FlowFiles(*files) for name, files in things_pairs(folder, split).items()}


def read_flo(path: Path) -> tuple[Float32[np.ndarray, "h w 2"], Bool[np.ndarray, "h w"]]:
    """Flow in Middlebury's format, 0 where it is unknown, and where it is known.

    Raises:
        ValueError: another magic number, or another length than the header's size asks for.
    """
    content = path.read_bytes()
    if content[:4] != b"PIEH":  # 202021.25 as a little-endian float
        raise ValueError(f"{path}: expected a .flo file, which begins with PIEH, got {content[:4]!r}. {_AGAIN}")
    width, height = (int(side) for side in np.frombuffer(content[4:12].ljust(8, b"\0"), "<i4"))
    expected = 12 + 8 * width * height
    if min(width, height) < 1 or len(content) != expected:
        raise ValueError(
            f"{path}: expected {expected} bytes for {width}x{height} pixels, got {len(content)}. "
            f"The file is truncated or damaged. {_AGAIN}"
        )
    flow = np.frombuffer(content, "<f4", offset=12).reshape(height, width, 2).astype(np.float32)
    right, down = (np.abs(flow[..., axis]) < _UNKNOWN for axis in range(2))  # false for NaN, too
    valid = right & down  # a reduction over an axis of two takes 20 times as long
    flow[~valid] = 0
    return flow, valid


def read_flow_png(path: Path) -> tuple[Float32[np.ndarray, "h w 2"], Bool[np.ndarray, "h w"]]:
    """Flow in KITTI's format: 16 bits of right, down (64ths of a pixel above 2^15) and whether it is known.

    Raises:
        ValueError: not a whole PNG of three 16-bit channels.
    """
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            picture.verify()  # OpenCV reads a truncated file without a word
    except (OSError, SyntaxError, *BOMBS) as error:
        raise ValueError(f"{path}: expected a whole PNG, got: {error}. {_AGAIN}") from error
    channels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if channels is None or channels.dtype != np.uint16 or channels.ndim != 3:
        raise ValueError(f"{path}: expected a PNG of three 16-bit channels, as KITTI's flow_occ has, got another kind.")
    valid = np.asarray(channels[..., 0] > 0)  # OpenCV: blue, green, red
    flow = (channels[..., 2:0:-1].astype(np.float32) - 2**15) / 64
    return np.where(valid[..., None], flow, np.float32(0)), valid


def _mask(path: Path, *, like: np.ndarray, of: Path) -> Bool[np.ndarray, "h w"]:
    mask = read_indices(path) > 0
    _same_size(path, mask, like=like, of=of)
    return mask


def _same_size(path: Path, found: np.ndarray, *, like: np.ndarray, of: Path) -> None:
    if found.shape[:2] != like.shape[:2]:
        (h, w), (height, width) = found.shape[:2], like.shape[:2]
        raise ValueError(
            f"{path}: expected the size of the first picture {of.name}, {width}x{height}, got {w}x{h}. "
            f"They do not belong together. {_AGAIN}"
        )

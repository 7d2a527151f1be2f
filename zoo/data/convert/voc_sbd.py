"""SBD's labels for training and VOC's for validation, as the authors of FCN have them, in the layout of VOC.

    zoo data convert voc-sbd VOCdevkit/VOC2012 benchmark_RELEASE voc-sbd --val seg11valid.txt

Training: SBD's own list, 8,498 pictures (data/pascal/README.md in github.com/shelhamer/fcn.berkeleyvision.org).
Validation: VOC 2011's `val` without the pictures that SBD trains on, which the authors publish as
`data/pascal/seg11valid.txt`, 736 lines (footnote 7 of the paper, says their README.md). All of them are pictures of VOC
2012, too, but its own `val` leaves others.
Labels of training are SBD's, without void; those of validation are VOC's.

    SBD   dataset/{img/ID.jpg,cls/ID.mat,train.txt}, where GTcls.Segmentation of a .mat file is the picture's classes
    VOC   JPEGImages/ID.jpg, SegmentationClass/ID.png, ImageSets/Segmentation/val.txt

Source: Hariharan et al., "Semantic contours from inverse detectors", ICCV 2011; torchvision's SBDataset.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from zoo.data.convert.mat import read_field
from zoo.data.convert.outcome import Converted, Report, found_in, link, names_in
from zoo.data.segmentation import VOC

OFFICIAL = {"train": 8498, "val": 736}
_VOC_BELOW = ("VOC2012", "VOCdevkit/VOC2012", "VOC2011", "VOCdevkit/VOC2011", "TrainVal/VOCdevkit/VOC2011")
_AGAIN = "Unpack benchmark.tgz again."
_SBD_BELOW = ("dataset", "benchmark_RELEASE/dataset")


def convert_voc_sbd(
    voc: Path, sbd: Path, target: Path, *, val: Path | None = None, report: Report = lambda *_: None
) -> Converted:
    """Write SBD's training set and VOC's validation set into a folder.

    Args:
        voc: VOC 2012 or 2011, as unpacked.
        sbd: the folder with `cls/`, or the one its archive unpacks to.
        val: VOC 2011's list, or the authors'; none: the one in `voc`. What SBD trains on is left out of it.

    Raises:
        ValueError: a list or a file is absent, or one of SBD's is damaged.
    """
    voc, sbd = found_in(voc, "JPEGImages", *_VOC_BELOW), found_in(sbd, "cls", *_SBD_BELOW)
    train = names_in(sbd / "train.txt")
    listed = names_in(val or voc / "ImageSets" / "Segmentation" / "val.txt")
    scored = sorted(set(listed) - set(train))
    if not scored:
        raise ValueError(f"{val or voc}: expected pictures that SBD does not train on, got none in {len(listed)}.")
    _check_there([sbd / "img" / f"{name}.jpg" for name in train], [sbd / "cls" / f"{name}.mat" for name in train])
    _check_there(*zip(*(_of_voc(voc, name) for name in scored), strict=True))

    labels = target / "SegmentationClass"
    labels.mkdir(parents=True)
    for done, name in enumerate(train, 1):
        link(sbd / "img" / f"{name}.jpg", target / "JPEGImages" / f"{name}.jpg")
        write_label(read_sbd(sbd / "cls" / f"{name}.mat"), labels / f"{name}.png")
        report(done, len(train))
    for name in scored:
        picture, label = _of_voc(voc, name)
        link(picture, target / "JPEGImages" / picture.name)
        link(label, labels / label.name)
    lists = target / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    for split, names in (("train", train), ("val", scored)):
        (lists / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
    counts = {"train": len(train), "val": len(scored)}
    return Converted(counts=counts, remarks=_remarks(counts, without=len(listed) - len(scored), of=len(listed)))


def _of_voc(root: Path, name: str) -> tuple[Path, Path]:
    return root / "JPEGImages" / f"{name}.jpg", root / "SegmentationClass" / f"{name}.png"


def _check_there(*kinds: Sequence[Path]) -> None:
    for files in kinds:
        if absent := [path for path in files if not path.is_file()]:
            raise ValueError(
                f"{absent[0]}: expected this and the {len(files) - 1} others of its list, but {len(absent)} are "
                "absent. Unpack the whole archive."
            )


def _remarks(counts: dict[str, int], *, without: int, of: int) -> tuple[str, ...]:
    remarks = [f"left out of val: {without:,} of {of:,}, on which SBD trains"]
    if counts["train"] != OFFICIAL["train"]:
        remarks.append(f"train: {counts['train']:,} pictures, where SBD's list has {OFFICIAL['train']:,}")
    if counts["val"] != OFFICIAL["val"]:
        remarks.append(
            f"val: {counts['val']:,} pictures, where the authors' seg11valid has {OFFICIAL['val']:,}: scores do not "
            "compare with theirs. Name VOC 2011's val.txt, or their seg11valid.txt, by --val."
        )
    return tuple(remarks)


def read_sbd(path: Path) -> UInt8[np.ndarray, "h w"]:
    """The class of every pixel in one of SBD's `cls` files.

    Raises:
        ValueError: damaged, another kind of file, or classes that VOC has not.
    """
    try:
        label = read_field(path, "GTcls", "Segmentation")
    except ValueError as error:
        raise ValueError(
            f"{path}: expected a .mat file with GTcls.Segmentation, as SBD's cls/ has, got {error}. {_AGAIN}"
        ) from error
    if label.ndim != 2 or label.dtype != np.uint8:
        raise ValueError(f"{path}: expected a matrix of bytes in GTcls.Segmentation, got {label.dtype} {label.shape}.")
    if label.max() >= len(VOC):
        raise ValueError(f"{path}: expected classes 0 to {len(VOC) - 1}, got {label.max()}. {_AGAIN}")
    return np.ascontiguousarray(label)


def write_label(label: UInt8[np.ndarray, "h w"], path: Path) -> None:
    """Classes as a palette PNG in VOC's colours."""
    picture = Image.fromarray(label)
    picture.putpalette(voc_palette().tobytes())
    picture.save(path)


def voc_palette() -> UInt8[np.ndarray, "256 3"]:
    """The colours of the development kit (VOClabelcolormap): red, green and blue take turns in the bits of an index,
    lowest first, and fill their own from the highest down."""
    index = np.arange(256)
    palette = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        palette[:, bit % 3] |= ((index >> bit & 1) << (7 - bit // 3)).astype(np.uint8)
    return palette

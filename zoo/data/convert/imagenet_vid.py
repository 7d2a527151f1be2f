"""ImageNet VID as SiamFC is trained: a sequence of boxes for every object, in the layout of OTB.

    zoo data convert imagenet-vid ILSVRC2015 imagenet-vid

    from  Annotations/VID/{train/ILSVRC2015_VID_train_000?,val}/SNIPPET/000000.xml and Data/VID/.../000000.JPEG
    to    {train,val}/SNIPPET/img/000000.jpg and groundtruth_rect.txt, or .1.txt, .2.txt, ... where there are several

What the authors do (github.com/bertinetto/siamese-fc, ILSVRC15-curation/ and training/experiment.m), and so does this:
VID's training and validation snippets make one list, in this order; a snippet where an object has a box in one frame
only is left out whole; the last tenth of the list is held out. They store crops of every box. Here the frames remain
as they are, as links, so that nothing is copied; objects of a snippet share them.

Corners in the files count from 0 (xmin is 0 where an object begins at the left edge) and belong to the object, so that
a width is xmax - xmin + 1 (the authors' per_frame_annotation.m). Where an object has no box, its row is 0, 0, 0, 0.
Layout: the readme of the ILSVRC2015 development kit, 4.2.
"""

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from zoo.data.convert.outcome import Converted, Report, found_in, link

SNIPPETS = {"train": 3862, "val": 555}  # the development kit's readme, 1.2
HELD_OUT = 0.1  # experiment.m: opts.validation
_AGAIN = "Unpack ILSVRC2015_VID.tar.gz again."


@dataclass(frozen=True)
class Snippet:
    """A video: its frames, and a row of left, top, width, height (from 1, as OTB counts) a frame for every object."""

    frames: tuple[Path, ...]
    objects: dict[int, Int64[np.ndarray, "frames 4"]]

    @property
    def name(self) -> str:
        return self.frames[0].parent.name

    @property
    def usable(self) -> bool:
        """Whether pairs can be drawn of each of its objects (vid_setup_data.m: to_delete1, to_delete2)."""
        seen = [int((boxes[:, 2] > 0).sum()) for boxes in self.objects.values()]
        return bool(seen) and min(seen) > 1


class _Seen(NamedTuple):
    """One object in one frame."""

    track: int
    box: tuple[int, int, int, int]


def convert_imagenet_vid(source: Path, target: Path, *, report: Report = lambda *_: None) -> Converted:
    """Write the sequences into a folder.

    Raises:
        ValueError: no such layout, frames that have no annotation or the reverse, or a damaged annotation.
    """
    root = found_in(source, "Annotations/VID", "ILSVRC2015", "ILSVRC")
    folders = {split: _folders(root / "Annotations" / "VID" / split) for split in SNIPPETS}
    if not folders["train"]:
        raise ValueError(f"{root / 'Annotations/VID/train'}: expected folders of snippets, found none. {_AGAIN}")
    total = sum(map(len, folders.values()))
    snippets: list[Snippet] = []
    for folder in (*folders["train"], *folders["val"]):
        snippets.append(read_snippet(folder, root / "Data" / folder.relative_to(root / "Annotations")))
        report(len(snippets), 2 * total)
    usable = [snippet for snippet in snippets if snippet.usable]
    if not usable:
        raise ValueError(f"{root}: expected objects with boxes in two frames or more, got none in {total} snippets.")
    first_held_out = len(usable) - int(HELD_OUT * len(usable) + 0.5)  # MATLAB's round
    for i, snippet in enumerate(usable):
        _write(snippet, target / ("train" if i < first_held_out else "val"))
        report(total + i + 1, total + len(usable))
    return Converted(
        counts=_counted("train", usable[:first_held_out]) | _counted("val", usable[first_held_out:]),
        remarks=_remarks({split: len(found) for split, found in folders.items()}, unusable=total - len(usable)),
    )


def _folders(split: Path) -> list[Path]:
    """Those that hold annotations, at whatever depth: `train` has its snippets in four folders."""
    return sorted({path.parent for path in split.rglob("000000.xml")})


def read_snippet(annotations: Path, frames: Path) -> Snippet:
    """The frames and objects of a snippet.

    Raises:
        ValueError: the two folders do not hold the same frames, or an annotation is damaged.
    """
    numbers = {kind: {path.stem for path in folder.glob(f"*.{kind}")} for kind, folder in _kinds(annotations, frames)}
    whole = {f"{i:06d}" for i in range(len(numbers["xml"]))}
    for kind, folder in _kinds(annotations, frames):
        if differing := sorted(numbers[kind] ^ whole):
            raise ValueError(
                f"{folder}: expected {len(whole)} files 000000.{kind}, 000001.{kind}, ..., for as many annotations "
                f"are there; {differing[0]}.{kind} is absent or one too many. {_AGAIN}"
            )
    objects: dict[int, Int64[np.ndarray, "frames 4"]] = {}
    for i, number in enumerate(sorted(whole)):
        for track, box in _read(annotations / f"{number}.xml"):
            rows = objects.setdefault(track, np.zeros((len(whole), 4), np.int64))
            if box[2] > 0 and box[3] > 0:
                rows[i] = box
    return Snippet(tuple(frames / f"{number}.JPEG" for number in sorted(whole)), dict(sorted(objects.items())))


def _kinds(annotations: Path, frames: Path) -> tuple[tuple[str, Path], tuple[str, Path]]:
    return ("xml", annotations), ("JPEG", frames)


def _read(path: Path) -> list[_Seen]:
    try:
        found = ElementTree.parse(path).getroot().findall("object")
        return [_Seen(int(_text(of, "trackid")), _box(of)) for of in found]
    except (ElementTree.ParseError, ValueError) as error:
        raise ValueError(
            f"{path}: expected objects with a trackid and a bndbox of whole numbers, got: {error}. {_AGAIN}"
        ) from error


def _box(of: ElementTree.Element) -> tuple[int, int, int, int]:
    left, top, right, bottom = (int(_text(of, f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax"))
    return left + 1, top + 1, right - left + 1, bottom - top + 1


def _text(of: ElementTree.Element, name: str) -> str:
    text = of.findtext(name)
    if text is None:
        raise ValueError(f"no {name}")
    return text


def _write(snippet: Snippet, folder: Path) -> None:
    place = folder / snippet.name
    for frame in snippet.frames:
        link(frame, place / "img" / f"{frame.stem}.jpg")
    for n, rows in enumerate(snippet.objects.values(), 1):
        named = f"groundtruth_rect.{n}.txt" if len(snippet.objects) > 1 else "groundtruth_rect.txt"
        (place / named).write_text("".join(",".join(map(str, row)) + "\n" for row in rows.tolist()))


def _counted(split: str, snippets: Sequence[Snippet]) -> dict[str, int]:
    return {
        f"{split} snippets": len(snippets),
        f"{split} objects": sum(len(snippet.objects) for snippet in snippets),
        f"{split} frames": sum(len(snippet.frames) for snippet in snippets),
    }


def _remarks(found: dict[str, int], *, unusable: int) -> tuple[str, ...]:
    left_out = f"left out: {unusable:,} snippets without objects, or with one that has a box in one frame only"
    differing = [
        f"{found[split]:,} snippets of VID's {split}, where the development kit counts {official:,}"
        for split, official in SNIPPETS.items()
        if found[split] != official
    ]
    return (left_out, *differing)

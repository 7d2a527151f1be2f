"""VOT 2013 to 2015 as MDNet is trained: the 58 sequences that are not OTB's, in the layout of OTB.

    zoo data convert vot VOT vot-otb

    from  2015/bag/00000001.jpg ... and groundtruth.txt, likewise 2013/ and 2014/ (also vot2015/, ...)
    to    train/2015-bag/img/00000001.jpg ... and groundtruth_rect.txt

Which sequences, and that a rotated box counts as the upright one around its corners: github.com/hyeonseobnam/MDNet,
pretraining/seqList/vot*-otb.txt and utils/genConfig.m. VOT counts from 1, as OTB does. Frames remain as they are, as
links.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float64

from zoo.data.convert.outcome import Converted, Report, found_in, link

SEQUENCES = {
    "2013": "cup iceskater juice",
    "2014": "ball bicycle drunk fish1 hand1 polarbear sphere sunshade surfing torus tunnel",
    "2015": "bag ball1 ball2 birds1 birds2 blanket bmx book butterfly crossing dinosaur fernando fish1 fish2 "
    "fish3 fish4 glove godfather graduate gymnastics1 gymnastics2 gymnastics3 gymnastics4 hand handball1 "
    "handball2 helicopter iceskater1 leaves marching motocross2 nature octopus rabbit racing road sheep "
    "singer3 soccer2 soldier sphere traffic tunnel wiper",
}
_AGAIN = "Fetch the sequence again."


def convert_vot(source: Path, target: Path, *, report: Report = lambda *_: None) -> Converted:
    """Write the sequences into a folder.

    Raises:
        ValueError: a sequence is absent or damaged.
    """
    named = [(year, name) for year, names in SEQUENCES.items() for name in names.split(" ")]
    for done, (year, name) in enumerate(named, 1):
        folder = f"vot{year}" if (source / f"vot{year}").is_dir() else year
        _write(found_in(source, f"{folder}/{name}") / folder / name, target / "train" / f"{year}-{name}")
        report(done, len(named))
    return Converted(counts={"train": len(named)})


def _write(sequence: Path, target: Path) -> None:
    frames = sorted(path for path in sequence.glob("*.jpg") if path.stem.isdigit())
    rows = upright(sequence / "groundtruth.txt")
    if not frames:
        raise ValueError(f"{sequence}: expected frames 00000001.jpg, 00000002.jpg, ..., found none. {_AGAIN}")
    for frame in frames:
        link(frame, target / "img" / frame.name)
    shown = rows[: len(frames)].tolist()
    (target / "groundtruth_rect.txt").write_text("".join(",".join(f"{x:.3f}" for x in row) + "\n" for row in shown))


def upright(path: Path) -> Float64[np.ndarray, "n 4"]:
    """Left, top, width, height around the four corners in each row, or as the row has them.

    Raises:
        ValueError: no such file, or a row that is neither.
    """
    try:
        rows = np.loadtxt(path, delimiter=",", ndmin=2)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: expected rows of four or eight numbers, got: {error}. {_AGAIN}") from error
    if rows.shape[1] == 4:
        return rows
    if rows.shape[1] != 8:
        raise ValueError(f"{path}: expected rows of four or eight numbers, got {rows.shape[1]}. {_AGAIN}")
    corners = rows.reshape(-1, 4, 2)
    least, most = corners.min(axis=1), corners.max(axis=1)
    return np.hstack([least, most - least])

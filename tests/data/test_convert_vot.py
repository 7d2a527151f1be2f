"""VOT's sequences in the layout of OTB: the authors' 58, and upright boxes around rotated ones."""

from pathlib import Path

import pytest
from PIL import Image

from zoo.data.convert.vot import SEQUENCES, convert_vot, upright
from zoo.data.layouts import examine
from zoo.data.otb import open_otb

ROTATED = "10,5,20,15,12,23,2,13\n10.5,5,20,15,12,23,2,13\n"


def write_vot(root: Path, *, prefix: str = "") -> Path:
    """All sequences, two frames each; 2013 has upright boxes. A sequence that is OTB's too lies beside them."""
    for year, names in SEQUENCES.items():
        for name in [*names.split(" "), "david"]:
            folder = root / f"{prefix}{year}" / name
            folder.mkdir(parents=True)
            for i in (1, 2):
                Image.new("RGB", (64, 48), (i, 0, 0)).save(folder / f"{i:08d}.jpg")
            (folder / "groundtruth.txt").write_text("3,4,20,10\n" * 2 if year == "2013" else ROTATED)
    return root


@pytest.mark.parametrize("prefix", ["", "vot"])
def test_the_authors_sequences_become_otbs(tmp_path: Path, prefix: str) -> None:
    """vot13-otb.txt, vot14-otb.txt and vot15-otb.txt have 3, 11 and 44 lines."""
    told: list[tuple[int, int]] = []
    done = convert_vot(write_vot(tmp_path / "VOT", prefix=prefix), tmp_path / "out", report=lambda *at: told.append(at))
    videos = {video.name: video for video in open_otb(tmp_path / "out", "train")}
    assert [sum(name.startswith(year) for name in videos) for year in SEQUENCES] == [3, 11, 44]
    assert len(videos) == 58
    assert (done.counts, told[-1]) == ({"train": 58}, (58, 58))
    assert videos["2013-cup"].boxes.tolist() == [[2, 3, 20, 10]] * 2
    assert videos["2015-bag"].boxes.tolist() == [[1, 4, 18, 18]] * 2
    assert videos["2015-bag"].frame(1)[0, 0, 0] == 2
    assert (tmp_path / "out" / "train" / "2015-bag" / "img" / "00000001.jpg").is_symlink()
    assert examine(tmp_path / "out") == "sequences of one tracked object: 58 train"


def test_what_is_absent_or_damaged_is_named(tmp_path: Path) -> None:
    root = write_vot(tmp_path / "VOT")
    (root / "2014" / "torus").rename(root / "2014" / "taurus")
    with pytest.raises(ValueError, match="expected 2014/torus in it"):
        convert_vot(root, tmp_path / "out")
    truth = tmp_path / "groundtruth.txt"
    with pytest.raises(ValueError, match=r"groundtruth\.txt: expected rows of four or eight numbers, got: "):
        upright(truth)
    truth.write_text("1,2,3,4\n5,6,7\n")
    with pytest.raises(ValueError, match="expected rows of four or eight numbers, got: "):
        upright(truth)
    truth.write_text("1,2,3,4,5,6\n")
    with pytest.raises(ValueError, match="expected rows of four or eight numbers, got 6"):
        upright(truth)
    for frame in (root / "2013" / "cup").glob("*.jpg"):
        frame.unlink()
    with pytest.raises(ValueError, match=r"cup: expected frames 00000001\.jpg"):
        convert_vot(root, tmp_path / "other")

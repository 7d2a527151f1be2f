"""Damaged items left out on request: counted, named, part of the data set's identity, and never trained on."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.test_data import zoo
from zoo.data.layouts import examine
from zoo.data.left_out import left_out


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def damage_action(folder: Path) -> dict[str, str]:
    cut(folder / "UCF-101/Left/v_Left_g08_c01.avi")
    (folder / "UCF-101/Up/v_Up_g01_c01.avi").unlink()
    return {"Left/v_Left_g08_c01.avi": "truncated", "Up/v_Up_g01_c01.avi": "1 of them absent"}


def damage_segmentation(folder: Path) -> dict[str, str]:
    pictures = sorted((folder / "JPEGImages").glob("*.jpg"))
    cut(pictures[0])
    pictures[1].unlink()
    label = folder / "SegmentationClass" / f"{pictures[2].stem}.png"
    with Image.open(label) as picture:
        wrong = np.asarray(picture) * 0 + 77
        palette = picture.getpalette()
    changed = Image.fromarray(wrong)
    changed.putpalette(palette or [])
    changed.save(label)
    faults = ("expected a whole picture", "not all there", "expected class indices")
    return {path.stem: fault for path, fault in zip(pictures, faults, strict=False)}


def damage_tracking(folder: Path) -> dict[str, str]:
    first, second, third = sorted(path.parent for path in folder.glob("test/*/img"))[:3]
    cut(first / "img" / "0007.jpg")
    (second / "img" / "0003.jpg").unlink()
    (third / "groundtruth_rect.txt").write_text("1,2,three,4\n")
    return {first.name: "0007.jpg", second.name: "expected the frame 0003.jpg", third.name: "expected four numbers"}


def damage_flow(folder: Path) -> dict[str, str]:
    flows = sorted(folder.glob("*-gt.flo"))
    cut(flows[0])
    flows[1].unlink()
    (folder / flows[2].name.replace("-gt.flo", "-img1.ppm")).unlink()
    faults = ("truncated", "absent", "file missing")
    return {flow.name.removesuffix("-gt.flo"): fault for flow, fault in zip(flows, faults, strict=False)}


DAMAGES = {
    "collage-action": damage_action,
    "collage-seg": damage_segmentation,
    "collage-track": damage_tracking,
    "collage-flow": damage_flow,
}


@pytest.mark.parametrize(("name", "damage"), DAMAGES.items())
def test_damaged_items_are_left_out_by_name(
    name: str, damage: Callable[[Path], dict[str, str]], made_copy: Callable[[str], Path]
) -> None:
    copy = made_copy(name)
    expected = damage(copy)
    with pytest.raises(ValueError, match=r"expected|absent|not all there|file missing"):
        examine(copy)
    assert (examine(copy, skip_bad=True) or "").endswith(f"{len(expected)} left out")
    found = left_out(copy)
    assert found.keys() == expected.keys()
    assert all(fault in found[item] for item, fault in expected.items())
    assert (examine(copy) or "").endswith(f"{len(expected)} left out")  # who opens it now meets no damage


def test_a_folder_of_pictures(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for i in range(3):
            path = tmp_path / split / "ant" / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((20, 20, 3), i + 100 * (split == "val"), np.uint8)).save(path)
    assert examine(tmp_path) == "pictures in a folder per class: 3 train, 3 val"
    cut(tmp_path / "train" / "ant" / "1.png")
    (tmp_path / "val" / "ant" / "notes.txt").write_text("x")
    assert examine(tmp_path, skip_bad=True) == "pictures in a folder per class: 2 train, 3 val; 2 left out"
    assert left_out(tmp_path).keys() == {"train/ant/1.png", "val/ant/notes.txt"}


def test_something_has_to_remain(made_copy: Callable[[str], Path]) -> None:
    copy = made_copy("collage-flow")
    for flow in copy.glob("*-gt.flo"):
        cut(flow)
    with pytest.raises(ValueError, match=r"left-out\.tsv: all 240 items of a split .* Nothing would remain"):
        examine(copy, skip_bad=True)


def test_a_cut_data_set_is_another_one(made_copy: Callable[[str], Path], tmp_path: Path) -> None:
    copy = made_copy("collage-flow")
    whole = zoo(tmp_path, "add", "whole", str(copy))
    cut(copy / "0000004-gt.flo")
    refused = zoo(tmp_path, "add", "mine", str(copy))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "0000004-gt.flo: expected" in refused.stderr
    added = zoo(tmp_path, "add", "mine", str(copy), "--skip-bad")
    assert added.returncode == 0, added.stderr
    assert "left out 0000004: " in added.stderr
    assert "left out 1 in all, named in datasets/mine/left-out.tsv" in added.stderr
    assert added.stdout.split()[1] != whole.stdout.split()[1]
    assert not json.loads(zoo(tmp_path, "verify", "mine", "--json").stdout)[0]["wrong"]
    assert not (copy / "left-out.tsv").exists()  # a person's own folder is not written to

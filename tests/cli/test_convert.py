"""`zoo data convert` as a person types it: from a publisher's folder to a recorded data set."""

import os
import subprocess
import sys
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from registry.settings import Settings
from zoo.data.layouts import examine
from zoo.data.segmentation import open_segmentation


def zoo(project: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"ZOO_PROJECT": str(project), "ZOO_HOME": str(project / "home"), "COLUMNS": "200"}
    command = [str(Path(sys.executable).with_name("zoo")), "data", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def save(path: Path, *, size: tuple[int, int], grey: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("L", size) if grey else Image.new("RGB", size, (crc32(path.name.encode()) % 256, 0, 0))
    picture.save(path)


def test_pictures_are_converted_counted_and_recorded(tmp_path: Path) -> None:
    source, project = tmp_path / "faces", tmp_path / "project"
    for i in range(3):
        save(source / f"{i:06d}.jpg", size=(178, 218))
    save(source / "000003.jpg", size=(20, 20))
    convert = ("convert", "pictures", source, "celeba", "--size", "64", "--crop", "celeba")
    refused = zoo(project, *convert)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "000003.jpg: expected 178x218" in refused.stderr.splitlines()[-1]

    done = zoo(project, *convert, "--skip-bad")
    assert done.returncode == 0, done.stderr
    name, digest = done.stdout.split()
    assert (name, len(digest)) == ("celeba", 64)
    assert "written: 3 train" in done.stderr
    assert "left out: 1 pictures that are damaged or too small, named in left-out.tsv" in done.stderr
    assert "pictures in a folder per class: 3 train; 1 left out" in done.stderr
    assert zoo(project, "verify", "celeba").returncode == 0
    assert not list((project / "home" / "converted").iterdir())

    again = zoo(project, *convert)
    assert again.returncode == 1
    assert again.stderr.splitlines()[-1].startswith("zoo: there is a data set 'celeba' already.")


def test_what_was_linked_is_recorded_as_files(tmp_path: Path) -> None:
    """SBD with VOC: once recorded, nothing leads out of datasets/ any more."""
    voc, sbd = tmp_path / "VOC2012", tmp_path / "benchmark_RELEASE" / "dataset"
    save(voc / "JPEGImages" / "2007_000001.jpg", size=(9, 6))
    save(voc / "SegmentationClass" / "2007_000001.png", size=(9, 6), grey=True)
    save(sbd / "img" / "2008_000001.jpg", size=(9, 6))
    (sbd / "cls").mkdir()
    savemat(sbd / "cls" / "2008_000001.mat", {"GTcls": {"Segmentation": np.full((6, 9), 20, np.uint8)}})
    (sbd / "train.txt").write_text("2008_000001\n")
    (tmp_path / "list.txt").write_text("2007_000001\n")
    here = Settings(tmp_path / "project", tmp_path / "project" / "home", "")
    done = zoo(here.project, "convert", "voc-sbd", voc, sbd.parent, "voc-sbd", "--val", tmp_path / "list.txt")
    assert done.returncode == 0, done.stderr
    assert "val: 1 pictures, where the authors' seg11valid has 736" in done.stderr
    folder = here.datasets / "voc-sbd"
    assert not any(path.is_symlink() for path in folder.rglob("*"))
    assert examine(folder) == "pictures labelled by pixel: 1 train, 1 val"
    assert (open_segmentation(folder, "train")[0][1] == 20).all()


@pytest.mark.parametrize(
    ("kind", "arguments", "said"),
    [
        ("voc-sbd", ["a", "b", "name"], "zoo: a: expected JPEGImages in it"),
        ("imagenet-vid", ["a", "name"], "zoo: a: expected Annotations/VID in it"),
        ("vot", ["a", "name"], "zoo: a: expected 2013/cup in it"),
        ("pictures", ["a", "name", "--size", "64"], "zoo: a: expected pictures"),
    ],
)
def test_help_has_an_example_and_a_mistake_is_one_line(
    tmp_path: Path, kind: str, arguments: list[str], said: str
) -> None:
    told = zoo(tmp_path, "convert", kind, "--help")
    assert told.returncode == 0
    assert f"zoo data convert {kind}" in told.stdout
    done = zoo(tmp_path, "convert", kind, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith(said)
    assert "Traceback" not in done.stderr

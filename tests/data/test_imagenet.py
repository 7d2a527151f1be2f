"""ImageNet in each layout that it comes in, its lists, and a million names in little time and memory."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from zoo.data.imagenet import KAGGLE, KIT, is_imagenet, open_imagenet
from zoo.data.layouts import examine

WNIDS = ("n00000003", "n00000017", "n00000100")
VAL = {"ILSVRC2012_val_00000001": 1, "ILSVRC2012_val_00000002": 0, "ILSVRC2012_val_00000003": 2}


def picture(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((20, 30, 3), value, np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "imagenet"
    for label, wnid in enumerate(WNIDS):
        for i in range(2):
            picture(root / "train" / wnid / f"{wnid}_{i}.JPEG", 10 * label + i)
    for number, name in enumerate(VAL):
        picture(root / "val" / f"{name}.JPEG", 100 + number)
    return root


def kaggle(path: Path) -> None:
    lines = (f"{name},{WNIDS[label]} 1 2 3 4 {WNIDS[label]} 5 6 7 8 " for name, label in reversed(VAL.items()))
    path.write_text("ImageId,PredictionString\n" + "\n".join(lines) + "\n")


def kit(folder: Path, numbers: str = "2\n3\n1\n") -> None:
    """Whose numbers are not in the order of the classes' names."""
    folder.mkdir(parents=True)
    kinds = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O"), ("children", "O")]
    synsets = np.zeros((4, 1), dtype=kinds)
    for row, (number, wnid) in enumerate(((1, WNIDS[2]), (2, WNIDS[1]), (3, WNIDS[0]), (4, "n09999999"))):
        synsets[row, 0] = (float(number), wnid, f"words, of {wnid}", 0.0, np.array([[1.0, 2.0]]))
    savemat(folder / "meta.mat", {"synsets": synsets})
    (folder / "ILSVRC2012_validation_ground_truth.txt").write_text(numbers)


def check(folder: Path) -> None:
    found = open_imagenet(folder, "val")
    assert found.classes == WNIDS
    assert [found.file(i).stem for i in range(3)] == sorted(VAL) or {found.file(i).stem for i in range(3)} == set(VAL)
    assert {found.file(i).stem: int(found.labels[i]) for i in range(3)} == VAL
    for i in range(3):
        image, label = found[i]
        assert label == VAL[found.file(i).stem]
        assert abs(int(image[0, 0, 0]) - 99 - int(found.file(i).stem[-1])) <= 2


def test_training_pictures_lie_in_the_folder_of_their_class(folder: Path) -> None:
    found = open_imagenet(folder, "train")
    assert found.classes == WNIDS
    assert found.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert found.file(3).relative_to(folder).as_posix() == "train/n00000017/n00000017_1.JPEG"


def test_kaggles_list_names_the_validation_pictures(folder: Path) -> None:
    kaggle(folder / KAGGLE)
    check(folder)


def test_kaggles_whole_archive(folder: Path, tmp_path: Path) -> None:
    moved = tmp_path / "kaggle" / "ILSVRC" / "Data" / "CLS-LOC"
    moved.parent.mkdir(parents=True)
    folder.rename(moved)
    kaggle(tmp_path / "kaggle" / KAGGLE)
    assert is_imagenet(tmp_path / "kaggle")
    check(tmp_path / "kaggle")


def test_the_development_kits_numbers_name_them_by_meta_mat(folder: Path) -> None:
    kit(folder / KIT)
    check(folder)


def test_a_folder_per_class_names_them(folder: Path) -> None:
    for name, label in VAL.items():
        (folder / "val" / WNIDS[label]).mkdir()
        (folder / "val" / f"{name}.JPEG").rename(folder / "val" / WNIDS[label] / f"{name}.JPEG")
    check(folder)


def test_what_is_missing_is_named(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"expected the official list .*LOC_val_solution\.csv .*found neither"):
        open_imagenet(folder, "val")
    with pytest.raises(ValueError, match="expected the split train or val, got 'test'"):
        open_imagenet(folder, "test")
    (folder / KAGGLE).write_text("ImageId,PredictionString\nILSVRC2012_val_00000001,\n")
    with pytest.raises(ValueError, match="expected lines of a picture and its class"):
        open_imagenet(folder, "val")
    (folder / KAGGLE).write_text("ImageId,PredictionString\nILSVRC2012_val_00000001,n77777777 1 2 3 4\n")
    with pytest.raises(ValueError, match="expected classes that train/ has, but its list has 1 others, first n777"):
        open_imagenet(folder, "val")
    kaggle(folder / KAGGLE)
    (folder / "val" / "ILSVRC2012_val_00000002.JPEG").unlink()
    with pytest.raises(ValueError, match=r"00000002\.JPEG: expected this and .* but 1 of 3 are absent"):
        open_imagenet(folder, "val")
    assert examine(folder, skip_bad=True) == "ImageNet, classification: 6 train, 2 val; 1 left out"
    assert len(open_imagenet(folder, "val")) == 2
    (folder / "train" / WNIDS[0] / "notes.txt").write_text("")
    with pytest.raises(ValueError, match=r"notes\.txt: expected pictures .* got another file"):
        open_imagenet(folder, "train")


def test_a_damaged_kit_is_named(folder: Path) -> None:
    kit(folder / KIT, numbers="2\n3\n7\n")
    with pytest.raises(ValueError, match=r"expected numbers of meta\.mat, got 7"):
        open_imagenet(folder, "val")
    meta = folder / KIT / "meta.mat"
    whole = meta.read_bytes()
    for damaged in (b"", whole[:500], whole[:-40]):
        meta.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"expected ILSVRC2012_validation_ground_truth\.txt and meta\.mat"):
            open_imagenet(folder, "val")


def test_a_listing_is_kept_until_a_folder_changes(folder: Path, tmp_path: Path) -> None:
    first = open_imagenet(folder, "train", cache=tmp_path)
    (kept,) = (tmp_path / "listings").iterdir()
    kept.write_bytes(kept.read_bytes()[:-10])
    with pytest.warns(UserWarning, match="a kept listing is damaged and made again"):
        again = open_imagenet(folder, "train", cache=tmp_path)
    assert again.names.tolist() == first.names.tolist()
    picture(folder / "train" / WNIDS[1] / "n00000017_7.JPEG", 0)
    assert len(open_imagenet(folder, "train", cache=tmp_path)) == 7


SCALE = """
import resource, sys, time
from pathlib import Path
from zoo.data import imagenet

class Entry:
    def __init__(self, name): self.name = name

def entries(folder):
    return (Entry(f"{folder.name}_{i}.JPEG") for i in range(1281))

imagenet._entries = entries
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
names, labels = imagenet._scanned(Path("train"), tuple(f"n{i:08}" for i in range(1000)))
used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(len(names), len(labels), used // 1024)
"""


def test_a_million_names_fit_into_little_memory() -> None:
    """Without the files: what a disk takes to tell them is not ours."""
    told = subprocess.run([sys.executable, "-c", SCALE], capture_output=True, text=True, check=True, timeout=300)
    names, labels, mebibytes = map(int, told.stdout.split())
    assert names == labels == 1_281_000
    assert mebibytes < 300

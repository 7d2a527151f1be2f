"""SVHN's .mat files, written by scipy: pictures and digits as scipy reads them, and damage by name."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from zoo.data.labelled import open_labelled
from zoo.data.layouts import examine
from zoo.data.svhn import open_svhn

DIGITS = np.array([[1], [10], [9], [2]])


def write(folder: Path, split: str = "train", *, y: np.ndarray = DIGITS, seed: int = 0, **arrays: np.ndarray) -> Path:
    images = np.random.default_rng(seed).integers(256, size=(32, 32, 3, 4), dtype=np.uint8)
    path = folder / f"{split}_32x32.mat"
    savemat(path, {"X": images, "y": y} | arrays, do_compression=True)
    return path


def test_reads_what_scipy_reads_and_ten_is_nought(tmp_path: Path) -> None:
    path = write(tmp_path)
    images, labels = open_svhn(tmp_path, "train")
    theirs = loadmat(path)
    assert np.array_equal(images, theirs["X"].transpose(3, 2, 0, 1))
    assert labels.tolist() == [1, 0, 9, 2]
    for kind in (np.uint8, np.float64):  # as MATLAB may have them
        write(tmp_path, y=DIGITS.astype(kind))
        assert open_svhn(tmp_path, "train")[1].tolist() == [1, 0, 9, 2]


def test_is_known_by_its_files(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, "test", seed=1)
    assert open_labelled(tmp_path, "test").classes == tuple("0123456789")
    assert examine(tmp_path) == "pictures with one label each: 4 train, 4 test"


def test_damage_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected the split train or test, got 'extra'"):
        open_svhn(tmp_path, "extra")
    with pytest.raises(ValueError, match=r"expected train_32x32\.mat of SVHN, format 2, found none"):
        open_svhn(tmp_path, "train")
    path = write(tmp_path)
    whole = path.read_bytes()
    for damaged in (whole[:200], whole[: len(whole) // 2], whole[:-1], b"", b"\0" * 500, whole[:300] + whole[400:]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"train_32x32\.mat: expected SVHN's pictures X and digits y, got "):
            open_svhn(tmp_path, "train")
    write(tmp_path, y=np.array([[1], [11], [2], [3]]))
    with pytest.raises(ValueError, match=r"expected digits 1 to 10, got 11 for picture 1"):
        open_svhn(tmp_path, "train")
    write(tmp_path, y=np.array([[1], [2]]))
    with pytest.raises(ValueError, match=r"expected bytes of 32 x 32 x 3 x 2, a picture for each digit, got uint8"):
        open_svhn(tmp_path, "train")
    write(tmp_path, X=np.zeros((32, 32, 3, 4)))
    with pytest.raises(ValueError, match="got float64"):
        open_svhn(tmp_path, "train")


def test_a_file_that_names_code_runs_none(tmp_path: Path) -> None:
    """What scipy makes objects of is no number for us."""
    write(tmp_path, y=np.array([["import os"], ["x"], ["y"], ["z"]], dtype=object))
    with pytest.raises(ValueError, match="no numbers in the field"):
        open_svhn(tmp_path, "train")

"""MNIST's idx files: what is read, and that damage is named."""

import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from zoo.data.mnist import open_mnist

IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def write(folder: Path, *, images: bytes = IMAGES.tobytes(), labels: bytes = b"\x07\x09", count: int = 2) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 0x803, count, 3, 4) + images)
    (folder / "train-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, len(labels)) + labels)


@pytest.mark.parametrize("inner", ["", "raw", "MNIST/raw"])
def test_plain_files(tmp_path: Path, inner: str) -> None:
    write(tmp_path / inner)
    images, labels = open_mnist(tmp_path, "train")
    np.testing.assert_array_equal(images, IMAGES)
    assert labels.tolist() == [7, 9]
    assert images.flags.writeable


def test_compressed_files(tmp_path: Path) -> None:
    write(tmp_path)
    for path in list(tmp_path.iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    np.testing.assert_array_equal(open_mnist(tmp_path, "train")[0], IMAGES)
    images = tmp_path / "train-images-idx3-ubyte.gz"
    images.write_bytes(images.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"images-idx3-ubyte\.gz: expected a whole gzip file"):
        open_mnist(tmp_path, "train")


@pytest.mark.shared_data
def test_real_mnist(shared_data: Path) -> None:
    images, labels = open_mnist(shared_data / "generation_mnist", "train")
    assert images.shape == (20000, 28, 28)
    assert labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]  # as everybody knows them
    assert open_mnist(shared_data / "generation_mnist", "test")[1][:5].tolist() == [7, 2, 1, 0, 4]


def test_truncated_file(tmp_path: Path) -> None:
    write(tmp_path, images=IMAGES.tobytes()[:-1])
    with pytest.raises(ValueError, match="promises 2x3x4 = 24 bytes, got 23"):
        open_mnist(tmp_path, "train")


def test_a_header_that_promises_what_no_file_could_hold(tmp_path: Path) -> None:
    """Nothing is reserved for it: 2^96 bytes would not be there."""
    write(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(bytes([0, 0, 8, 3]) + b"\xff" * 12 + b"x")
    with pytest.raises(ValueError, match=r"promises 4294967295x.* bytes, got a file of at most 17544"):
        open_mnist(tmp_path, "train")


def test_no_more_is_unpacked_than_the_header_promises(tmp_path: Path) -> None:
    write(tmp_path)
    plain = tmp_path / "train-images-idx3-ubyte"
    bomb = plain.with_name(f"{plain.name}.gz")
    with gzip.open(bomb, "wb") as file:
        file.write(plain.read_bytes())
        for _ in range(200):
            file.write(bytes(1 << 20))
    plain.unlink()
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"promises 2x3x4 = 24 bytes, got more"):
        open_mnist(tmp_path, "train")
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_wrong_magic(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes((tmp_path / "train-labels-idx1-ubyte").read_bytes())
    with pytest.raises(ValueError, match=r"magic 00000803.*start with 00000801"):
        open_mnist(tmp_path, "train")
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"")
    with pytest.raises(ValueError, match="start with nothing"):
        open_mnist(tmp_path, "train")


def test_labels_of_another_file(tmp_path: Path) -> None:
    write(tmp_path, labels=b"\x01")
    with pytest.raises(ValueError, match=r"a label for each of the 2 pictures .* got 1"):
        open_mnist(tmp_path, "train")


def test_label_out_of_range(tmp_path: Path) -> None:
    write(tmp_path, labels=b"\x01\x0a")
    with pytest.raises(ValueError, match="expected digits 0 to 9, got 10 for picture 1"):
        open_mnist(tmp_path, "train")


def test_absent_files_and_splits(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected t10k-images-idx3-ubyte"):
        open_mnist(tmp_path, "test")
    with pytest.raises(ValueError, match="train or test, got 'val'"):
        open_mnist(tmp_path, "val")

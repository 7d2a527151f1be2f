"""CIFAR-10's binary form: a hand-made record, the real sample, and damage by name."""

from pathlib import Path

import numpy as np
import pytest

from zoo.data.cifar10 import CLASSES, RECORD, open_cifar10


def record(label: int, value: int) -> bytes:
    return bytes([label]) + bytes([value]) * (RECORD - 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inner = tmp_path / "cifar-10-batches-bin"
    inner.mkdir()
    for i in (1, 2):
        (inner / f"data_batch_{i}.bin").write_bytes(record(i, 10 * i) + record(9, 255))
    (inner / "test_batch.bin").write_bytes(bytes([3]) + b"r" * 1024 + b"g" * 1024 + b"b" * 1024)
    return tmp_path


def test_records_become_planes_and_labels(folder: Path) -> None:
    images, labels = open_cifar10(folder, "train")
    assert (images.shape, labels.tolist()) == ((4, 3, 32, 32), [1, 9, 2, 9])
    assert images[:, 0, 0, 0].tolist() == [10, 255, 20, 255]
    (image,), (label,) = open_cifar10(folder, "test")
    assert [bytes(np.unique(plane)) for plane in image] == [b"r", b"g", b"b"]
    assert CLASSES[label] == "cat"


def test_damage_is_named(folder: Path) -> None:
    with pytest.raises(ValueError, match="expected the split train or test, got 'val'"):
        open_cifar10(folder, "val")
    batch = folder / "cifar-10-batches-bin" / "data_batch_2.bin"
    whole = batch.read_bytes()
    batch.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match=r"data_batch_2\.bin: expected a multiple of 3073 bytes, got 6145"):
        open_cifar10(folder, "train")
    batch.write_bytes(whole[:RECORD] + record(10, 0))
    with pytest.raises(ValueError, match=r"data_batch_2\.bin: expected labels 0 to 9, got 10 in record 1"):
        open_cifar10(folder, "train")
    batch.write_bytes(b"")
    with pytest.raises(ValueError, match="got 0"):
        open_cifar10(folder, "train")
    for path in batch.parent.iterdir():
        path.unlink()
    with pytest.raises(ValueError, match=r"expected data_batch_\*\.bin .* found none"):
        open_cifar10(folder, "train")


@pytest.mark.shared_data
def test_the_real_sample(shared_data: Path) -> None:
    (binary,) = shared_data.glob("generation_cifar10/**/*_batch*.bin")
    images, labels = open_cifar10(binary.parent, "test")
    assert images.shape == (100, 3, 32, 32)
    assert len(set(labels.tolist())) == 10
    assert 80 < images.mean() < 160

"""A folder per class: agreement with torchvision, and damage by name."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import ImageFolder as TorchvisionImageFolder

from zoo.data.image_folder import open_image_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for split in ("train", "val"):
        for name in ("zebra", "ant"):
            (tmp_path / split / name).mkdir(parents=True)
            for i in range(2):
                picture = random.integers(0, 256, size=(6 + i, 9, 3), dtype=np.uint8)
                Image.fromarray(picture).save(tmp_path / split / name / f"{i}.png")
    return tmp_path


def test_it_is_what_torchvision_reads(folder: Path) -> None:
    ours, theirs = open_image_folder(folder, "train"), TorchvisionImageFolder(str(folder / "train"))
    assert (ours.classes, len(ours)) == (("ant", "zebra"), len(theirs))
    for i in range(len(ours)):
        picture, label = theirs[i]
        np.testing.assert_array_equal(ours[i][0], np.asarray(picture))
        assert ours[i][1] == label


def test_damage_is_named(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"expected a folder test/ .* found train, val"):
        open_image_folder(folder, "test")
    cut = folder / "val" / "ant" / "1.png"
    cut.write_bytes(cut.read_bytes()[:60])
    with pytest.raises(ValueError, match=r"1\.png: expected a"):
        open_image_folder(folder, "val")[1]
    (folder / "train" / "ant" / "notes.txt").write_text("x")
    with pytest.raises(ValueError, match=r"notes\.txt: expected a picture"):
        open_image_folder(folder, "train")
    (folder / "train" / "bee").mkdir()
    with pytest.raises(ValueError, match="only one has bee"):
        open_image_folder(folder, "train")
    (folder / "val" / "bee").mkdir()
    (folder / "train" / "ant" / "notes.txt").unlink()
    with pytest.raises(ValueError, match="bee: expected pictures of this class"):
        open_image_folder(folder, "train")

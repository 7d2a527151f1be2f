"""Which reader a folder gets, and that all of it is read."""

from pathlib import Path

import pytest

from zoo.data.layouts import examine


def test_made_data_sets_are_accepted(made_data: Path) -> None:
    assert examine(made_data / "digits") == "pictures with one label each: 1500 train, 297 test"
    assert examine(made_data / "collage-seg") == "pictures labelled by pixel: 400 train, 100 val"
    assert examine(made_data / "collage-coco") == "pictures with outlined things: 240 train, 60 val"
    assert examine(made_data / "collage-track") == "sequences of one tracked object: 24 train, 16 test"
    assert examine(made_data / "collage-flow") == "pairs with flow: 240 train, 40 val"


@pytest.mark.shared_data
def test_real_data_sets_are_accepted(shared_data: Path) -> None:
    assert examine(shared_data / "generation_mnist") == "pictures with one label each: 20000 train, 5000 test"
    assert examine(shared_data / "segmentation_camvid") == "pictures labelled by pixel: 40 train, 9 val"
    assert examine(shared_data / "coco_tiny") == "pictures with outlined things: 20 train"
    assert examine(shared_data / "tracking_otb") == "sequences of one tracked object: 2 test"
    assert examine(shared_data / "flow_sintel") == "pairs with flow: 1 clean, 1 final"
    assert examine(shared_data / "flow_kitti") == "pairs with flow: 1 training"
    assert examine(shared_data / "flow_middlebury") == "pairs with flow: 1 other"
    with pytest.raises(ValueError, match=r"expected data_batch_\*\.bin"):  # a test batch alone
        examine(shared_data / "generation_cifar10")
    assert examine(shared_data / "superres") is None


def test_the_last_frame_is_read_too(made_data: Path, tmp_path: Path) -> None:
    whole = made_data / "collage-track" / "test" / "01-cat"
    for path in sorted(whole.rglob("*.*")):
        copy = tmp_path / "cat" / path.relative_to(whole)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes()[:-1000] if path.name == "0040.jpg" else path.read_bytes())
    with pytest.raises(ValueError, match=r"0040\.jpg: expected a whole picture"):
        examine(tmp_path)

"""Flow kept by content: what another estimator says, once; damage never passes for flow."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from zoo.data.ucf101 import Video, open_ucf101
from zoo.video.flows import LEVELS, Flows, estimated, in_pixels

SIZE, REACH = (64, 64), 10.0


class Farneback:
    """OpenCV's estimator, which counts the pairs that it is shown."""

    def __init__(self) -> None:
        self.pairs = 0

    def flow(self, first: Tensor, second: Tensor) -> Tensor:
        self.pairs += len(first)
        grey = [
            [cv2.cvtColor(p.permute(1, 2, 0).numpy(), cv2.COLOR_RGB2GRAY) for p in part] for part in (first, second)
        ]
        found = [
            cv2.calcOpticalFlowFarneback(*pair, None, 0.5, 3, 13, 3, 5, 1.1, 0) for pair in zip(*grey, strict=True)
        ]
        return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2)


@pytest.fixture(scope="module")
def videos(datasets: Path) -> tuple[Video, ...]:
    return open_ucf101(datasets / "collage-action", "train").videos[:2]


def flows(videos: tuple[Video, ...], cache: Path | None, *, gap: int = 3, made_by: str = "f", **how: float) -> Flows:
    estimator = Farneback()
    return Flows(videos, estimator, made_by=made_by, size=SIZE, gap=gap, reach=how.get("reach", REACH), cache=cache)


def test_levels_by_hand() -> None:
    class Given:
        def flow(self, _first: Tensor, _second: Tensor) -> Tensor:
            return torch.tensor([0.0, 10.0, -25.0, 0.11]).view(1, 2, 1, 2)

    picture = torch.zeros(1, 3, 1, 2, dtype=torch.uint8)
    levels = estimated(Given(), picture, picture, reach=10.0)
    assert levels.flatten().tolist() == [0, 127, -127, 1]
    torch.testing.assert_close(in_pixels(levels, reach=10.0).flatten(), torch.tensor([0, 10, -10, 10 / 127]))


def test_is_what_the_estimator_says_of_every_third_frame(videos: tuple[Video, ...]) -> None:
    """20 frames: flows 0 -> 3 ... 15 -> 18, and stillness after them."""
    found = flows(videos, None)
    assert found.count(1) == 6
    frames = torch.from_numpy(videos[1].clip(0, 20)).permute(0, 3, 1, 2)
    flow = in_pixels(found(1, start=4, length=4), reach=REACH)
    theirs = Farneback().flow(frames[[12, 15]], frames[[15, 18]])
    assert theirs.abs().max() > 1
    torch.testing.assert_close(flow[:2], theirs.clamp(-REACH, REACH), rtol=0, atol=REACH / LEVELS)
    assert not flow[2:].any()


def test_is_estimated_once_and_read_from_then_on(videos: tuple[Video, ...], tmp_path: Path) -> None:
    first, again = flows(videos, tmp_path), flows(videos, tmp_path)
    expected = [first(1, start=start, length=2) for start in range(4)]
    assert first.estimator.pairs == 6  # type: ignore[attr-defined]
    assert [torch.equal(again(1, start=start, length=2), flow) for start, flow in enumerate(expected)] == [True] * 4
    assert again.estimator.pairs == 0  # type: ignore[attr-defined]


def test_other_weights_frames_or_bytes_are_other_flows(videos: tuple[Video, ...], tmp_path: Path) -> None:
    edited = tmp_path / "edited.avi"
    edited.write_bytes(videos[0].path.read_bytes() + b"\0")
    renamed = tmp_path / "renamed.avi"
    renamed.write_bytes(videos[0].path.read_bytes())
    for made in (
        flows(videos, tmp_path),
        flows(videos, tmp_path, made_by="g"),
        flows(videos, tmp_path, gap=4),
        flows(videos, tmp_path, reach=5.0),
        flows((Video(edited, 0),), tmp_path),
        flows((Video(renamed, 0),), tmp_path),
    ):
        made(0, start=0, length=1)
    assert len(list((tmp_path / "flows").iterdir())) == 5  # a name is not content


def test_damage_is_made_good(videos: tuple[Video, ...], tmp_path: Path) -> None:
    """`test_kept` has what counts as damage."""
    expected = flows(videos, tmp_path)(0, start=0, length=6).clone()
    (path,) = (tmp_path / "flows").iterdir()
    whole = path.read_bytes()
    for data in (whole[:-1], whole[:-1] + bytes([whole[-1] ^ 0xFF])):
        path.unlink()
        path.write_bytes(data)
        with pytest.warns(UserWarning, match="damaged"):
            assert torch.equal(flows(videos, tmp_path)(0, start=0, length=6), expected)
        assert path.read_bytes() == whole


def test_a_video_too_short_for_a_flow_stands_still(videos: tuple[Video, ...], tmp_path: Path) -> None:
    found = flows(videos, tmp_path, gap=20)
    assert found.count(0) == 0
    assert not found(0, start=0, length=2).any()
    assert found.estimator.pairs == 0  # type: ignore[attr-defined]


def test_without_a_cache_nothing_stays(videos: tuple[Video, ...]) -> None:
    found = flows(videos, None)
    found(0, start=0, length=1)
    folder = found.folder
    assert list(folder.iterdir())
    found._forget()
    assert not folder.exists()

"""The authors' changes of a pair: what moves as the flow says still does, and how often each change happens."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import ColorJitter

from zoo.data.flow import FlowPair
from zoo.optical_flow import augmentation
from zoo.optical_flow.augmentation import (
    Factors,
    augmented,
    drawn_light,
    drawn_scale,
    erased,
    jittered,
    placed,
    relit_pair,
)

CROP, ZOOM = (48, 64), (2**-0.1, 2.0)


def waves(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A smooth picture, anywhere."""
    channels = (np.sin(x / 9 + y / 23), np.cos(x / 17 - y / 11), np.sin(x / 13) * np.cos(y / 15))
    return np.stack(channels, axis=-1) * 100 + 128


def moving(height: int = 80, width: int = 100) -> FlowPair:
    """A picture, and the same turned, grown and moved: in the second, waves lie where the flow says."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    turned = np.array([[0.02, -0.05], [0.04, -0.03]])
    flow = np.stack((3 + turned[0, 0] * x + turned[0, 1] * y, -2 + turned[1, 0] * x + turned[1, 1] * y), axis=-1)
    source = np.stack((x - 3, y + 2), axis=-1) @ np.linalg.inv(np.eye(2) + turned).T
    first, second = waves(x, y), waves(source[..., 0], source[..., 1])
    pictures = (np.round(picture).astype(np.uint8) for picture in (first, second))
    return FlowPair(*pictures, flow.astype(np.float32), np.ones((height, width), bool))


def warped(pair: FlowPair) -> tuple[np.ndarray, np.ndarray]:
    """The second picture looked up where the flow leads, and which pixels that is possible for."""
    height, width = pair.valid.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    to = np.stack((x, y), axis=-1) + pair.flow
    grid = torch.from_numpy(2 * to / np.array([width - 1, height - 1], np.float32) - 1)[None]
    second = torch.from_numpy(pair.second.copy()).permute(2, 0, 1)[None].float()
    looked_up = torch.nn.functional.grid_sample(second, grid.float(), align_corners=True)[0].permute(1, 2, 0)
    return looked_up.numpy(), (grid[0].abs() < 1).all(dim=-1).numpy() & pair.valid


def test_what_moves_as_the_flow_says_still_does() -> None:
    """Under every scale, stretch, mirroring and crop."""
    pair, moved = moving(), []
    for seed in range(40):
        changed = placed(pair, crop=CROP, zoom=ZOOM, rng=np.random.default_rng(seed))
        assert changed.first.shape == (*CROP, 3)
        looked_up, known = warped(changed)
        assert known.mean() > 0.5
        assert np.abs(looked_up - changed.first)[known].max() < 8
        moved.append(np.abs(changed.second.astype(float) - changed.first)[known].max())
    assert min(moved) > 20  # without the flow they differ


def test_all_of_it_is_a_pair_of_the_crops_size() -> None:
    for seed in range(5):
        first, second, flow, valid = augmented(moving(), crop=CROP, zoom=ZOOM, rng=np.random.default_rng(seed))
        assert {first.shape, second.shape, (*flow.shape[:2], 3), (*valid.shape, 3)} == {(*CROP, 3)}
        assert (first.dtype, second.dtype, flow.dtype, valid.dtype) == (np.uint8, np.uint8, np.float32, bool)
        assert not np.array_equal(first, placed(moving(), crop=CROP, zoom=ZOOM, rng=np.random.default_rng(seed)).first)


def test_the_numbers_are_the_codes() -> None:
    """core/utils/augmentor.py, FlowAugmentor."""
    assert (augmentation.RESCALED, augmentation.STRETCHED, augmentation.STRETCH, augmentation.SPARE) == (
        0.8,
        0.8,
        0.2,
        8,
    )
    assert (augmentation.MIRRORED, augmentation.UPSIDE_DOWN) == (0.5, 0.1)
    assert (augmentation.LIGHT, augmentation.HUE, augmentation.UNEQUAL) == (0.4, 0.5 / 3.14, 0.2)
    assert (augmentation.ERASED, augmentation.RECTANGLE) == (0.5, (50, 100))


def test_scales_are_as_often_and_as_far_apart_as_said() -> None:
    rng = np.random.default_rng(0)
    scales = np.array([drawn_scale((800, 1000), crop=CROP, zoom=(0.5, 2.0), rng=rng) for _ in range(4000)])
    kept = (scales == 1).all(axis=1)
    assert kept.mean() == pytest.approx(0.2, abs=0.03)
    ratio = np.log2(scales[~kept, 0] / scales[~kept, 1])
    assert (ratio != 0).mean() == pytest.approx(0.8, abs=0.03)
    assert 0.3 < np.abs(ratio).max() <= 0.4  # 2^0.2 one way and 2^-0.2 the other
    assert np.log2(scales).min() == pytest.approx(-1.2, abs=0.05)
    assert np.log2(scales).max() == pytest.approx(1.2, abs=0.05)


def test_a_crop_always_has_room() -> None:
    """Eight pixels to spare where it is scaled; a picture that is too small is."""
    rng = np.random.default_rng(0)
    for size in ((40, 60), (56, 72), (80, 100)):
        for _ in range(200):
            factors = drawn_scale(size, crop=CROP, zoom=(0.1, 0.2), rng=rng)
            room = [had * factor - side for had, factor, side in zip(size, factors, CROP, strict=True)]
            assert min(room) >= 8 - 1e-9 or (factors == (1.0, 1.0) and min(room) >= 0)


def test_light_is_one_for_both_or_for_each_its_own() -> None:
    rng, picture = np.random.default_rng(0), moving().first
    equal = [np.array_equal(*relit_pair(picture, picture, rng=rng)) for _ in range(300)]
    assert np.mean(equal) == pytest.approx(0.8, abs=0.08)


def test_light_is_torchvisions_jitter() -> None:
    """The parts and ranges that ColorJitter draws from the numbers the code gives it."""
    theirs = ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.5 / 3.14)
    lights = [drawn_light(np.random.default_rng(seed)) for seed in range(2000)]
    for name in ("brightness", "contrast", "saturation", "hue"):
        values = [getattr(light, name) for light in lights]
        assert (min(values), max(values)) == pytest.approx(getattr(theirs, name), abs=2e-3)
    assert len({light.order for light in lights}) == 24

    class Fixed(ColorJitter):
        @staticmethod
        def get_params(*_ranges):
            return torch.tensor([2, 0, 3, 1]), 1.2, 0.7, 1.3, -0.1

    picture = moving().first
    expected = np.array(Fixed(0.4, 0.4, 0.4, 0.1)(Image.fromarray(picture)))
    np.testing.assert_array_equal(jittered(picture, Factors(1.2, 0.7, 1.3, -0.1, (2, 0, 3, 1))), expected)


def test_every_other_second_picture_loses_one_or_two_rectangles() -> None:
    rng, picture = np.random.default_rng(0), np.zeros((220, 240, 3), np.uint8)
    picture[:110] = 200
    gone = [(erased(picture, rng=rng) == 100).all(axis=2).sum() for _ in range(300)]
    assert np.mean(np.array(gone) > 0) == pytest.approx(0.5, abs=0.09)
    assert max(gone) > 99 * 99  # two
    assert max(gone) <= 2 * 99 * 99
    assert (picture[:110] == 200).all()  # the picture itself stays
    assert (picture[110:] == 0).all()

"""Changes of pictures: by their generator alone, as torchvision and the authors' numbers have them."""

import threading

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import RandAugment
from torchvision.transforms.v2 import functional as change

from zoo.training.augmentation import (
    MEAN,
    OPERATIONS,
    erased,
    mirrored,
    mixed,
    rand_augmented,
    resized_crop,
)
from zoo.training.augmented import Augmented

IMAGE = torch.randint(256, (3, 40, 60), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
SMOOTH = change.resize(IMAGE[:, :5, :6], [40, 60])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_picture_is_a_function_of_its_generator_and_draws_from_no_other() -> None:
    recipe = Augmented.model_validate(
        {"dataset": "", "steps": 1, "batch_size": 1, "crop": 24, "mirror": True, "rand_augment": (9, 0.5), "erase": 0.5}
    )
    image = SMOOTH.permute(1, 2, 0).numpy()
    before = torch.get_rng_state()
    expected = [recipe.changed(image, rng(seed)) for seed in range(20)]
    assert torch.equal(torch.get_rng_state(), before)
    found: list[Tensor] = []
    thread = threading.Thread(target=lambda: found.extend(recipe.changed(image, rng(seed)) for seed in range(20)))
    thread.start()
    torch.rand(1000)
    thread.join()
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))
    assert {tuple(each.shape) for each in found} == {(3, 24, 24)}
    assert len({each.numpy().tobytes() for each in found}) == 20


def test_crops_have_the_share_and_ratio_that_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def watched(image: Tensor, top: int, left: int, height: int, width: int, *_: object, **__: object) -> Tensor:
        seen.append((top, left, height, width))
        return image[:, :24, :24]

    monkeypatch.setattr(change, "resized_crop", watched)
    for seed in range(300):
        resized_crop(torch.zeros(3, 400, 600, dtype=torch.uint8), 24, (0.08, 1.0), rng(seed))
    top, left, height, width = np.array(seen).T
    assert (top >= 0).all()
    assert (top + height <= 400).all()
    assert (left + width <= 600).all()
    shares, ratios = height * width / (400 * 600), width / height
    assert 0.079 < shares.min() < 0.12
    assert shares.max() > 0.8
    assert 0.74 < ratios.min() < 0.8
    assert ratios.max() > 1.27
    seen.clear()
    resized_crop(torch.zeros(3, 40, 600, dtype=torch.uint8), 24, (0.9, 1.0), rng())  # nothing fits: the middle
    assert seen == [(0, 280, 40, 40)]


def test_half_are_mirrored() -> None:
    flips = [torch.equal(mirrored(IMAGE, rng(seed)), IMAGE.flip(2)) for seed in range(100)]
    assert 35 < sum(flips) < 65


def test_an_erased_rectangle_is_noise_around_the_mean_colour() -> None:
    white = torch.full((3, 100, 100), 255, dtype=torch.uint8)
    assert torch.equal(erased(white, 0.0, rng()), white)
    changed = [(erased(white, 1.0, rng(seed)) != 255).any(0) for seed in range(50)]
    shares = [mask.float().mean().item() for mask in changed]
    assert min(shares) > 0.015
    assert max(shares) < 0.34
    rows, columns = changed[0].any(1), changed[0].any(0)
    assert changed[0].sum() > 0.95 * rows.sum() * columns.sum()  # one rectangle, but for noise that is white
    large = erased(torch.full((3, 900, 900), 255, dtype=torch.uint8), 1.0, rng(1))
    inside = large[:, (large != 255).any(0)].float()
    assert inside.mean(1).tolist() == pytest.approx(MEAN, abs=2)
    assert inside.std(1).tolist() == pytest.approx((57, 56, 56), abs=2)


@pytest.mark.parametrize(
    ("ours", "theirs", "share", "argument"),
    [
        ("Rotate", "Rotate", 0.5, 15.0),
        ("TranslateX", "TranslateX", 10.01 / 27, 10.01),
        ("TranslateY", "TranslateY", -0.5, -0.225 * 40),
        ("Brightness", "Brightness", 0.9, 0.81),
        ("Color", "Color", -0.9, -0.81),
        ("Contrast", "Contrast", 0.5, 0.45),
        ("Sharpness", "Sharpness", -0.5, -0.45),
        ("Posterize", "Posterize", 0.9, 1.0),
        ("Solarize", "Solarize", 0.9, 26 / 255),
        ("AutoContrast", "AutoContrast", 0.9, 0.0),
        ("Equalize", "Equalize", 0.9, 0.0),
        ("Invert", "Invert", 0.9, 0.0),
    ],
)
def test_an_operation_is_torchvisions_at_the_strength_that_timm_gives(
    ours: str, theirs: str, share: float, argument: float
) -> None:
    peer = RandAugment(interpolation="bilinear", fill=list(MEAN))
    expected = peer._apply_image_or_video_transform(SMOOTH, theirs, argument, peer.interpolation, peer._fill)
    found = OPERATIONS[ours](SMOOTH, share)
    assert (found.int() - expected.int()).abs().float().mean() < 0.5


def test_a_shear_keeps_the_middle_where_it_is_and_moves_the_edges() -> None:
    cross = torch.zeros(3, 41, 41, dtype=torch.uint8)
    cross[:, :, 20] = 255
    found = OPERATIONS["ShearX"](cross, 0.5)[0].float()
    columns = torch.arange(41.0)
    lit = [
        (found[row] * (found[row] > 130) * columns).sum() / (found[row] * (found[row] > 130)).sum()
        for row in (5, 20, 35)
    ]
    assert lit[1].item() == pytest.approx(20, abs=0.5)
    assert abs(lit[2] - lit[0]).item() == pytest.approx(0.15 * 30, abs=1)


def test_solarize_add_brightens_what_is_dark_alone() -> None:
    image = torch.tensor([0, 100, 127, 128, 255], dtype=torch.uint8).view(1, 1, 5).expand(3, -1, -1)
    assert OPERATIONS["SolarizeAdd"](image, -0.9)[0, 0].tolist() == [99, 199, 226, 128, 255]


def test_two_operations_each_left_out_half_of_the_time() -> None:
    same = sum(torch.equal(rand_augmented(SMOOTH, 9, 0.5, rng(seed)), SMOOTH) for seed in range(200))
    assert 0.15 < same / 200 < 0.35


def test_mixed_shares_are_those_of_the_pixels() -> None:
    images = torch.stack([torch.full((3, 20, 30), value, dtype=torch.uint8) for value in (0, 200)])
    labels = torch.tensor([0, 2])
    plain, target = mixed(images, labels, classes=3, mixup=0.0, cutmix=0.0, rng=rng())
    assert torch.equal(plain, images)
    assert target.tolist() == [[1, 0, 0], [0, 0, 1]]
    for seed in range(20):
        blended, target = mixed(images, labels, classes=3, mixup=0.8, cutmix=0.0, rng=rng(seed))
        assert blended[0].unique().numel() == 1
        assert blended[0, 0, 0, 0].item() == pytest.approx(200 * target[0, 2].item(), abs=0.51)
        patched, target = mixed(images, labels, classes=3, mixup=0.0, cutmix=1.0, rng=rng(seed))
        assert set(patched.unique().tolist()) <= {0, 200}
        assert (patched[0] == 200).float().mean().item() == pytest.approx(target[0, 2].item(), abs=1e-6)
        assert target.sum(1).tolist() == pytest.approx([1, 1])
    kinds = [mixed(images, labels, classes=3, mixup=0.8, cutmix=1.0, rng=rng(seed))[0] for seed in range(60)]
    cut = sum(set(images.unique().tolist()) <= {0, 200} for images in kinds)
    assert 15 < cut < 45

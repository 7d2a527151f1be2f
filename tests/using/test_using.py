"""Models as people use them: whatever form a picture comes in, the answer is that of the interface, with names."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import zoo
from zoo.artifact import Identity, seal
from zoo.catalogue import family
from zoo.tasks.tracking import Box
from zoo.using.given import picture, pictures, sized
from zoo.using.models import Asked

DIGITS = {"channels": 1, "height": 8, "width": 8}
NAMES = ("grass", "cat", "cup", "coin", "tree", "sky", "road", "sea", "sand", "snow")
Sealed = Callable[..., Path]


@pytest.fixture
def sealed(tmp_path: Path) -> Sealed:
    """Makes folders such as `zoo pull` writes, of a family's smoke recipe with the weights that it starts from."""

    def make(name: str) -> Path:
        torch.manual_seed(0)
        of = family(name)
        recipe = of.recipe("smoke")
        told = {**DIGITS, "classes": NAMES}
        facts = of.facts(**{key: value for key, value in told.items() if key in of.facts.model_fields})
        numbers = {"recipe": recipe.model_dump(mode="json"), "facts": facts.model_dump(mode="json")}
        folder = tmp_path / name
        folder.mkdir()
        (folder / "recipe.json").write_text(Identity(family=name, recipe_name="smoke", **numbers).model_dump_json())
        weights = of.build(recipe, facts, {}).predictor().state_dict()
        save_file({key: value.contiguous() for key, value in weights.items()}, folder / "weights.safetensors")
        seal(folder)
        return folder

    return make


@pytest.fixture
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def forms(photo: np.ndarray, folder: Path) -> list[Any]:
    """One picture in every form."""
    path = folder / "photo.png"
    Image.fromarray(photo).save(path)
    return [path, str(path), Image.open(path), photo, torch.from_numpy(photo).permute(2, 0, 1)]


def test_every_form_of_a_picture_is_the_same_picture(photo: np.ndarray, tmp_path: Path) -> None:
    each = forms(photo, tmp_path)
    for one in each:
        assert np.array_equal(picture(one), photo)
    batches = [each, np.stack([photo, photo]), torch.from_numpy(np.stack([photo, photo])).permute(0, 3, 1, 2)]
    for batch in batches:
        assert all(np.array_equal(one, photo) for one in pictures(batch))
    assert [len(pictures(batch)) for batch in batches] == [5, 2, 2]
    grey = photo[..., 0]
    for one in (grey, grey[..., None], torch.from_numpy(grey)[None], Image.fromarray(grey)):
        assert np.array_equal(picture(one), np.dstack([grey] * 3))
    assert np.array_equal(sized(picture(grey), channels=1, height=48, width=64), grey[None])
    assert sized(photo, channels=1, height=8, width=6).shape == (1, 8, 6)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (np.zeros((4, 4, 3), np.float32), "expected a uint8 array (h, w, 3) of values 0 ... 255, got float32"),
        (torch.zeros(4, 4, 3, dtype=torch.uint8), "expected a uint8 tensor (3, h, w), grey or RGB, got the shape"),
        (np.zeros((4, 4, 4), np.uint8), "grey or RGB, got the shape (4, 4, 4)"),
        (3, "expected a path, a PIL picture"),
        ([], "at least one picture"),
        ("nowhere.png", "there is no such file"),
        ("film.mp4", "film.mp4: expected a picture, got a video"),
    ],
)
def test_what_is_no_picture_gets_one_line(given: Any, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as raised:
        pictures(given)
    assert "\n" not in str(raised.value)


def test_a_classifier_says_what_its_predictor_says_with_names(sealed: Sealed, photo: np.ndarray) -> None:
    folder = sealed("digit-classifier")
    digits = np.random.default_rng(1).integers(0, 256, (3, 8, 8, 1), dtype=np.uint8)
    with torch.inference_mode():
        expected = zoo.load(folder).probabilities(torch.from_numpy(digits).permute(0, 3, 1, 2)).numpy()
    model = zoo.use(folder)
    answers = model(digits)
    assert np.allclose(np.stack([answer.probabilities for answer in answers]), expected, atol=1e-6)
    assert [answer.best for answer in answers] == [NAMES[k] for k in expected.argmax(axis=1)]
    one = model(digits[0])
    assert one.told() == answers[0].told()
    assert one.row()["class"] == one.best
    assert one.draw(digits[0]).shape[2] == 3
    assert model(photo).best in NAMES


def test_a_segmenter_says_what_its_predictor_says_with_names(sealed: Sealed, photo: np.ndarray) -> None:
    folder = sealed("fcn8s")
    with torch.inference_mode():
        expected = zoo.load(folder).segment(torch.from_numpy(photo).permute(2, 0, 1)[None])[0].numpy()
    answer = zoo.use(folder)(photo)
    assert np.array_equal(answer.labels, expected)
    assert answer.shares() == {NAMES[k]: (expected == k).mean() for k in np.unique(expected)}
    assert answer.draw(photo).shape[0] > 48
    with pytest.raises(ValueError, match="the picture that was asked about, 64x48, got 32x48"):
        answer.draw(photo[:, :32])


def test_flow_of_the_pair_as_the_interface_gives_it(sealed: Sealed, photo: np.ndarray) -> None:
    folder = sealed("raft-small")
    photo = np.kron(photo, np.ones((3, 3, 1), np.uint8))
    second = np.roll(photo, 2, axis=1)
    batch = [torch.from_numpy(image).permute(2, 0, 1)[None] for image in (photo, second)]
    model = zoo.use(folder)
    with torch.inference_mode():
        expected = zoo.load(folder).flow(*batch)[0].permute(1, 2, 0).numpy()
    answer = model(photo, second)
    assert np.allclose(answer.flow, expected, atol=1e-4)
    assert answer.draw(photo).shape[2] == 3
    with pytest.raises(ValueError, match=r"two pictures of one size.*got one of 192x144 and one of 192x143"):
        model(photo, second[:143])


def test_a_tracker_follows_files_as_its_predictor_follows_frames(sealed: Sealed, tmp_path: Path) -> None:
    frames = np.random.default_rng(2).integers(0, 256, (3, 60, 80, 3), dtype=np.uint8)
    sequence = tmp_path / "walk" / "img"
    sequence.mkdir(parents=True)
    for i, frame in enumerate(frames, 1):
        Image.fromarray(frame).save(sequence / f"{i:04}.png")
    truth = sequence.parent / "groundtruth_rect.txt"
    truth.write_text("31,21,20,16\n" * 3)
    folder = sealed("siamfc")
    tracker = zoo.load(folder)
    with torch.inference_mode():
        tracker.start(frames[0], Box(30, 20, 20, 16))
        expected = [tracker.follow(frame) for frame in frames[1:]]
    model = zoo.use(folder)
    (answer,) = model.answers(Asked(inputs=(sequence.parent,)))
    assert answer.name == "walk"
    assert np.allclose(answer.result.told()["boxes"], [[30, 20, 20, 16], *expected], atol=1e-4)
    truth.write_text("31,21,20,16\n")
    with pytest.raises(ValueError, match="got 1 for 3: which frame the first one belongs to is not known"):
        list(model.answers(Asked(inputs=(sequence.parent,))))
    with pytest.raises(ValueError, match="a first box with an area within the frame of 80x60"):
        model(list(frames), (90, 20, 20, 16))


def test_a_video_its_frames_and_their_folder_are_one_to_a_recogniser(sealed: Sealed, tmp_path: Path) -> None:
    path, stills = tmp_path / "clip.avi", tmp_path / "stills"
    stills.mkdir()
    frames = np.random.default_rng(3).integers(0, 256, (20, 48, 64, 3), dtype=np.uint8)
    with av.open(path, "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb24"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    for i, frame in enumerate(frames):
        Image.fromarray(frame).save(stills / f"{i:02}.png")
    model = zoo.use(sealed("c3d"))
    answers = [model(one).told() for one in (path, str(stills), frames, list(frames))]
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["probabilities"].keys() == set(NAMES)
    assert model(frames[:2]).best in NAMES, "shorter than its clips: stands still at its end"


def test_samples_and_likelihoods_are_those_of_the_predictor(sealed: Sealed) -> None:
    folder = sealed("vae-gaussian")
    predictor, model = zoo.load(folder), zoo.use(folder)
    drawn = model(4, seed=1)
    assert np.array_equal(drawn.images, predictor.sample(4, seed=1).numpy())
    nats = float(predictor.log_likelihood(torch.from_numpy(drawn.images[:1]), seed=0)[0])
    answer = model.likelihood(torch.from_numpy(drawn.images[0]))
    assert answer.nats == pytest.approx(nats)
    assert answer.bits_per_dim == pytest.approx(-nats / 64 / np.log(2))


@pytest.mark.parametrize(
    ("name", "asked", "said"),
    [
        ("fcn8s", Asked(inputs=(Path("a.mp4"),)), "fcn8s takes pictures, or folders of them; got a video, a.mp4."),
        ("fcn8s", Asked(), "fcn8s takes pictures, or folders of them; got nothing."),
        ("fcn8s", Asked(inputs=(Path("a.png"),), count=3), "--count: fcn8s takes pictures"),
        (
            "raft-small",
            Asked(inputs=(Path("a.png"),)),
            "takes two pictures of one size, or a folder of frames; got a.png",
        ),
        ("c3d", Asked(inputs=(Path("a.png"),)), "c3d takes videos"),
        ("siamfc", Asked(inputs=(Path("a.png"),)), "siamfc takes a folder of frames and the object's first box"),
        (
            "wgan",
            Asked(inputs=(Path("a.png"),)),
            "wgan takes no input: --count and --seed say what it draws; got a.png.",
        ),
    ],
)
def test_a_wrong_kind_of_input_gets_one_line(name: str, asked: Asked, said: str, sealed: Sealed) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as raised:
        list(zoo.use(sealed(name)).answers(asked))
    assert "\n" not in str(raised.value)

"""What it costs one core to prepare a batch of each `paper` recipe, and how many cores feed a GPU with it.

    python tests/bench/feeding.py              prints the table
    python tests/bench/feeding.py docs/gpu.md  writes it there, between its marks

The data are stand-ins: photographs that scikit-image ships, cut and written in each official layout at the size of its
pictures. Medians of processor time, on one thread, after everything that is kept on disk was made; nothing is kept in
memory, because the real sets would not fit. Reading from a real disk waits longer than the pages of a small set do.
"""

import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from zoo.catalogue import family
from zoo.contracts import Inputs, Upstream
from zoo.data.made.cutouts import photograph
from zoo.tracking import siamfc
from zoo.video import clips

BATCHES = 5
BLOCK = re.compile(r"(?<=<!-- feeding -->\n).*?(?=<!-- /feeding -->)", re.DOTALL)
HEAD = (
    "| family | pictures | batch | ms of a core | examples a second | an H200 takes | cores for it |\n"
    "| --- | --- | --- | --- | --- | --- | --- |\n"
)


class Fed(NamedTuple):
    """A family, what its stand-in shows, and what is known of how fast a GPU takes it."""

    family: str
    shows: str
    kept: bool = True  # whether decoded frames may be kept
    takes: int | None = None  # examples a second: the least that an H200 was estimated to take; nobody measured it


FED = (
    Fed("siamfc", "1280 x 720, objects of 200 x 200", takes=1500),
    Fed("raft", "512 x 384", takes=200),
    Fed("c3d", "320 x 240, kept small", takes=650),
    Fed("c3d", "320 x 240, no room to keep them", kept=False, takes=650),
    Fed("two-stream", "320 x 240, kept small"),
    Fed("two-stream", "320 x 240, flows kept, no room for frames", kept=False),
    Fed("fcn8s", "500 x 375"),
    Fed("mask-rcnn", "640 x 480, six things each"),
    Fed("dcgan", "32 x 32"),
    Fed("ddpm", "32 x 32"),
    Fed("vae-bernoulli", "28 x 28"),
)


class Noise(nn.Module):
    """In place of a trained flow estimator; its flows are made before anything is timed."""

    updates = 1

    def flow(self, first: Tensor, _second: Tensor) -> Tensor:
        return torch.randn(len(first), 2, *first.shape[-2:]) * 5


def views(count: int, *, width: int, height: int) -> Iterator[np.ndarray]:
    """Windows that wander over a photograph, which is enlarged to twice their size."""
    whole = cv2.resize(np.asarray(photograph("coffee.png")), (2 * width, 2 * height), interpolation=cv2.INTER_CUBIC)
    for i in range(count):
        x, y = (round(side * (0.5 + 0.4 * np.sin(i / 9 + turn))) for side, turn in ((width, 0), (height, 1)))
        yield whole[y : y + height, x : x + width]


def imagenet_vid(folder: Path) -> None:
    for name in ("one", "two"):
        video = folder / "train" / name
        (video / "img").mkdir(parents=True)
        for number, picture in enumerate(views(20, width=1280, height=720), 1):
            Image.fromarray(picture).save(video / "img" / f"{number:04d}.jpg", quality=90)
        (video / "groundtruth_rect.txt").write_text("540,260,200,200\n" * 20)


def flyingchairs(folder: Path) -> None:
    folder.mkdir()
    for number, picture in enumerate(views(12, width=512, height=384), 1):
        for which in (1, 2):
            Image.fromarray(picture).save(folder / f"{number:05d}_img{which}.ppm")
        flow = np.random.default_rng(number).normal(0, 9, (384, 512, 2)).astype("<f4")
        (folder / f"{number:05d}_flow.flo").write_bytes(
            b"PIEH" + np.array([512, 384], "<i4").tobytes() + flow.tobytes()
        )
    (folder / "FlyingChairs_train_val.txt").write_text("1\n" * 12)


def ucf101(folder: Path) -> None:
    lists, videos = folder / "ucfTrainTestlist", [f"Any/v_Any_g{group:02d}_c01.avi" for group in range(1, 9)]
    lists.mkdir(parents=True)
    (lists / "classInd.txt").write_text("1 Any\n")
    (lists / "trainlist01.txt").write_text("".join(f"{video} 1\n" for video in videos[1:]))
    (lists / "testlist01.txt").write_text(f"{videos[0]}\n")
    (folder / "UCF-101" / "Any").mkdir(parents=True)
    for video in videos:
        with av.open(folder / "UCF-101" / video, "w") as container:
            stream = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 320, 240, "yuv420p", 400_000
            for picture in views(180, width=320, height=240):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
            container.mux(stream.encode())


def voc_sbd(folder: Path) -> None:
    for part in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (folder / part).mkdir(parents=True)
    names = [f"2007_{number:06d}" for number in range(8)]
    for name, picture in zip(names, views(8, width=500, height=375), strict=True):
        Image.fromarray(picture).save(folder / "JPEGImages" / f"{name}.jpg", quality=90)
        label = Image.fromarray(picture[..., 0] // 16)
        label.putpalette([value for index in range(256) for value in (index,) * 3])
        label.save(folder / "SegmentationClass" / f"{name}.png")
    (folder / "ImageSets" / "Segmentation" / "train.txt").write_text("\n".join(names) + "\n")


def coco(folder: Path) -> None:
    (folder / "annotations").mkdir(parents=True)
    (folder / "train2017").mkdir()
    images, things = [], []
    for number, picture in enumerate(views(16, width=640, height=480), 1):
        Image.fromarray(picture).save(folder / "train2017" / f"{number:012d}.jpg", quality=90)
        images.append({"id": number, "file_name": f"{number:012d}.jpg", "width": 640, "height": 480})
        for place in range(6):
            angles = np.linspace(0, 2 * np.pi, 30, endpoint=False)
            outline = np.column_stack([100 + 80 * place + 60 * np.cos(angles), 240 + 60 * np.sin(angles)])
            where = {"segmentation": [outline.ravel().round(2).tolist()], "bbox": [40 + 80 * place, 180, 120, 120]}
            ids = {"id": len(things) + 1, "image_id": number, "category_id": 1, "iscrowd": 0, "area": 11_310}
            things.append(ids | where)
    listing = {"images": images, "annotations": things, "categories": [{"id": 1, "name": "any"}]}
    (folder / "annotations" / "instances_train2017.json").write_text(json.dumps(listing))


def cifar10(folder: Path) -> None:
    folder.mkdir()
    records = np.random.default_rng(0).integers(0, 256, (1000, 3073), np.uint8)
    records[:, 0] %= 10
    (folder / "data_batch_1.bin").write_bytes(records.tobytes())


def mnist(folder: Path) -> None:
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (1000, 28, 28), np.uint8)
    for name, array in (("images-idx3", pixels), ("labels-idx1", pixels[:, 0, 0] % 10)):
        head = np.array([0x800 + array.ndim, *array.shape], ">i4").tobytes()
        (folder / f"train-{name}-ubyte").write_bytes(head + array.tobytes())


STAND_INS = {
    "imagenet-vid": imagenet_vid,
    "flyingchairs": flyingchairs,
    "ucf101": ucf101,
    "voc-sbd": voc_sbd,
    "coco": coco,
    "cifar10": cifar10,
    "mnist": mnist,
}


def line(fed: Fed, folder: Path) -> str:
    """A row of the table."""
    siamfc.CACHED_BYTES = clips.CACHED_BYTES = 0
    found = family(fed.family)
    recipe = found.recipe("paper")
    if not (folder / recipe.dataset).exists():
        STAND_INS[recipe.dataset](folder / recipe.dataset)
    upstream = {entry: Upstream(entry=entry, predictor=Noise(), digest="") for entry in recipe.needs}
    batches = found.training_set(recipe, Inputs(datasets=folder, upstream=upstream, cache=folder / "cache"))
    if not fed.kept:
        batches.clips = batches.frames = clips.Clips(batches.videos, size=recipe.size)
    batches(0)
    seconds = statistics.median(timed(batches, step) for step in range(BATCHES))
    rate = recipe.batch_size / seconds
    wanted = ("", "") if fed.takes is None else (f"{fed.takes:,}", f"{fed.takes / rate:.1f}")
    milliseconds, examples = (float(f"{value:.2g}") for value in (seconds * 1000, rate))
    cells = (fed.family, fed.shows, recipe.batch_size, f"{milliseconds:g}", f"{examples:,.0f}", *wanted)
    return f"| {' | '.join(map(str, cells))} |\n"


def timed(batches: object, step: int) -> float:
    start = time.process_time()
    batches(step)
    return time.process_time() - start


def main() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    table = HEAD
    with tempfile.TemporaryDirectory() as folder:
        for fed in FED:
            table += line(fed, Path(folder))
            print(table.splitlines()[-1], flush=True)
    for page in map(Path, sys.argv[1:]):
        page.write_text(BLOCK.sub(lambda _: table, page.read_text()))


if __name__ == "__main__":
    main()

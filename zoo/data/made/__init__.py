"""Small data sets made from real photographs and digits, without a download and to the same bytes every time.

Only integer arithmetic, additions and multiplications, and Pillow operations with fixed parameters decide a pixel;
random numbers come from a seed that is the data set's name. Library versions are pinned by `uv.lock`, and
`datasets.dvc` holds the hash of what must come out.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

MADE = {
    "digits": "1,797 handwritten digits, 8x8 (UCI, by scikit-learn), as MNIST idx files",
    "collage-seg": "eight kinds of objects over other photographs, 96x96, in VOC layout",
    "collage-coco": "the objects of collage-seg one by one, with a crowd here and there, 96x96, in COCO layout",
    "collage-track": "one moving object among others, 160x120, in OTB layout",
    "collage-flow": "objects moving over a moving photograph, 96x80, exact flow, in FlyingChairs layout",
    "collage-action": "eight motions that no single frame gives away, 64x64, in UCF-101 layout",
}
"""What can be made, and what it is."""


def make(name: str, folder: Path) -> None:
    """Make a data set in a folder, which is created.

    Raises:
        ValueError: not a data set that is made.
        FileExistsError: the folder exists.
    """
    if name not in MADE:
        raise ValueError(f"{name!r} is not made by the zoo; it makes: {', '.join(MADE)}.")
    folder.mkdir(parents=True)
    maker: Callable[[Path], None] = import_module(f"zoo.data.made.{name.replace('-', '_')}").make
    maker(folder)

"""Picture files: what is none, or would not fit into memory, is named."""

import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from zoo.data.flow import read_flow_png
from zoo.data.pictures import MOST_PIXELS, read_indices, read_rgb, read_size


def huge(path: Path, *, width: int, height: int) -> Path:
    """A grey PNG of a few kilobytes that says it has this size."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(bytes(10_000))), (b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))
    return path


@pytest.mark.parametrize(("width", "height"), [(100_000, 100_000), (10_000, 10_000)])
@pytest.mark.parametrize("read", [read_rgb, read_indices, read_size])
@pytest.mark.parametrize("action", ["error", "ignore"])
def test_a_decompression_bomb_is_named(
    tmp_path: Path, read: Callable[[Path], object], width: int, height: int, action: Literal["error", "ignore"]
) -> None:
    """Pillow refuses the one with an error of its own, and only warns of the other."""
    warnings.simplefilter(action, Image.DecompressionBombWarning)
    bomb = huge(tmp_path / "bomb.png", width=width, height=height)
    with pytest.raises(
        ValueError, match=rf"bomb\.png: expected a picture of at most {MOST_PIXELS:,} pixels, got: .*\d"
    ):
        read(bomb)
    with pytest.raises(ValueError, match=r"bomb\.png: expected a (whole PNG|PNG of three)"):
        read_flow_png(bomb)


def test_the_largest_picture_has_pillows_limit() -> None:
    assert Image.MAX_IMAGE_PIXELS == MOST_PIXELS


def test_kitti_flow_is_a_png(tmp_path: Path) -> None:
    """OpenCV raises an error of its own on half a BMP."""
    path = tmp_path / "f.png"
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(path, "BMP")
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=r"f\.png: expected a whole PNG"):
        read_flow_png(path)

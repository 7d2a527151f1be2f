"""Rows kept in mapped files: the same from every process, whatever was killed, and damage never passes for them."""

import hashlib
import subprocess
import sys
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from zoo.video import kept as module
from zoo.video.kept import Kept

LENGTH, VIDEOS = 6, 40


class Made:
    """Rows that a formula gives, and how often which were made."""

    def __init__(self, folder: Path, *, salt: int = 0, dtype: type[np.uint8 | np.int8] = np.int8) -> None:
        self.times: Counter[int] = Counter()
        self.salt, self.dtype = salt, dtype
        self.kept = Kept(folder, source=lambda i: ["test", salt, i], shape=self.shape, make=self.make, dtype=dtype)

    def shape(self, i: int) -> tuple[int, int, int]:
        return LENGTH + i, 64, 96

    def make(self, i: int) -> np.ndarray:
        self.times[i] += 1
        return truth(i, self.salt).astype(self.dtype)


def truth(i: int, salt: int = 0) -> np.ndarray:
    return np.random.default_rng([i, salt]).integers(0, 128, (LENGTH + i, 64, 96))


def digest(rows: Kept, videos: int) -> str:
    return hashlib.sha256(b"".join(rows(i, 0, LENGTH + i).tobytes() for i in range(videos))).hexdigest()


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_gives_what_was_made_and_makes_it_once(tmp_path: Path, dtype: type[np.uint8 | np.int8]) -> None:
    one, other = Made(tmp_path, dtype=dtype), Made(tmp_path, dtype=dtype)
    for made in (one, other):
        for i, start, stop in ((0, 0, 2), (0, 3, 6), (2, 4, 8), (2, 0, 0)):
            rows = made.kept(i, start, stop)
            assert rows.dtype == dtype
            assert np.array_equal(rows, truth(i)[start:stop])
    assert one.times == {0: 1, 2: 1}
    assert not other.times


def test_a_source_of_other_content_is_another_file(tmp_path: Path) -> None:
    one, other = Made(tmp_path), Made(tmp_path, salt=1)
    assert not np.array_equal(one.kept(0, 0, 2), other.kept(0, 0, 2))
    assert len(list(tmp_path.iterdir())) == 2


def test_no_flipped_byte_no_cut_and_no_foreign_file_is_believed(tmp_path: Path) -> None:
    first = Made(tmp_path).kept
    first(0, 0, LENGTH)
    path = first.path(0)
    whole = path.read_bytes()
    other = Made(tmp_path, salt=1).kept
    other(0, 0, LENGTH)
    rng = np.random.default_rng(0)
    flipped = [0, 31, 32, 32 + 4 * LENGTH, len(whole) - 1, *rng.integers(len(whole), size=30).tolist()]
    damaged = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in flipped]
    damaged += [whole[:cut] for cut in (0, 10, 40, len(whole) // 2, len(whole) - 1)]
    damaged += [whole + b"\0", other.path(0).read_bytes(), b"\0" * len(whole), b"PK\3\4"]
    for data in damaged:
        path.unlink()
        path.write_bytes(data)
        made = Made(tmp_path)
        with pytest.warns(UserWarning, match=rf"{path.name}: damaged \(.*\)\. It is made again"):
            assert np.array_equal(made.kept(0, 0, LENGTH), truth(0))
        assert path.read_bytes() == whole
        assert made.times == {0: 1}


def test_a_row_is_compared_before_it_is_shown(tmp_path: Path) -> None:
    """Of a clip that does not touch the damaged row nothing is said."""
    Made(tmp_path).kept(0, 0, LENGTH)
    made = Made(tmp_path)
    with made.kept.path(0).open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x80")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(made.kept(0, 0, LENGTH - 1), truth(0)[:-1])
    with pytest.warns(UserWarning, match="row 5 is not what was written"):
        assert np.array_equal(made.kept(0, 0, LENGTH), truth(0))


def test_threads_that_ask_for_one_video_make_it_once(tmp_path: Path) -> None:
    made = Made(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: made.kept(3, 0, LENGTH), range(40)))
    assert all(np.array_equal(rows, truth(3)[:LENGTH]) for rows in found)
    assert made.times == {3: 1}


def test_more_files_than_may_be_mapped_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAPPED", 2)
    made = Made(tmp_path)
    for i in (0, 1, 2, 3, 0, 1):
        assert np.array_equal(made.kept(i, 0, 2), truth(i)[:2])
    assert set(made.times.values()) == {1}


def test_room_is_asked_for_until_the_file_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Made(tmp_path).kept
    assert made.has_room(0)
    made(0, 0, 1)
    monkeypatch.setattr(module, "FREE", 1.0)  # no disk is so empty
    assert made.has_room(0)
    assert not made.has_room(1)


def _start(folder: Path) -> subprocess.Popen[str]:
    """A process that is about to make all videos, when it is told to."""
    command = [sys.executable, __file__, str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def _tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_two_processes_at_a_time_see_the_same(tmp_path: Path) -> None:
    processes = [_start(tmp_path), _start(tmp_path)]
    for process in processes:
        _tell(process)
    said = [process.communicate()[0].strip() for process in processes]
    made = Made(tmp_path)
    assert said == [digest(made.kept, VIDEOS)] * 2
    assert not made.times
    assert {path.name for path in tmp_path.iterdir()} == {made.kept.path(i).name for i in range(VIDEOS)}


@pytest.mark.parametrize("videos", [1, 4, 9])
def test_what_a_killed_process_leaves_is_whole_or_absent(tmp_path: Path, videos: int) -> None:
    process = _start(tmp_path)
    _tell(process)
    while len(list(tmp_path.glob("*.rows"))) < videos:
        assert process.poll() is None
    process.kill()
    process.communicate()
    left = {path.name for path in tmp_path.glob("*.rows")}
    assert videos <= len(left) < VIDEOS
    made = Made(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(np.array_equal(made.kept(i, 0, LENGTH + i), truth(i)) for i in range(VIDEOS))
    assert {made.kept.path(i).name for i in made.times} == {made.kept.path(i).name for i in range(VIDEOS)} - left


if __name__ == "__main__":
    made = Made(Path(sys.argv[1]))
    print("ready", flush=True)
    sys.stdin.readline()
    print(digest(made.kept, VIDEOS))

"""The shared made data: made once, verified each time, made again when damaged, and never written to."""

from pathlib import Path

import pytest

from tests.made_once import made_once, unchanged


def test_made_once_and_again_when_damaged(tmp_path: Path, datasets: Path) -> None:
    recorded = {"digits": "0" * 64}
    with pytest.raises(ValueError, match=r"made digits: expected the digest 0000000000000000\.\.\. of datasets\.dvc"):
        made_once(tmp_path, recorded, ["digits"])
    folder = made_once(tmp_path, {}, ["digits"])
    (labels,) = folder.glob("digits/train-labels*")
    first = labels.stat().st_ino
    assert made_once(tmp_path, {}, ["digits"]) == folder
    assert labels.stat().st_ino == first
    assert labels.read_bytes() == (datasets / "digits" / labels.name).read_bytes()
    labels.chmod(0o644)
    labels.write_bytes(labels.read_bytes()[::-1])
    (tmp_path / "sets-of-yesterday").mkdir()
    made_once(tmp_path, {}, ["digits"])
    assert labels.read_bytes() == (datasets / "digits" / labels.name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", folder.parent.name]


def test_who_writes_to_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    with pytest.raises(pytest.fail.Exception, match=r"made_copy.*stray\.txt"), unchanged(tmp_path / "shared"):
        (tmp_path / "shared" / "stray.txt").touch()
    assert not (tmp_path / "shared").exists()  # the next run makes it again

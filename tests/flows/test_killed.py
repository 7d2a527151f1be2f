"""A night that is killed ten times ends as if it had been left alone."""

import random
import shutil
import time
from pathlib import Path

import pytest

from registry.glance import Version, all_versions
from registry.pull import pull
from tests.flows.conftest import Place
from zoo.artifact import sha256_of

KILLS = 10


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_kills_change_nothing(bare: Place, prefect_server: str, tmp_path: Path) -> None:
    bare.prefect = prefect_server
    alone = Place(tmp_path / "alone", prefect=prefect_server)
    shutil.copytree(bare.project, alone.project, symlinks=True)
    started = time.monotonic()
    alone.night()
    length = time.monotonic() - started

    moments = random.Random(0)
    for _ in range(KILLS):
        night = bare.begin()
        time.sleep(moments.uniform(0, length / 3))
        night.kill()  # the night only: its workers have to notice by themselves
        night.communicate()
    bare.night()

    expected, found = all_versions(alone.settings), all_versions(bare.settings)
    assert [_told(version) for version in found] == [_told(version) for version in expected]
    assert all(version.ready for version in found)
    for version in found:
        assert _weights(version, bare, tmp_path / "b") == _weights(version, alone, tmp_path / "a")


def _told(version: Version) -> tuple[object, ...]:
    """All that must not depend on how often a night was killed."""
    record = version.record
    scores = (record.score.metrics, record.floor.metrics)
    return (version.entry, version.number, version.fingerprint, version.protocol, version.champion, *scores)


def _weights(version: Version, place: Place, folder: Path) -> str:
    model = folder / version.entry / str(version.number)
    pull(str(version), model, place.settings)
    return sha256_of(model / "weights.safetensors")

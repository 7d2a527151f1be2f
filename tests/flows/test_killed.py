"""A night that is killed ten times ends as if it had been left alone."""

import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from registry.glance import Version, read
from registry.pull import pull
from tests.flows.conftest import CLASSIFIER, GAN, Place
from zoo.artifact import sha256_of

# What a night says, in this order, unless a phase was over before.
PHASES = tuple(f"{entry}: {kind}" for entry in (CLASSIFIER, GAN) for kind in ("training", "evaluating", "sealing"))

# What a night is waited for to say before it is killed, and how many seconds it then has at most: aimed at every phase
# of both entries. On a fast machine a phase may be over when its turn comes: then the next one is hit.
MOMENTS = (
    ("", 4.0),
    (f"{CLASSIFIER}: training", 2.0),
    (f"{CLASSIFIER}: evaluating", 0.5),
    (f"{CLASSIFIER}: sealing", 3.0),
    ("", 10.0),
    (f"{GAN}: training", 4.0),
    (f"{GAN}: training", 4.0),
    (f"{GAN}: evaluating", 2.0),
    (f"{GAN}: sealing", 3.0),
    ("", 10.0),
)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_kills_change_nothing(bare: Place, prefect_server: str, tmp_path: Path) -> None:
    bare.prefect = prefect_server
    # Checkpoints every half second instead of every fifteen, so that there is something to resume from.
    bare.edit(
        tmp_path / "source",
        "zoo/training/loop.py",
        "checkpoint_seconds: float = 15.0",
        "checkpoint_seconds: float = 0.5",
    )
    alone = Place(tmp_path / "alone", source=bare.source, prefect=prefect_server)
    shutil.copytree(bare.project, alone.project, symlinks=True)
    alone.night()

    chance = random.Random(0)
    killed = resumable = 0
    for said, longest in MOMENTS:
        with bare.begin() as night:
            _wait(night, said)
            time.sleep(chance.uniform(0, longest))
            night.kill()  # the night only: its workers have to notice by themselves
        killed += night.returncode == -signal.SIGKILL
        resumable += len(list(bare.settings.runs.glob("*/*/checkpoints/index.json")))
    assert killed >= 6, "most nights had ended before they were killed"
    assert resumable >= 2, "no kill left a checkpoint to resume from"
    bare.night()

    expected, found = (read(here.settings).versions() for here in (alone, bare))
    assert [_told(version) for version in found] == [_told(version) for version in expected]
    assert not read(bare.settings).unready
    for version in found:
        assert _weights(version, bare, tmp_path / "b") == _weights(version, alone, tmp_path / "a")


def _wait(night: subprocess.Popen[str], said: str) -> None:
    """Until the night says this or something later, or ends; not at all for nothing."""
    assert night.stderr is not None
    if said:
        awaited = PHASES[PHASES.index(said) :]
        next((line for line in night.stderr if line.startswith(awaited)), None)


def _told(version: Version) -> tuple[object, ...]:
    """All that must not depend on how often a night was killed."""
    record = version.record
    scores = (record.score.metrics, record.floor.metrics)
    return (version.entry, version.number, version.scores, version.protocol, version.champion, *scores)


def _weights(version: Version, place: Place, folder: Path) -> str:
    model = folder / version.entry / str(version.number)
    pull(str(version), model, place.settings)
    return sha256_of(model / "weights.safetensors")

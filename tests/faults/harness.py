"""Disturbs many small nights, and counts what that cost."""

import os
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

from flows.datasets.commands import make
from flows.server import prefect_api
from tests.faults.faults import FAULTS, Skipped
from tests.faults.scene import KINDS, Scene
from tests.flows.conftest import Place


def disturb(names: Sequence[str], folder: Path, *, minutes: float = 0.0, seed: int = 0) -> list[dict[str, object]]:
    """Each fault once, and all of them again until the time is over; a row for each, of what was found wrong."""
    make(["digits"], Place(folder / "project").settings)
    with _prefect(folder / "prefect") as url:  # one for all nights: a temporary one for each costs them ten seconds
        here = Scene(Place(folder / "project", prefect=url))
        return _disturbed(here, names, minutes=minutes, chance=random.Random(seed))


@contextmanager
def _prefect(home: Path) -> Iterator[str]:
    home.mkdir()
    before = dict(os.environ)
    try:
        with prefect_api(home, log=home / "server.log", say=print):
            url = os.environ["PREFECT_API_URL"]
            os.environ.clear()
            os.environ.update(before)
            yield url
    finally:
        os.environ.clear()
        os.environ.update(before)


def _disturbed(here: Scene, names: Sequence[str], *, minutes: float, chance: random.Random) -> list[dict[str, object]]:
    wrong = {name: Counter[str]() for name in names}
    times: dict[str, int | str] = dict.fromkeys(names, 0)
    deadline = time.monotonic() + 60 * minutes
    for turn, name in enumerate(cycle(names)):
        if turn >= len(names) and time.monotonic() >= deadline:
            break
        tried = times[name]
        if isinstance(tried, int):
            here.wrong, here.notes = wrong[name], []
            times[name] = _once(here, name, chance) or tried + 1
    return [{"fault": n, "times": times[n]} | {kind: wrong[n][kind] for kind in (*KINDS, "other")} for n in names]


def _once(here: Scene, name: str, chance: random.Random) -> str:
    """Try a fault and say what was found; why it cannot be had on this machine, if so."""
    began = time.monotonic()
    try:
        FAULTS[name](here, chance)
    except Skipped as reason:
        return f"skipped: {reason}"
    except Exception:  # an assertion of the fault's own, or the harness broke: either is to be seen
        here.notes.append(traceback.format_exc())
        here.wrong["other"] += 1
    for note in here.notes:
        print(f"{name}: {note}", file=sys.stderr)
    print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return ""

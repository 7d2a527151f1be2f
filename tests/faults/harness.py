"""Disturbs many small nights, and counts what that cost."""

import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from flows.datasets.commands import make
from tests.faults.faults import FAULTS, Skipped
from tests.faults.scene import KINDS, scene
from tests.flows.conftest import Place


def disturb(names: Sequence[str], folder: Path, *, minutes: float = 0.0, seed: int = 0) -> list[dict[str, object]]:
    """Each fault once, and all of them again until the time is over; a row for each, of what was found wrong."""
    template = folder / "template"
    make(["digits"], Place(template).settings)
    here, chance = scene(template, folder / "project"), random.Random(seed)
    tried, wrong = Counter[str](), {name: Counter[str]() for name in names}
    reasons: dict[str, str] = {}
    deadline = time.monotonic() + 60 * minutes
    for turn in range(10**6):
        if turn >= len(names) and time.monotonic() >= deadline:
            break
        name = names[turn % len(names)]
        if name in reasons:
            continue
        began = time.monotonic()
        here.wrong, here.notes = wrong[name], []
        try:
            FAULTS[name](here, chance)
        except Skipped as reason:
            reasons[name] = str(reason)
            continue
        except Exception:  # an assertion of the fault's own, or the harness broke: either is to be seen
            here.notes.append(traceback.format_exc())
            wrong[name]["other"] += 1
        tried[name] += 1
        for note in here.notes:
            print(f"{name}: {note}", file=sys.stderr)
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return [
        {"fault": name, "times": tried[name] or f"skipped: {reasons[name]}"}
        | {kind: wrong[name][kind] for kind in (*KINDS, "other")}
        for name in names
    ]

"""Mistakes planted in the counting and the gate are noticed by their tests.

All of them take some ten minutes of a core, so a sample is run here, every time the same one of this source; all are
run by `python tests/mutation/run.py`.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutation.mutants import mutants

SAMPLE, SHARE = 300, 0.95


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_of_planted_mistakes_95_percent_are_noticed() -> None:
    command = [sys.executable, str(Path(__file__).with_name("run.py")), "--sample", str(SAMPLE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    alive = [f"{outcome['module']}.{outcome['what']}" for outcome in outcomes if not outcome["killed"]]
    assert len(outcomes) == SAMPLE
    assert len(alive) <= (1 - SHARE) * SAMPLE, "\n".join(alive)


def test_what_is_planted_by_hand() -> None:
    source = "def f(a: int = 0) -> bool:\n    return not a < max(a, 2.5)"
    assert [mutant.source.replace("\n", "") for mutant in mutants(source)] == [
        "def f(a: int=1) -> bool:    return not a < max(a, 2.5)",
        "def f(a: int=0) -> bool:    return a < max(a, 2.5)",
        "def f(a: int=0) -> bool:    return not a <= max(a, 2.5)",
        "def f(a: int=0) -> bool:    return not a >= max(a, 2.5)",
        "def f(a: int=0) -> bool:    return not a < min(a, 2.5)",
        "def f(a: int=0) -> bool:    return not a < max(a, 5.0)",
    ]


def test_what_decides_no_number_is_left_alone() -> None:
    source = """
import os

class A:
    model_config = dict(frozen=True)

def f(a):
    assert a > 1, f"{a + 1}"
    raise A(2)
"""
    assert mutants(source) == []

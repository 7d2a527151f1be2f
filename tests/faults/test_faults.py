"""What disturbing a night costs: nothing. `make faults` tries every fault there is, a test run a few of them.

make faults                         each fault once
make faults MINUTES=30 ONLY=disk    those whose name has this word, round and round for so long
"""

import os
from pathlib import Path

import pytest

from cli.output import print_table
from tests.faults.faults import FAULTS, SHORT
from tests.faults.harness import disturb


@pytest.mark.slow
@pytest.mark.servers
@pytest.mark.timeout(1800)
def test_what_disturbs_a_night_costs_nothing(tmp_path: Path) -> None:
    minutes, only = os.environ.get("FAULTS_MINUTES"), os.environ.get("FAULTS_ONLY", "")
    names = SHORT if minutes is None else [name for name in FAULTS if only in name]
    rows = disturb(names, tmp_path, minutes=float(minutes or 0))
    print_table(rows)
    wrong = [row for row in rows if any(value for key, value in row.items() if key not in ("fault", "times"))]
    assert not wrong

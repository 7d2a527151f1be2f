"""Runs the tests of a module on each of its mutants, in a process forked off one that has everything imported.

    python tests/mutation/run.py [--sample 200] [--seed 0] [--processes 2] [--module zoo.scoring.flow]

Prints a line of JSON for each mutant: module, what was changed, and whether it was killed. A mutant that is still
running after ten times what its tests take, and two seconds, counts as killed: it hangs. Mutants that differ from the
code in nothing a caller can see are listed below and left out. A sample of them is a test of the slow suite
(test_mutants.py).

The tools there are do not serve: mutmut changes the inside of functions only, so that no metric's direction is ever
reversed (it stands in a class), and cosmic-ray edits the checkout in place and starts Python once a mutant.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from tempfile import mkdtemp
from types import ModuleType
from typing import NamedTuple

import hypothesis
import pytest
from mutants import Mutant, mutants

ROOT = Path(__file__).parents[2]
SCORING = sorted(f"zoo.scoring.{path.stem}" for path in (ROOT / "zoo/scoring").glob("[!_]*.py"))
STATISTICS = ("registry.gate", "registry.patience", "registry.purse", "registry.weighing")
MODULES = (*SCORING, *STATISTICS)
_SAME_LENGTH = "numpy finds any negative length"
_SAME_NUMBER = "two ways to one number; which of them costs less is all that is decided here"
EQUIVALENT = {
    "zoo.scoring.segmentation": {
        "_counted: (truth.reshape(1, -1), prediction.reshape(1, -1)) "
        "-> (truth.reshape(1, -1), prediction.reshape(1, -2))": _SAME_LENGTH,
        "_counted: (truth.reshape(1, -1), prediction.reshape(1, -1)) "
        "-> (truth.reshape(1, -2), prediction.reshape(1, -1))": _SAME_LENGTH,
    },
    "zoo.scoring.samples": {
        "module: ROWS_AT_ONCE = 1024 -> ROWS_AT_ONCE = 1025": "memory alone",
        "distance_between: min(len(a), len(b)) >= a.shape[1] -> min(len(a), len(b)) > a.shape[1]": _SAME_NUMBER,
        "distance_between: min(len(a), len(b)) >= a.shape[1] -> max(len(a), len(b)) >= a.shape[1]": _SAME_NUMBER,
        "distance_to: product, _ = dsygst(other, factor, itype=2, lower=1) "
        "-> product, _ = dsygst(other, factor, itype=3, lower=1)": "LAPACK: both are L' S L",
    },
}
"""By module: mutants that no test could kill, and why."""
KILLED = (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)  # the latter where the module does not even load


class Outcome(NamedTuple):
    """What became of a mutant."""

    module: str
    what: str
    killed: bool


class _Running(NamedTuple):
    module: str
    what: str
    pid: int
    deadline: float
    scratch: str


def tests_of(module: str) -> list[str]:
    """The files of tests that ought to notice what changes in a module."""
    package, _, name = module.rpartition(".")
    files = [f"tests/{package.removeprefix('zoo.')}/test_{name}.py"]
    files += ["tests/scoring/test_metrics.py"] * (package == "zoo.scoring" and name != "metrics")
    return files + ["tests/registry/test_gate.py"] * (module == "registry.weighing")


def source_of(module: str) -> Path:
    """The file of a module."""
    return ROOT / f"{module.replace('.', '/')}.py"


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/mutation/run.py")
    parser.add_argument("--sample", type=int, help="how many mutants; all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--module", choices=MODULES, action="append", help="these alone")
    asked = parser.parse_args()
    modules = asked.module or MODULES
    chosen = [(module, mutant) for module in modules for mutant in _killable(module)]
    if asked.sample is not None:
        chosen = random.Random(asked.seed).sample(chosen, min(asked.sample, len(chosen)))
    os.chdir(ROOT)
    seconds = {module: _unchanged(module) for module in {module for module, _ in chosen}}
    for outcome in _outcomes(chosen, seconds, processes=asked.processes):
        print(json.dumps(outcome._asdict()), flush=True)
    return 0


def _killable(module: str) -> list[Mutant]:
    """All mutants of a module but its equivalent ones.

    Raises:
        RuntimeError: one of these is none of its mutants any more.
    """
    every, equivalent = mutants(source_of(module).read_text()), EQUIVALENT.get(module, {})
    if gone := equivalent.keys() - {mutant.what for mutant in every}:
        raise RuntimeError(f"{module}: expected these equivalent mutants, which are none any more: {sorted(gone)}")
    return [mutant for mutant in every if mutant.what not in equivalent]


def _unchanged(module: str) -> float:
    """Seconds that the tests of a module as it is take, which also imports all that they need.

    Raises:
        RuntimeError: they fail.
    """
    _forget()
    _tested(module, mkdtemp())
    _forget()
    began, code = time.monotonic(), _tested(module, mkdtemp())
    if code:
        raise RuntimeError(f"the tests of {module} fail as they are: {pytest.ExitCode(code).name}")
    return time.monotonic() - began


def _outcomes(chosen: Sequence[tuple[str, Mutant]], seconds: dict[str, float], *, processes: int) -> Iterator[Outcome]:
    waiting, running = deque(chosen), list[_Running]()
    while waiting or running:
        while waiting and len(running) < processes:
            running.append(_started(*waiting.popleft(), seconds))
        time.sleep(0.01)
        for child in list(running):
            if (killed := _ended(child)) is not None:
                running.remove(child)
                shutil.rmtree(child.scratch, ignore_errors=True)
                yield Outcome(child.module, child.what, killed)


def _started(module: str, mutant: Mutant, seconds: dict[str, float]) -> _Running:
    """A process of its own that has started on the tests of a mutant."""
    _forget()
    scratch = mkdtemp()
    pid = os.fork()
    if not pid:
        try:
            sys.meta_path.insert(0, _Mutated(module, mutant.source))
            os._exit(_tested(module, scratch))
        finally:
            os._exit(pytest.ExitCode.INTERNAL_ERROR)
    return _Running(module, mutant.what, pid, time.monotonic() + 10 * seconds[module] + 2, scratch)


def _ended(child: _Running) -> bool | None:
    """Whether its tests noticed; none while they run.

    Raises:
        RuntimeError: they could not be run.
    """
    pid, status = os.waitpid(child.pid, os.WNOHANG)
    if not pid:
        if time.monotonic() < child.deadline:
            return None
        os.kill(child.pid, signal.SIGKILL)
        os.waitpid(child.pid, 0)
        return True
    code = os.waitstatus_to_exitcode(status)
    if code not in (pytest.ExitCode.OK, *KILLED):
        raise RuntimeError(f"the tests of {child.module} could not be run on {child.what}: exit status {code}")
    return code in KILLED


def _tested(module: str, scratch: str) -> int:
    hypothesis.settings.register_profile("mutation", database=None, derandomize=True)
    hypothesis.settings.load_profile("mutation")
    options = ["-x", "-q", "-p", "no:cacheprovider", f"--basetemp={scratch}/it", "-k", "not reigns"]  # these take 8 s
    options += ["-p", "no:unraisableexception"]  # collects garbage for a second
    options += ["-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"]  # by the process before
    with _silent():
        return int(pytest.main([*options, *tests_of(module)]))


def _forget() -> None:
    """Import what is ours anew next time."""
    for name in [name for name in sys.modules if name.partition(".")[0] in ("zoo", "registry", "flows")]:
        del sys.modules[name]
    kept = ("tests.mutation", "tests.shapes")  # the latter's hook stays where it is, behind `_Mutated`
    for name in [name for name in sys.modules if name.startswith("tests.") and not name.startswith(kept)]:
        del sys.modules[name]


@contextmanager
def _silent() -> Iterator[None]:
    """Nothing is written to the standard streams, from wherever."""
    kept = [os.dup(stream) for stream in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for stream in (1, 2):
            os.dup2(nowhere, stream)
        yield
    finally:
        for stream, before in zip((1, 2), kept, strict=True):
            os.dup2(before, stream)


class _Mutated(MetaPathFinder, Loader):
    """Imports a module from another source."""

    def __init__(self, module: str, source: str) -> None:
        self.module, self.source = module, source

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        return spec_from_loader(name, self, origin=str(source_of(name))) if name == self.module else None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.source, str(source_of(self.module)), "exec"), module.__dict__)


if __name__ == "__main__":
    sys.exit(main())

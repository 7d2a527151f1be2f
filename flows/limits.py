"""What one entry may take: time, silence and memory; a worker that takes more is killed, and fails alone.

    ZOO_TIME_LIMIT=8h       for all of it; by default ten times what this entry last took, and an hour
    ZOO_SILENCE_LIMIT=2h    without a word: a step, a picture scored; by default an hour
    ZOO_MEMORY_LIMIT=12GB   with all its children; by default nine tenths of the machine's

`none` lifts a limit.
"""

import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from flows.stopping import TICK, Stop

SILENCE = 3600.0  # longer than any evaluation or closed-form fit known here goes without a word
TIMES, MORE = 10, 3600.0  # a machine that is shared or swaps is slower than the last one, but not by this much
ROOM = 100 * 10**6  # bytes; small models' checkpoints, model and copy in the registry
SHARE = 0.9  # of the machine's memory; above, the kernel would choose whom to kill
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
SIZES = {"MB": 10**6, "GB": 10**9, "TB": 10**12}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one worker may take; infinite where there is no limit."""

    seconds: float  # in all
    silence: float  # seconds between two events
    memory: float  # bytes, with its children

    @classmethod
    def of(cls, recorded: float | None, environment: Mapping[str, str] = os.environ) -> "Limits":
        """The limits that the environment sets, else those that suit what is known.

        Args:
            recorded: seconds that training this entry by this recipe took before; none where it never was.

        Raises:
            ValueError: a variable holds no duration or size.
        """
        usual = MORE + TIMES * recorded if recorded is not None else float("inf")
        return cls(
            seconds=_set(environment, "ZOO_TIME_LIMIT", UNITS, "90m, 8h") or usual,
            silence=_set(environment, "ZOO_SILENCE_LIMIT", UNITS, "90m, 8h") or SILENCE,
            memory=_set(environment, "ZOO_MEMORY_LIMIT", SIZES, "800MB, 12GB") or SHARE * _machine(),
        )


class Leash:
    """Watches one worker, and kills it with its children when it passes a limit or the night is asked to stop.

    The worker has to lead a process group of its own.
    """

    def __init__(self, worker: "subprocess.Popen[str]", limits: Limits, stop: Stop) -> None:
        self.worker, self.limits, self.stop = worker, limits, stop
        self.why = ""  # it was killed; empty while it was not
        self.began = self.heard = time.monotonic()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, name="leash", daemon=True)

    def __enter__(self) -> "Leash":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()
        end(self.worker)

    def word(self) -> None:
        """Take note that the worker said something."""
        self.heard = time.monotonic()

    def _watch(self) -> None:
        while not self.over.wait(TICK):
            self.why = self._passed()
            if self.why or self.stop.number:
                end(self.worker)
                return

    def _passed(self) -> str:
        """Which limit is passed, and what to do about it."""
        now, limits = time.monotonic(), self.limits
        if now - self.began > limits.seconds:
            return (
                f"it took more than {_duration(limits.seconds)}, its limit in time, and was ended. It goes on from its "
                "last checkpoint; where it needs longer, set ZOO_TIME_LIMIT (8h, none)."
            )
        if now - self.heard > limits.silence:
            return (
                f"it said nothing for {_duration(limits.silence)} and was taken to hang. It goes on from its last "
                "checkpoint; where one step, fit or picture takes longer, set ZOO_SILENCE_LIMIT (8h, none)."
            )
        taken = memory_of(self.worker.pid)
        if taken > limits.memory:
            return (
                f"it took {taken / 1e9:.2f} GB of memory, more than its limit of {limits.memory / 1e9:.2f} GB, and was "
                "ended: lower its recipe's batch_size, or set ZOO_MEMORY_LIMIT (12GB, none)."
            )
        return ""


def end(worker: "subprocess.Popen[str]") -> None:
    """Kill a worker's process group: itself, if it still runs, and the children it left."""
    with suppress(ProcessLookupError, PermissionError):  # nobody is left; macOS says so of one that waits to be reaped
        os.killpg(worker.pid, signal.SIGKILL)


def room(folder: Path) -> None:
    """Begin nothing on a disk that has no room for it.

    Raises:
        ValueError: less than `ROOM` is free.
    """
    free = shutil.disk_usage(folder).free
    if free < ROOM:
        raise ValueError(
            f"the disk of {folder} has {free / 1e6:.1f} MB free, less than the {ROOM / 1e6:.0f} MB that checkpoints "
            "and models need at the least: free some space (caches and pulled copies can be had again), then go on."
        )


def memory_of(pid: int) -> int:
    """Bytes of memory that a process and its children hold; 0 where the system does not tell."""
    try:
        resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = {child for task in tasks for child in (task / "children").read_text().split()}
    except (OSError, IndexError):  # it has just ended
        return 0
    return resident + sum(memory_of(int(child)) for child in children)


def _machine() -> float:
    """Bytes of memory that this machine, or the container, has; infinite where it does not tell."""
    cgroups = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
    told = [cgroup.read_text().strip() for cgroup in cgroups if cgroup.is_file()]
    found = [float(limit) for limit in told if limit.isdecimal()]
    if "SC_PHYS_PAGES" in os.sysconf_names:
        found.append(float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")))
    return min(found, default=float("inf"))


def _set(environment: Mapping[str, str], variable: str, units: Mapping[str, int], example: str) -> float | None:
    """What a variable sets; none where it does not."""
    told = environment.get(variable, "")
    if not told:
        return None
    if told == "none":
        return float("inf")
    read = re.fullmatch(rf"(\d+(?:\.\d+)?) *({'|'.join(units)})", told)
    if not read or not float(read[1]):
        raise ValueError(f"{variable}: expected a number with its unit ({example}) or none, got {told!r}.")
    return float(read[1]) * units[read[2]]


def _duration(seconds: float) -> str:
    unit, size = next(((u, s) for u, s in (("h", 3600), ("min", 60)) if seconds >= 2 * s), ("s", 1))
    return f"{seconds / size:.3g} {unit}"

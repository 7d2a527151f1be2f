"""Workers: processes that train or score one entry each, as many at a time as there are slots.

A slot is a GPU where there are any, else a core.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

from flows.job import Event, Failure

Say = Callable[[str, Event], None]
"""Told (entry, event), from any thread."""

Slot = dict[str, str]
"""What a slot adds to its worker's environment."""

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
# Sums depend on the number of threads, to the last bit; and two processes of one thread do more than one of two.


class Workers:
    """Runs workers in slots; callable from any thread."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self.waited: dict[str, float] = {}  # seconds that an entry waited for a slot
        self.free: SimpleQueue[Slot] = SimpleQueue()
        for slot in slots():
            self.free.put(slot)

    def run(self, entry: str, folder: Path, *arguments: str) -> None:
        """Run a worker on a run folder until it ends; it dies with this process, however that dies.

        Raises:
            ValueError: it failed; the message is the worker's own, or names the signal that killed it.
        """
        asked = time.monotonic()
        slot = self.free.get()
        self.waited[entry] = self.waited.get(entry, 0.0) + time.monotonic() - asked
        self.say(entry, Event(kind="starting"))
        try:
            status = self._watch(entry, folder, arguments, slot)
        finally:
            self.free.put(slot)
        if status < 0:
            name = signal.Signals(-status).name
            Failure(kind=name, message=_killed(name)).write(folder)
        if status:
            failure = Failure.of(folder)
            log = f"the worker ended with status {status} and said no more than is in {folder / 'worker.log'}"
            raise ValueError(failure.message if failure else log)

    def _watch(self, entry: str, folder: Path, arguments: tuple[str, ...], slot: Slot) -> int:
        command = [sys.executable, "-P", "-m", "flows.worker", str(folder), *arguments]
        environment = os.environ | ONE_THREAD | slot
        with (
            (folder / "worker.log").open("wb") as log,
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
            ) as worker,
        ):
            for line in worker.stdout or ():
                self.say(entry, Event.model_validate_json(line))
            return worker.wait()


def slots() -> list[Slot]:
    """One for each GPU that may be used, else one for each core that may be."""
    gpus = _gpus()
    if gpus:
        return [{"CUDA_VISIBLE_DEVICES": gpu, "ZOO_WORKERS": str(len(gpus))} for gpu in gpus]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return [{"CUDA_VISIBLE_DEVICES": ""}] * cores


def _gpus() -> list[str]:
    """The GPUs this process may use, by the name that CUDA_VISIBLE_DEVICES takes; found without importing torch."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [gpu for gpu in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if gpu not in ("", "-1")]
    if not shutil.which("nvidia-smi"):
        return []
    asked = subprocess.run(
        ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"], capture_output=True, text=True, check=False
    )
    return asked.stdout.split() if asked.returncode == 0 else []


def _killed(name: str) -> str:
    cause = (
        "most often the machine ran out of memory: lower batch_size or close what else runs"
        if (name == "SIGKILL")
        else "a bug in native code, or somebody ended it"
    )
    return f"the worker was killed by {name} ({cause}). The next night goes on from its last checkpoint."

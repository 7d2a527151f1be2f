"""Workers: processes that train or score one entry each, as many at a time as there are slots.

A slot is a GPU where there are any, else a core. Who works in it leases it: holds a kernel lock on a file that names
entry and worker, and hands the lock on to its worker, so that a lease ends when both have, however they ended.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from flows.job import Event, Failure
from flows.limits import Leash, Limits
from flows.stopping import TICK, Stop
from zoo.durable import scratch

Say = Callable[[str, Event], None]
"""Told (entry, event), from any thread."""

Slot = dict[str, str]
"""What a slot adds to its worker's environment."""

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
# Sums depend on the number of threads, to the last bit; and two processes of one thread do more than one of two.


class Workers:
    """Runs workers in slots; callable from any thread.

    Args:
        leases: the folder of the leases, which all commands that share the slots have in common.
        stop: asks running workers to end, and keeps others from beginning.

    Raises:
        ValueError: a limit that the environment sets cannot be read.
    """

    def __init__(self, say: Say, *, leases: Path, stop: Stop | None = None) -> None:
        self.say = say
        self.waited: dict[str, float] = {}  # seconds that an entry waited for a slot
        self.slots = slots()
        self.leases = leases
        self.stop = stop or Stop()
        self.next = threading.Lock()
        Limits.of(None)  # a variable that cannot be read is better known now than after an hour

    def run(self, entry: str, folder: Path, *arguments: str, recorded: float | None = None) -> None:
        """Run a worker on a run folder until it ends; it dies with this process, however that dies.

        Args:
            recorded: seconds that this entry's training took before, from which its time limit follows.

        Raises:
            ValueError: it failed; the message is the worker's own, or says what killed it.
            Stopped: a signal asked the night to end.
        """
        limits = Limits.of(recorded)
        asked = time.monotonic()
        with self._leased(entry) as (slot, lease):
            self.waited[entry] = self.waited.get(entry, 0.0) + time.monotonic() - asked
            self.say(entry, Event(kind="starting"))
            status, said = self._watch(entry, folder, arguments, slot, lease, limits)
        self.stop.check()
        if status < 0:
            kind = signal.Signals(-status).name
            said = said or _killed(kind)
            with suppress(OSError):  # on a full disk the message has to do
                Failure(kind=kind, message=said).write(folder)
        if status:
            log = f"the worker ended with status {status} and said no more than is in {folder / 'worker.log'}"
            raise ValueError(said or log)

    @contextmanager
    def _leased(self, entry: str) -> Iterator[tuple[Slot, int]]:
        """A slot that nobody works in, and the descriptor that holds its lease."""
        self.leases.mkdir(parents=True, exist_ok=True)
        with self.next:  # one waits at the slots, the others behind it
            slot, lease = self._free_slot()
        try:
            os.ftruncate(lease, 0)
            os.pwrite(lease, f"{entry} {os.getpid()}".encode(), 0)
            yield slot, lease
        finally:
            os.close(lease)

    def _free_slot(self) -> tuple[Slot, int]:
        while True:
            self.stop.check()
            for number, slot in enumerate(self.slots):
                name = slot["CUDA_VISIBLE_DEVICES"].replace("/", "-") or f"core-{number}"
                lease = os.open(self.leases / f"{name}.lease", os.O_RDWR | os.O_CREAT, 0o644)
                try:
                    fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return slot, lease
                except BlockingIOError:
                    os.close(lease)
            time.sleep(TICK)

    def _watch(
        self, entry: str, folder: Path, arguments: tuple[str, ...], slot: Slot, lease: int, limits: Limits
    ) -> tuple[int, str]:
        """The exit status of a worker, and why it failed: in its own words, or which limit it was killed for."""
        said = ""
        command = [sys.executable, "-P", "-m", "flows.worker", str(folder), *arguments]
        temporary = {"TMPDIR": str(folder / "scratch")}  # what a killed worker leaves there goes
        with (
            scratch(folder / "scratch"),
            (folder / "worker.log").open("wb") as log,
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=os.environ | ONE_THREAD | slot | temporary,
                pass_fds=[lease],
                start_new_session=True,  # Ctrl-C is the night's to answer, and its children can be killed with it
            ) as worker,
        ):
            with Leash(worker, limits, self.stop) as leash:
                for line in worker.stdout or ():
                    leash.word()
                    event = Event.model_validate_json(line)
                    if event.kind == "failed":
                        said = event.text
                    else:
                        self.say(entry, event)
                status = worker.wait()
            return status, leash.why or said


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

"""A small project whose nights are disturbed, and what must hold after each of them."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from registry.glance import Version, read
from registry.settings import Settings
from registry.store import fetch
from registry.sweeping import unfinished
from tests.flows.conftest import Place
from zoo.artifact import MANIFEST, read_record, sha256_of, verify

LINEUP = (("digit-classifier", "smoke"), ("softmax", "smoke"))
ENTRIES = tuple(f"{family}.digits" for family, _ in LINEUP)
NIGHT = f"""
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # what starts this may have it ignored
from flows import lineups
lineups.LINEUPS["faults"] = tuple(lineups.Slot(*slot) for slot in {LINEUP!r})
from cli.app import main
main()
"""
PATIENCE = 600.0  # seconds for a night on a machine that is busy
GONE_WITHIN = 30.0  # seconds for what a killed night started to notice it
LEFT_BEHIND = (".*.tmp", ".model", "*-again", "scratch/*", "checkpoints/*")
KINDS = ("lost", "doubled", "half-registered", "wrong champion", "process left", "file left", "next night failed")


class Night:
    """`zoo night` in a process of its own, and what it says as it says it."""

    def __init__(self, place: Place, *, seed: int) -> None:
        command = [sys.executable, "-P", "-c", NIGHT, "night", "--lineup", "faults", "--seed", str(seed)]
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            command, cwd=place.project, env=place.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.said: list[str] = []
        self.printed = ""
        self.readers = [threading.Thread(target=read, daemon=True) for read in (self._listen, self._read)]
        for reader in self.readers:
            reader.start()

    @property
    def over(self) -> bool:
        return self.process.poll() is not None

    def wait_for(self, *words: str) -> bool:
        """Until it has said a line with one of these words; False where it ended without."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if any(word in line for line in tuple(self.said) for word in words):
                return True
            if self.over:
                return False
            time.sleep(0.02)
        raise TimeoutError(f"the night said none of {words} in {PATIENCE:g} s, but: {self.said}")

    def signal(self, number: int) -> None:
        """Send a signal to its process, and to nobody else."""
        self.process.send_signal(number)

    def end(self) -> int:
        """Wait for it; its exit status."""
        status = self.process.wait(PATIENCE)
        for reader in self.readers:
            reader.join(GONE_WITHIN)
        return status

    def _listen(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            self.said.extend(lines)

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as printed:
            self.printed = printed.read()


@dataclass
class Scene:
    """A project, its nights so far, and what was found wrong after them."""

    place: Place
    seed: int = 0
    sealed: dict[Path, str] = field(default_factory=dict)  # every model that was ever finished, and its manifest's hash
    wrong: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        """The registry as nights see it: a server's, where the place names one."""
        mine = self.place.settings
        return Settings(mine.project, mine.home, self.place.changes.get("MLFLOW_TRACKING_URI", mine.tracking_uri))

    def night(self, *, fresh: bool = True) -> Night:
        """Begin a night; a fresh one has both entries to train."""
        self.seed += fresh
        return Night(self.place, seed=self.seed)

    def forget(self) -> None:
        """Begin with no models on this machine, as where the registry is another one from now on."""
        shutil.rmtree(self.place.settings.runs, ignore_errors=True)
        self.sealed.clear()

    def processes(self) -> list[int]:
        """All that belong to this project's nights, by the project in their environment."""
        mark = f"ZOO_PROJECT={self.place.project}".encode()
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                if mark in path.read_bytes().split(b"\0"):
                    found.append(int(path.parent.name))
            except OSError:  # it has ended, or is somebody else's
                continue
        return [pid for pid in found if pid != os.getpid() and command_of(pid)]

    def look(self) -> None:
        """Right after a fault: nothing survives its night, and what is finished is finished for good."""
        deadline = time.monotonic() + GONE_WITHIN
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.1)
        for pid in self.processes():
            self._note("process left", f"{pid}: {command_of(pid)}")
            os.kill(pid, signal.SIGKILL)
        for manifest in self.place.settings.runs.glob(f"*/*/model-*/{MANIFEST}"):
            self.sealed.setdefault(manifest.parent, sha256_of(manifest))

    def recover(self) -> None:
        """The next night, with nobody's help, ends well; and then all is as if nothing had happened."""
        self.look()
        night = self.night(fresh=False)
        if night.end():
            self._note("next night failed", f"the next night did not complete: {''.join(night.said)}")
        self.look()
        self.check()

    def check(self) -> None:
        """Count what is wrong with the registry and the project's folders."""
        held = read(self.settings)
        versions = held.versions()
        scores = Counter((version.entry, version.scores) for version in versions)
        for (entry, identity), times in scores.items():
            if times > 1:
                self._note("doubled", f"{entry} {identity[:12]}: {times} versions")
        for version in held.unready:
            self._note("half-registered", f"{version} is not READY")
        if unfinished(self.settings):
            self._note("half-registered", "a run is still RUNNING")
        by_manifest = {version.manifest for version in versions}
        for folder, manifest in self.sealed.items():
            record = read_record(folder) if folder.is_dir() else None
            if record is None or manifest not in by_manifest or not scores[record.entry, record.scores]:
                self._note("lost", f"{folder}, which was finished")
        for version in versions:
            self._arrived(version)
        for entry in held.entries:
            self._champion(held.versions(entry))
        for pattern in LEFT_BEHIND:
            for path in self.place.project.rglob(pattern):
                self._note("file left", str(path))

    def _arrived(self, version: Version) -> None:
        folder = self.place.project / "arrived"
        folder.mkdir()
        try:
            verify(fetch(version, self.settings, folder), version.manifest)
        except ValueError as error:
            self._note("lost", str(error))
        finally:
            shutil.rmtree(folder)

    def _champion(self, versions: Sequence[Version]) -> None:
        """The verdicts, in their order, say who reigns."""
        reigning = None
        for version in versions:
            if version.verdict is None:
                self._note("half-registered", f"{version} has no verdict")
            elif version.verdict["champion"] != reigning:
                self._note("wrong champion", f"{version} challenged {version.verdict['champion']}, not {reigning}")
            if version.verdict and version.verdict["decision"] == "PROMOTE":
                reigning = version.number
        found = [version.number for version in versions if version.champion]
        if found != [number for number in (reigning,) if number]:
            self._note("wrong champion", f"{versions[0].entry}: {found}, expected {reigning}")

    def _note(self, kind: str, what: str) -> None:
        self.wrong[kind] += 1
        self.notes.append(f"{kind}: {what}")


def command_of(pid: int) -> str:
    """The command line of a process; empty for one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""

"""Whatever server, disk or kill does to a pull: the exact registered bytes are there, or the folder is as it was."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from registry import promotion, store, transfer
from registry import pull as pulling
from registry.cache import Cache
from registry.glance import read
from registry.pull import Damaged, files, pull, resolve
from registry.settings import Settings
from zoo.artifact import MANIFEST, seal, sha256_of, verify

from .conftest import ENTRY, Making
from .unreliable import Fault, Unreliable, served_by

WEIGHTS = "weights.safetensors"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "PAUSE", 0.01)
    monkeypatch.setattr(transfer, "TIMEOUT", 2)


@pytest.fixture
def server(settings: Settings, make_model: Making) -> Iterator[tuple[Unreliable, Settings]]:
    """A server with one champion of some size, and a place that pulls from it."""
    folder = make_model()
    (folder / "large").write_bytes(np.random.default_rng(0).bytes(3 << 20))
    seal(folder)
    promotion.challenge(store.register(folder, settings), settings)
    told = Unreliable(settings)
    with served_by(told) as address:
        yield told, Settings(settings.project, settings.home / "elsewhere", address)


def test_a_partial_file_that_is_whole_already_is_no_dead_end(
    server: tuple[Unreliable, Settings], tmp_path: Path
) -> None:
    """Killed between the last byte and its name; of a manifest nobody knows the size."""
    told, there = server
    version = resolve(ENTRY, there)
    with Cache(there.pulled_files).arriving(version.manifest) as part:
        kept = store.fetch(read(told.registry).versions()[0], told.registry, Path())
        part.write_bytes((kept / MANIFEST).read_bytes() + b"more")
    assert verify(pulled(there, tmp_path / "model")) == version.manifest


def hidden(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_second_pull_asks_for_no_file_and_offline_for_nothing(
    server: tuple[Unreliable, Settings], tmp_path: Path
) -> None:
    told, there = server
    version, listed = files(f"{ENTRY}@champion", there)
    assert [file.cached for file in listed] == [False] * len(listed)
    assert sum(file.size or 0 for file in listed) > 3 << 20
    told.asked.clear()
    pull(ENTRY, tmp_path / "one", there)
    assert len(told.asked) == len(listed)  # the manifest was here already
    told.asked.clear()
    pull(ENTRY, tmp_path / "two", there)
    assert told.asked == []
    offline = Settings(there.project, there.home, there.tracking_uri)
    told.faults[""] = deque(["500"])
    assert pull(f"{ENTRY}/1", tmp_path / "three", offline, offline=True) == version
    assert {verify(tmp_path / name) for name in ("one", "two", "three")} == {version.manifest}
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in (tmp_path / "two").rglob("*") if path.is_file())
    with pytest.raises(ValueError, match=r"nobody.digits: nothing of it was pulled here before"):
        resolve("nobody.digits", offline, offline=True)
    Cache(there.pulled_files).path(sha256_of(tmp_path / "one" / WEIGHTS)).unlink()
    with pytest.raises(ValueError, match=rf"{WEIGHTS} was not pulled here before"):
        pull(ENTRY, tmp_path / "four", offline, offline=True)
    assert not (tmp_path / "four").exists()


@pytest.mark.parametrize("fault", ["closed", "short", "500", "no ranges", "slow"])
def test_what_passes_is_overcome(fault: Fault, server: tuple[Unreliable, Settings], tmp_path: Path) -> None:
    told, there = server
    told.pause = 0.05
    told.faults["large"] = deque([fault, "well"])
    if fault == "no ranges":
        told.faults["large"] = deque(["closed", "no ranges"])
    if fault == "short":  # which says that it is all there is: no transfer that broke off, but another file
        with pytest.raises(Damaged, match="the server has"):
            pull(ENTRY, tmp_path / "model", there)
        assert not (tmp_path / "model").exists()
    version = pull(ENTRY, tmp_path / "model", there)
    assert verify(tmp_path / "model") == version.manifest
    ranges = [begin for name, begin in told.asked if name.endswith("large")]
    assert ranges == {"closed": ["", f"bytes={3 << 19}-"], "no ranges": ["", f"bytes={3 << 19}-"], "slow": [""]}.get(
        fault, ["", ""]
    )


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("wrong", "is not what was registered"),
        ("longer", "the server has"),
        ("endless", "sends more than"),
        ("404", "does not have it: HTTP 404"),
    ],
)
@pytest.mark.parametrize("name", [WEIGHTS, MANIFEST])
def test_what_stays_wrong_is_called_damaged(
    fault: Fault, message: str, name: str, server: tuple[Unreliable, Settings], tmp_path: Path
) -> None:
    told, there = server
    told.faults[name] = deque([fault])
    if (fault, name) == ("longer", MANIFEST):
        message = "is not what was registered"  # its size is known to nobody
    with pytest.raises(Damaged, match=rf"(?s){name} of {ENTRY}/1.*{message}|{message}") as refused:
        pull(ENTRY, tmp_path / "model", there)
    assert f"zoo doctor --repair {ENTRY}" in str(refused.value)
    assert list(tmp_path.glob("*model*")) == []
    assert hidden(tmp_path) == []
    told.faults.clear()
    assert verify(pulled(there, tmp_path / "model")) == read(told.registry).versions()[0].manifest


@pytest.mark.parametrize(("fault", "message"), [("500", "HTTP 500"), ("closed", "broke off"), ("401", "HTTP 401")])
def test_a_server_that_stays_broken_is_no_damage(
    fault: Fault, message: str, server: tuple[Unreliable, Settings], tmp_path: Path
) -> None:
    told, there = server
    told.faults["large"] = deque(["404" if fault == "closed" else fault])
    if fault == "closed":  # each answer brings half of what is missing, until a last byte can no more be halved
        told.faults["large"] = deque(["closed"])
    with pytest.raises(ConnectionError, match=message):
        pull(ENTRY, tmp_path / "model", there)
    assert not (tmp_path / "model").exists()


def test_credentials_are_shown_to_the_registry_alone(
    server: tuple[Unreliable, Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, there = server
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "secret")
    pull(ENTRY, tmp_path / "model", there)
    assert told.credentials == {"Bearer secret"}


def test_a_damaged_cache_hands_out_nothing(server: tuple[Unreliable, Settings], tmp_path: Path) -> None:
    told, there = server
    version = pull(ENTRY, tmp_path / "one", there)
    kept = Cache(there.pulled_files)
    path = kept.path(sha256_of(tmp_path / "one" / "large"))
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    told.asked.clear()
    assert verify(pulled(there, tmp_path / "two")) == version.manifest
    assert [name.rsplit("/", 1)[1] for name, _ in told.asked] == ["large"]
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    assert kept.verify() == (path,)
    (holding,) = kept.holdings()
    assert (holding.version, holding.of - holding.files) == (str(version), 1)
    assert kept.prune(unused_days=1)[0] == 0
    assert kept.prune(unused_days=0, dry_run=True)[0] == kept.prune(unused_days=0)[0] == holding.files
    assert kept.size() == (0, 0)


def test_a_part_comes_and_is_completed(server: tuple[Unreliable, Settings], tmp_path: Path) -> None:
    _, there = server
    model = tmp_path / "model"
    version = pull(ENTRY, model, there, only=["evaluation/*"])
    assert {p.name for p in model.rglob("*") if p.is_file()} == {MANIFEST, "units.parquet", "floor.parquet"}
    with pytest.raises(ValueError, match="missing: large"):
        verify(model)
    pull(ENTRY, model, there, only=["record.json"])
    assert {p.name for p in model.iterdir()} == {MANIFEST, "evaluation", "record.json"}
    pull(ENTRY, model, there)
    assert verify(model) == version.manifest
    with pytest.raises(ValueError, match=r"has no file 'pickle\*'; it has: .*large"):
        pull(ENTRY, tmp_path / "other", there, only=["pickle*"])


def test_force_replaces_pulls_and_nothing_else(server: tuple[Unreliable, Settings], tmp_path: Path) -> None:
    told, there = server
    model = tmp_path / "model"
    version = pull(ENTRY, model, there)
    (model / "large").write_bytes(b"changed")
    with pytest.raises(ValueError, match=r"changed: large.*--force"):
        pull(ENTRY, model, there)
    pull(ENTRY, model, there, force=True)
    assert verify(model) == version.manifest
    (model / "thesis.tex").touch()
    (model / "large").write_bytes(b"changed")
    with pytest.raises(ValueError, match=r"not in the manifest: thesis\.tex"):
        pull(ENTRY, model, there, force=True)
    assert (model / "large").read_bytes() == b"changed"
    assert hidden(tmp_path) == []
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").touch()
    with pytest.raises(ValueError, match="something else is in it"):
        pull(ENTRY, mine, there, force=True)
    assert [path.name for path in mine.iterdir()] == ["thesis.tex"]
    assert told.registry.embedded


def test_a_link_in_the_store_is_not_followed(settings: Settings, make_model: Making, tmp_path: Path) -> None:
    version = store.register(make_model(), settings)
    kept = store.fetch(version, settings, Path())
    (kept / WEIGHTS).rename(tmp_path / "moved")
    for target in (tmp_path / "moved", Path("/dev/zero")):
        (kept / WEIGHTS).unlink(missing_ok=True)
        (kept / WEIGHTS).symlink_to(target)
        with pytest.raises(Damaged, match=f"{WEIGHTS}: expected a plain file"):
            pull(ENTRY + "/1", tmp_path / "model", settings)
    (kept / WEIGHTS).unlink()
    os.mkfifo(kept / WEIGHTS)
    with pytest.raises(Damaged, match=f"{WEIGHTS}: expected a plain file"):
        pull(ENTRY + "/1", tmp_path / "model", settings)
    (kept / WEIGHTS).unlink()
    (kept / "evaluation").rename(tmp_path / "evaluation")
    (kept / "evaluation").symlink_to(tmp_path / "evaluation")
    with pytest.raises(Damaged, match="expected a folder, got a link"):
        pull(ENTRY + "/1", tmp_path / "model", settings, only=["evaluation/*"])
    assert not (tmp_path / "model").exists()


PLANTED = (
    "MLmodel",
    "python_model.pkl",
    "model.pth",
    "data/model.pkl",
    "code/zoo.py",
    "conda.yaml",
    "sitecustomize.py",
)
EVIL = "import os; os.mkdir({!r})"


def test_nothing_that_is_planted_is_executed(settings: Settings, make_model: Making, tmp_path: Path) -> None:
    """Sealed with the model, so that they do arrive; a pull and a check of it run none of them."""
    folder, proof = make_model(), tmp_path / "executed"
    payload = f"cos\nmkdir\n(V{proof}\ntR.".encode()  # a pickle that makes the folder
    for name in PLANTED:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(EVIL.format(str(proof)).encode() if name.endswith(".py") else payload)
    (folder / "MLmodel").write_text("flavors: {python_function: {loader_module: sitecustomize, code: .}}")
    seal(folder)
    version = store.register(folder, settings)
    command = [sys.executable, "-m", "cli.app"]
    environment = os.environ | {"ZOO_HOME": str(settings.home), "ZOO_CACHE": str(tmp_path / "cache")}
    for words in (["pull", str(version), str(tmp_path / "model")], ["verify", str(tmp_path / "model")]):
        script = f"import sys; from cli.app import main; sys.argv = ['zoo', *{words!r}]; main()"
        subprocess.run([command[0], "-c", script], env=environment, check=True, capture_output=True)
    assert verify(tmp_path / "model") == version.manifest
    assert {path.name for path in (tmp_path / "model").iterdir()} >= {"MLmodel", "python_model.pkl"}
    assert not proof.exists()


def test_a_full_disk_leaves_nothing(
    server: tuple[Unreliable, Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, there = server
    monkeypatch.setattr(pulling, "SPARE", 1 << 60)
    with pytest.raises(OSError, match=r"expected room for 3,.* bytes, 0 are free"):
        pull(ENTRY, tmp_path / "model", there)
    assert not (tmp_path / "model").exists()
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("most", [0, 1 << 20, 2 << 20])
def test_a_disk_that_fills_up_leaves_nothing(most: int, server: tuple[Unreliable, Settings], tmp_path: Path) -> None:
    """No file may get larger than this, in a process of its own: writing fails where it would on a full disk."""
    _, there = server
    there.home.mkdir()
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({most},) * 2)\n{PULL}"
    command = [sys.executable, "-c", limited, ENTRY, str(tmp_path / "model"), str(there.home), there.tracking_uri]
    refused = subprocess.run(command, capture_output=True, text=True)
    assert refused.returncode == 1
    assert "File too large" in refused.stderr
    assert not (tmp_path / "model").exists()
    assert hidden(tmp_path) == []
    assert verify(pulled(there, tmp_path / "model"))


PULL = """
import sys
from pathlib import Path
from registry import transfer
from registry.pull import pull
from registry.settings import Settings
transfer.PAUSE = 0.01
pull(sys.argv[1], Path(sys.argv[2]), Settings(Path(sys.argv[3]), Path(sys.argv[3]), sys.argv[4]), force=True)
print("whole")
"""


def begin(there: Settings, folder: Path, reference: str = ENTRY) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PULL, reference, str(folder), str(there.home), there.tracking_uri]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_pulls_into_one_cache_and_one_folder(server: tuple[Unreliable, Settings], tmp_path: Path) -> None:
    told, there = server
    told.pause = 0.1
    told.faults["large"] = deque(["slow"])
    there.home.mkdir()
    processes = [begin(there, tmp_path / name) for name in ("same", "same", "other")]
    answers = [(process.communicate(timeout=120), process.returncode) for process in processes]
    assert [status for _, status in answers] == [0, 0, 0], answers
    assert verify(tmp_path / "same") == verify(tmp_path / "other")
    assert [name.rsplit("/", 1)[1] for name, _ in told.asked].count("large") == 1
    assert hidden(tmp_path) == []


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_killed_at_50_moments(server: tuple[Unreliable, Settings], make_model: Making, tmp_path: Path) -> None:
    """Over a folder that holds another version: it is that version or the new one, whole, after every kill."""
    told, there = server
    told.pause = 0.03
    told.faults["large"] = deque(["slow"])
    other = store.register(make_model("other"), told.registry)
    pull(str(other), tmp_path / "before", there)
    champion = resolve(ENTRY, there)
    there.home.mkdir(exist_ok=True)
    started = time.monotonic()
    with begin(there, tmp_path / "timed") as whole:
        assert whole.wait(timeout=120) == 0
    length = time.monotonic() - started
    chance, killed, seen = random.Random(0), 0, set()
    model = tmp_path / "model"
    for _ in range(50):
        if not model.exists() or verify(model) != other.manifest:
            shutil.rmtree(model, ignore_errors=True)
            shutil.copytree(tmp_path / "before", model)
            Cache(there.pulled_files).path(sha256_of(tmp_path / "timed" / "large")).unlink(missing_ok=True)
        with begin(there, model) as process:
            time.sleep(chance.uniform(0.3, 1.05) * length)
            process.send_signal(signal.SIGKILL)
        killed += process.returncode == -signal.SIGKILL
        seen.add(verify(model))  # whole, whichever it is
    assert killed >= 25
    assert seen <= {other.manifest, champion.manifest}
    assert pull(ENTRY, model, there, force=True).manifest == verify(model)
    Cache(there.pulled_files).clear_staging()
    assert hidden(tmp_path) == []


def pulled(there: Settings, folder: Path) -> Path:
    pull(ENTRY, folder, there)
    return folder


def test_the_server_never_names_what_is_written(
    server: tuple[Unreliable, Settings], settings: Settings, tmp_path: Path
) -> None:
    """A registry whose manifest and its hash are both hostile: nothing is written, inside or outside."""
    told, there = server
    version = read(settings).versions()[0]
    kept = store.fetch(version, settings, Path())
    inside = sorted(tmp_path.iterdir())
    for name in ("../escaped", "/tmp/escaped", "a/../../escaped", "C:\\escaped", "a//b", "", ".", "x\x00y"):
        manifest = json.dumps({"files": {name: "0" * 64}}).encode()
        (kept / MANIFEST).write_bytes(manifest)
        from registry.client import connect

        connect(settings).set_model_version_tag(ENTRY, "1", "manifest", sha256_of(kept / MANIFEST))
        with pytest.raises(Damaged, match="the manifest is not believed"):
            pull(ENTRY, tmp_path / "model", there)
        with pytest.raises(Damaged, match="the manifest is not believed"):
            pull(ENTRY, tmp_path / "model", settings)
    assert sorted(tmp_path.iterdir()) == inside
    assert told.registry == settings

"""Data versions with the real DVC: what is recorded stays recorded, and damage anywhere is named."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from flows.datasets.commands import add, ls, make, pull, push
from flows.datasets.manifest import Manifest, digests, recorded
from flows.datasets.verifying import verify
from registry.settings import Settings
from tests.cli.test_data import zoo
from zoo.data.left_out import left_out
from zoo.data.made import MADE

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    """An empty project outside any git repository."""
    project = tmp_path / "project"
    project.mkdir()
    return Settings(project, tmp_path / "home", "sqlite:///unused.db")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder in no layout that a reader knows."""
    folder = tmp_path / "own"
    (folder / "deep").mkdir(parents=True)
    (folder / "notes.txt").write_text("one")
    (folder / "deep" / "more.txt").write_text("two")
    (folder / ".hidden").write_text("three")
    return folder


def flip(path: Path) -> None:
    """Change one bit in the middle of a file, as a failing disk does: no time stamp tells (DVC goes by those)."""
    data, before = bytearray(path.read_bytes()), path.stat()
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(before.st_mode)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def cached(name: str, file: str, here: Settings) -> Path:
    """The object in DVC's cache that is a file's copy, found through DVC's own layout."""
    (pointer,) = re.findall(r"md5: (\w+)\.dir", (here.project / "datasets.dvc").read_text())
    cache = here.project / ".dvc" / "cache" / "files" / "md5"
    manifest = json.loads((cache / pointer[:2] / f"{pointer[2:]}.dir").read_bytes())
    (md5,) = (line["md5"] for line in manifest if line["relpath"] == f"{name}/{file}")
    return cache / md5[:2] / md5[2:]


def test_adding_a_data_set_changes_no_others_digest(here: Settings, own: Path) -> None:
    assert make(["digits"], here) == ("digits",)
    before = Manifest(here).digest("digits")
    assert add("own", own, here) is None
    assert Manifest(here).digest("digits") == before == verify("digits", Manifest(here))
    assert Manifest(here).digest("own") == verify("own", Manifest(here)) != before
    assert sorted(p.name for p in (here.datasets / "own").rglob("*")) == ["deep", "more.txt", "notes.txt"]
    states = {found.name: (found.state, found.files) for found in ls(here)}
    assert states == dict.fromkeys(MADE, ("absent", 0)) | {"digits": ("ready", 4), "own": ("ready", 2)}


def test_adding_keeps_data_sets_that_are_recorded_but_not_here(here: Settings, own: Path) -> None:
    add("first", own, here)
    digest = Manifest(here).digest("first")
    shutil.rmtree(here.datasets / "first")
    add("second", own, here)
    assert Manifest(here).digest("first") == digest
    with pytest.raises(ValueError, match=r"missing: deep/more\.txt, missing: notes\.txt"):
        verify("first", Manifest(here))


def test_a_flipped_byte_in_a_file_is_named_and_making_again_heals_it(here: Settings) -> None:
    make(["digits"], here)
    digest = Manifest(here).digest("digits")
    flip(here.datasets / "digits" / "t10k-images-idx3-ubyte")
    (here.datasets / "digits" / "train-labels-idx1-ubyte").unlink()
    (here.datasets / "digits" / "stray").touch()
    named = "not recorded: stray, changed: t10k-images-idx3-ubyte, missing: train-labels-idx1-ubyte"
    with pytest.raises(ValueError, match=named):
        verify("digits", Manifest(here))
    with pytest.raises(ValueError, match=named):
        make(["digits"], here)
    shutil.rmtree(here.datasets / "digits")
    make(["digits"], here)
    assert verify("digits", Manifest(here)) == digest


def test_a_flipped_byte_in_the_cache_is_named_and_making_again_heals_it(here: Settings) -> None:
    make(["digits"], here)
    damaged = cached("digits", "t10k-labels-idx1-ubyte", here)
    flip(damaged)
    with pytest.raises(ValueError, match=f"damaged in DVC's cache: t10k-labels-idx1-ubyte .*{damaged.name}"):
        verify("digits", Manifest(here))
    make(["digits"], here)
    verify("digits", Manifest(here))


def test_a_damaged_or_absent_manifest_is_named(here: Settings, own: Path) -> None:
    add("own", own, here)
    (manifest,) = (here.project / ".dvc" / "cache").rglob("*.dir")
    flip(manifest)
    with pytest.raises(ValueError, match=f"{manifest.name}: this manifest in DVC's cache is damaged"):
        Manifest(here).digest("own")
    manifest.unlink()
    with pytest.raises(ValueError, match=f"{manifest.name}: the manifest .* is not in DVC's cache"):
        Manifest(here).digest("own")


def test_push_and_pull_into_another_clone(here: Settings, own: Path, tmp_path: Path) -> None:
    add("own", own, here)
    assert push([], here) == ("own",)
    clone = Settings(tmp_path / "clone", here.home, here.tracking_uri)
    clone.project.mkdir()
    shutil.copy(here.project / "datasets.dvc", clone.project)
    assert pull([], clone) == ("own",)
    assert Manifest(clone).digest("own") == Manifest(here).digest("own")
    assert (clone.datasets / "own" / "deep" / "more.txt").read_text() == "two"

    flip(cached("own", "notes.txt", clone))
    shutil.rmtree(clone.datasets)
    pull(["own"], clone)  # the damaged object of the cache is fetched anew
    verify("own", Manifest(clone))


def test_pull_refuses_what_is_damaged_on_the_remote(here: Settings, own: Path) -> None:
    add("own", own, here)
    push(["own"], here)
    copy = cached("own", "notes.txt", here)
    flip(here.home / "remote" / "files" / "md5" / copy.parent.name / copy.name)
    copy.unlink()
    shutil.rmtree(here.datasets)
    with pytest.raises(ValueError, match=r"dvc pull|notes\.txt"):
        pull(["own"], here)


def test_pull_hashes_what_dvc_takes_from_its_cache(here: Settings, own: Path) -> None:
    """DVC alone hands out the damaged bytes with exit code 0: this shows that it does, and that `verify` sees it."""
    add("own", own, here)
    flip(cached("own", "notes.txt", here))
    shutil.rmtree(here.datasets)
    checkout = [sys.executable, "-P", "-m", "dvc", "checkout", "--force"]
    assert subprocess.run(checkout, cwd=here.project, capture_output=True, check=False).returncode == 0
    with pytest.raises(ValueError, match=r"changed: notes\.txt, damaged in DVC's cache: notes\.txt"):
        verify("own", Manifest(here))


def test_push_refuses_what_is_damaged_here(here: Settings, own: Path) -> None:
    add("own", own, here)
    flip(here.datasets / "own" / "notes.txt")
    with pytest.raises(ValueError, match=r"changed: notes\.txt"):
        push([], here)
    assert not (here.home / "remote").exists()


def test_the_projects_own_remote_is_kept(here: Settings, own: Path, tmp_path: Path) -> None:
    add("own", own, here)
    config = here.project / ".dvc" / "config"
    config.write_text(f"{config.read_text()}    remote = team\n['remote \"team\"']\n    url = {tmp_path / 'team'}\n")
    push([], here)
    assert len(list((tmp_path / "team").rglob("*.dir"))) == 1
    assert not (here.home / "remote").exists()


def test_names_that_are_refused(here: Settings, own: Path, tmp_path: Path) -> None:
    for name in ("Own", "../own", "", "-x"):
        with pytest.raises(ValueError, match="expected a name of lower-case letters"):
            add(name, own, here)
    with pytest.raises(ValueError, match="that the zoo makes"):
        add("digits", own, here)
    with pytest.raises(ValueError, match="expected the folder"):
        add("own", tmp_path / "nowhere", here)
    with pytest.raises(ValueError, match="records no data set yet"):
        push([], here)
    add("own", own, here)
    with pytest.raises(ValueError, match="already"):
        add("own", own, here)
    with pytest.raises(ValueError, match=r"'camvid' is not recorded in datasets\.dvc; recorded: own"):
        pull(["camvid"], here)
    with pytest.raises(ValueError, match=r"'digits' is not recorded .* Run `zoo data make digits`"):
        verify("digits", Manifest(here))


def test_a_damaged_data_set_is_not_added(here: Settings, tmp_path: Path) -> None:
    (tmp_path / "bad" / "Ball" / "img").mkdir(parents=True)
    (tmp_path / "bad" / "Ball" / "groundtruth_rect.txt").write_text("1,1,2,2\n")
    with pytest.raises(ValueError, match=r"Ball/img: expected frames"):
        add("bad", tmp_path / "bad", here)
    assert not (here.datasets / "bad").exists()


@pytest.mark.shared_data
def test_real_sequences_are_added(here: Settings, shared_data: Path) -> None:
    assert add("otb", shared_data / "tracking_otb", here) == "sequences of one tracked object: 2 test"
    flip(here.datasets / "otb" / "DragonBaby" / "img" / "0113.jpg")
    with pytest.raises(ValueError, match=r"changed: DragonBaby/img/0113\.jpg"):
        verify("otb", Manifest(here))


def test_other_bytes_than_recorded_stop_a_making_unless_accepted(here: Settings) -> None:
    wrong = "0" * 64
    clone_of({"digits": wrong}, here)
    with pytest.raises(ValueError, match=r"'digits': expected the digest 0000000000000000.* --accept"):
        make(["digits"], here)
    assert not (here.datasets / "digits").exists()
    make(["digits"], here, accept=True)
    assert verify("digits", Manifest(here)) != wrong


def test_a_fresh_clone_forgets_nothing(here: Settings) -> None:
    """What is recorded, cannot be made and is not here must be pulled first."""
    clone_of({"camvid": "0" * 64}, here)
    with pytest.raises(ValueError, match=r"also records camvid.*`zoo data pull camvid` first"):
        make(["digits"], here)


def clone_of(recorded: dict[str, str], here: Settings) -> Settings:
    """A fresh clone, which has `datasets.dvc` and nothing else."""
    lines = "".join(f"    {name}: {digest}\n" for name, digest in sorted(recorded.items()))
    (here.project / "datasets.dvc").write_text(
        "outs:\n- md5: 00000000000000000000000000000000.dir\n  size: 1\n  nfiles: 1\n  hash: md5\n  path: datasets\n"
        f"meta:\n  digests:\n{lines}"
    )
    return here


def test_adding_may_be_the_first_command_in_a_clone(here: Settings, own: Path) -> None:
    """What is recorded and can be made is made along: DVC records all or nothing where it has no manifest."""
    digits = recorded(Settings(REPOSITORY, here.home, ""))["digits"]
    clone_of({"digits": digits}, here)
    add("own", own, here)
    manifest = Manifest(here)
    assert verify("digits", manifest) == digits
    assert verify("own", manifest) == recorded(here)["own"]


@pytest.mark.slow
def test_adding_may_be_the_first_command_in_a_clone_of_the_repository(here: Settings, own: Path) -> None:
    shutil.copy(REPOSITORY / "datasets.dvc", here.project)
    before = recorded(here)
    done = zoo(here.project, "add", "own", str(own))
    assert done.returncode == 0, done.stderr
    assert f"{', '.join(MADE)} will be made first" in done.stderr
    assert done.stdout == f"own  {recorded(here)['own']}\n"
    assert recorded(here) == before | {"own": recorded(here)["own"]}
    verified = zoo(here.project, "verify")
    assert verified.returncode == 0, verified.stdout


def test_what_cannot_be_recorded_is_not_copied(here: Settings, own: Path) -> None:
    """And nothing that the next attempt would stumble over is left behind."""
    clone_of({"camvid": "0" * 64}, here)
    with pytest.raises(ValueError, match=r"also records camvid.*`zoo data pull camvid` first"):
        add("own", own, here)
    assert not here.datasets.exists()
    clone_of({}, here)
    (here.datasets / "stray").mkdir(parents=True)
    with pytest.raises(ValueError, match="also holds stray, which is not recorded"):
        add("own", own, here)
    (here.datasets / "stray").rmdir()
    config = here.project / ".dvc" / "config"
    config.parent.mkdir()
    config.write_text("[nonsense]\n")
    with pytest.raises(ValueError, match="`dvc add datasets` failed"):
        add("own", own, here)
    assert not any(here.datasets.iterdir())
    config.write_text("no section\n")
    with pytest.raises(ValueError, match="expected a configuration of DVC"):
        add("own", own, here)
    config.unlink()
    add("own", own, here)
    verify("own", Manifest(here))


def test_links_are_followed_within_the_folder_and_named_beyond(here: Settings, own: Path, tmp_path: Path) -> None:
    """None is dropped in silence, and nothing from elsewhere slips into what may be shared."""
    (own / "again").symlink_to("deep")
    (own / "same.txt").symlink_to(own / "notes.txt")
    add("linked", own, here)
    brought = {path.relative_to(here.datasets / "linked").as_posix() for path in (here.datasets / "linked").rglob("*")}
    assert brought == {"again", "again/more.txt", "deep", "deep/more.txt", "notes.txt", "same.txt"}
    assert not any(path.is_symlink() for path in (here.datasets / "linked").rglob("*"))

    (own / "again").unlink()
    (tmp_path / "secret").write_text("elsewhere")
    faults = {
        "deep/dangling.txt": ("gone.txt", "a link to gone.txt, which is not there"),
        "deep/around": (own, "a link to a folder around it"),
        "deep/ring": ("ring", "a link to ring, which is not there"),
        "out.txt": (tmp_path / "secret", f"a link to {tmp_path / 'secret'}, out of the folder"),
        "outer": (tmp_path, f"a link to {tmp_path}, out of the folder"),
    }
    for name, (target, fault) in faults.items():
        (own / name).symlink_to(target)
        with pytest.raises(ValueError, match=rf"got 1 entries that are neither, first {name}: {re.escape(fault)}\. "):
            add("bad", own, here)
        (own / name).unlink()
    os.mkfifo(own / "pipe")
    with pytest.raises(ValueError, match="first pipe: a special file"):
        add("bad", own, here)
    assert not (here.datasets / "bad").exists()

    (own / "pipe").unlink()
    (own / "deep" / "dangling.txt").symlink_to("gone.txt")
    assert add("cut", own, here, skip_bad=True) is None
    assert left_out(here.datasets / "cut") == {"deep/dangling.txt": "a link to gone.txt, which is not there"}


def test_a_picture_that_is_a_dangling_link_is_left_out_by_name(here: Settings, tmp_path: Path) -> None:
    for i in range(3):
        path = tmp_path / "set" / "train" / "ant" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (i, 0, 0)).save(path)
    (path.parent / "3.png").symlink_to("gone.png")
    with pytest.raises(ValueError, match=r"first train/ant/3\.png: a link to gone\.png, which is not there"):
        add("ants", tmp_path / "set", here)
    words = add("ants", tmp_path / "set", here, skip_bad=True)
    assert words == "pictures in a folder per class: 3 train; 1 left out"


def record_by_hand(sets: Iterable[str], files: int, here: Settings) -> dict[str, str]:
    """A manifest and its `datasets.dvc` without the files they are about; returns the digests."""
    md5s = {i: hashlib.md5(str(i).encode()).hexdigest() for i in range(files)}
    lines = [{"md5": md5s[i], "relpath": f"{name}/{i:06d}.jpg"} for name in sets for i in range(files)]
    content = json.dumps(lines).encode()
    md5 = hashlib.md5(content).hexdigest()
    path = here.project / ".dvc" / "cache" / "files" / "md5" / md5[:2] / f"{md5[2:]}.dir"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    digest = hashlib.sha256("".join(f"{md5s[i]} {i:06d}.jpg\n" for i in range(files)).encode()).hexdigest()
    digests = dict.fromkeys(sets, digest)
    pointer = clone_of(digests, here).project / "datasets.dvc"
    pointer.write_text(pointer.read_text().replace("0" * 32, md5))
    return digests


def test_a_command_reads_the_manifest_once_and_parses_it_once_for_all(
    here: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = record_by_hand([f"set-{i}" for i in range(60)], 20, here)
    counts: Counter[str] = Counter()

    def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            counts[name] += not isinstance(arguments[0], Path) or arguments[0].suffix == ".dir"
            return function(*arguments)

        return call

    monkeypatch.setattr(Path, "read_bytes", counted("read", Path.read_bytes))
    monkeypatch.setattr(json, "loads", counted("parsed", json.loads))
    assert digests(expected, here) == expected
    assert counts == {"read": 1, "parsed": 1}
    assert digests(expected, here) == expected  # the next command
    assert counts == {"read": 2, "parsed": 1}

    (memo,) = (here.home / "memo").iterdir()
    for damage in (b"", memo.read_bytes().replace(b"set-7", b"set-8", 1)):
        memo.write_bytes(damage)
        assert digests(expected, here) == expected
    assert counts == {"read": 4, "parsed": 3}
    (manifest,) = (here.project / ".dvc" / "cache").rglob("*.dir")
    flip(manifest)
    with pytest.raises(ValueError, match="this manifest in DVC's cache is damaged"):
        digests(expected, here)


def test_a_file_that_cannot_be_read_names_its_data_set(here: Settings, own: Path) -> None:
    add("own", own, here)
    notes = here.datasets / "own" / "notes.txt"
    notes.unlink()
    notes.symlink_to("/proc/self/mem")  # reading it fails whoever asks, root too
    with pytest.raises(ValueError, match=r"data set 'own' cannot be read: .*Input/output error"):
        verify("own", Manifest(here))


@pytest.mark.slow
def test_a_making_in_a_fresh_clone_gives_what_the_repository_records(here: Settings) -> None:
    recorded = (REPOSITORY / "datasets.dvc").read_text()
    (here.project / "datasets.dvc").write_text(recorded)
    assert set(make(["digits"], here)) == set(MADE)
    assert (here.project / "datasets.dvc").read_text() == recorded


def test_digest_and_verify_import_no_dvc(here: Settings, own: Path) -> None:
    add("own", own, here)
    code = (
        "import sys; from pathlib import Path; from flows.datasets.manifest import Manifest; "
        "from flows.datasets.verifying import verify; from registry.settings import Settings; "
        "here = Settings(Path(sys.argv[1]), Path(sys.argv[2]), ''); "
        "print(Manifest(here).digest('own') == verify('own', Manifest(here)), {'dvc', 'torch'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, str(here.project), str(here.home)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True set()"

"""Data versions with the real DVC: what is recorded stays recorded, and damage anywhere is named."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows import versions
from registry.settings import Settings
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
    assert versions.make(["digits"], here) == ("digits",)
    before = versions.digest("digits", here)
    assert versions.add("own", own, here) is None
    assert versions.digest("digits", here) == before == versions.verify("digits", here)
    assert versions.digest("own", here) == versions.verify("own", here) != before
    assert sorted(p.name for p in (here.datasets / "own").rglob("*")) == ["deep", "more.txt", "notes.txt"]
    states = {found.name: (found.state, found.files) for found in versions.ls(here)}
    assert states == dict.fromkeys(MADE, ("absent", 0)) | {"digits": ("ready", 4), "own": ("ready", 2)}


def test_adding_keeps_data_sets_that_are_recorded_but_not_here(here: Settings, own: Path) -> None:
    versions.add("first", own, here)
    digest = versions.digest("first", here)
    shutil.rmtree(here.datasets / "first")
    versions.add("second", own, here)
    assert versions.digest("first", here) == digest
    with pytest.raises(ValueError, match=r"missing: deep/more\.txt, missing: notes\.txt"):
        versions.verify("first", here)


def test_a_flipped_byte_in_a_file_is_named_and_making_again_heals_it(here: Settings) -> None:
    versions.make(["digits"], here)
    digest = versions.digest("digits", here)
    flip(here.datasets / "digits" / "t10k-images-idx3-ubyte")
    (here.datasets / "digits" / "train-labels-idx1-ubyte").unlink()
    (here.datasets / "digits" / "stray").touch()
    named = "not recorded: stray, changed: t10k-images-idx3-ubyte, missing: train-labels-idx1-ubyte"
    with pytest.raises(ValueError, match=named):
        versions.verify("digits", here)
    with pytest.raises(ValueError, match=named):
        versions.make(["digits"], here)
    shutil.rmtree(here.datasets / "digits")
    versions.make(["digits"], here)
    assert versions.verify("digits", here) == digest


def test_a_flipped_byte_in_the_cache_is_named_and_making_again_heals_it(here: Settings) -> None:
    versions.make(["digits"], here)
    damaged = cached("digits", "t10k-labels-idx1-ubyte", here)
    flip(damaged)
    with pytest.raises(ValueError, match=f"damaged in DVC's cache: t10k-labels-idx1-ubyte .*{damaged.name}"):
        versions.verify("digits", here)
    versions.make(["digits"], here)
    versions.verify("digits", here)


def test_a_damaged_or_absent_manifest_is_named(here: Settings, own: Path) -> None:
    versions.add("own", own, here)
    (manifest,) = (here.project / ".dvc" / "cache").rglob("*.dir")
    flip(manifest)
    with pytest.raises(ValueError, match=f"{manifest.name}: this manifest in DVC's cache is damaged"):
        versions.digest("own", here)
    manifest.unlink()
    with pytest.raises(ValueError, match=f"{manifest.name}: the manifest .* is not in DVC's cache"):
        versions.digest("own", here)


def test_push_and_pull_into_another_clone(here: Settings, own: Path, tmp_path: Path) -> None:
    versions.add("own", own, here)
    assert versions.push([], here) == ("own",)
    clone = Settings(tmp_path / "clone", here.home, here.tracking_uri)
    clone.project.mkdir()
    shutil.copy(here.project / "datasets.dvc", clone.project)
    assert versions.pull([], clone) == ("own",)
    assert versions.digest("own", clone) == versions.digest("own", here)
    assert (clone.datasets / "own" / "deep" / "more.txt").read_text() == "two"

    flip(cached("own", "notes.txt", clone))
    shutil.rmtree(clone.datasets)
    versions.pull(["own"], clone)  # the damaged object of the cache is fetched anew
    versions.verify("own", clone)


def test_pull_refuses_what_is_damaged_on_the_remote(here: Settings, own: Path) -> None:
    versions.add("own", own, here)
    versions.push(["own"], here)
    copy = cached("own", "notes.txt", here)
    flip(here.home / "remote" / "files" / "md5" / copy.parent.name / copy.name)
    copy.unlink()
    shutil.rmtree(here.datasets)
    with pytest.raises(ValueError, match=r"dvc pull|notes\.txt"):
        versions.pull(["own"], here)


def test_pull_hashes_what_dvc_takes_from_its_cache(here: Settings, own: Path) -> None:
    """DVC alone hands out the damaged bytes with exit code 0: this shows that it does, and that `verify` sees it."""
    versions.add("own", own, here)
    flip(cached("own", "notes.txt", here))
    shutil.rmtree(here.datasets)
    checkout = [sys.executable, "-P", "-m", "dvc", "checkout", "--force"]
    assert subprocess.run(checkout, cwd=here.project, capture_output=True, check=False).returncode == 0
    with pytest.raises(ValueError, match=r"changed: notes\.txt, damaged in DVC's cache: notes\.txt"):
        versions.verify("own", here)


def test_push_refuses_what_is_damaged_here(here: Settings, own: Path) -> None:
    versions.add("own", own, here)
    flip(here.datasets / "own" / "notes.txt")
    with pytest.raises(ValueError, match=r"changed: notes\.txt"):
        versions.push([], here)
    assert not (here.home / "remote").exists()


def test_the_projects_own_remote_is_kept(here: Settings, own: Path, tmp_path: Path) -> None:
    versions.add("own", own, here)
    config = here.project / ".dvc" / "config"
    config.write_text(f"{config.read_text()}    remote = team\n['remote \"team\"']\n    url = {tmp_path / 'team'}\n")
    versions.push([], here)
    assert len(list((tmp_path / "team").rglob("*.dir"))) == 1
    assert not (here.home / "remote").exists()


def test_names_that_are_refused(here: Settings, own: Path, tmp_path: Path) -> None:
    for name in ("Own", "../own", "", "-x"):
        with pytest.raises(ValueError, match="expected a name of lower-case letters"):
            versions.add(name, own, here)
    with pytest.raises(ValueError, match="that the zoo makes"):
        versions.add("digits", own, here)
    with pytest.raises(ValueError, match="expected the folder"):
        versions.add("own", tmp_path / "nowhere", here)
    with pytest.raises(ValueError, match="records no data set yet"):
        versions.push([], here)
    versions.add("own", own, here)
    with pytest.raises(ValueError, match="already"):
        versions.add("own", own, here)
    with pytest.raises(ValueError, match=r"'camvid' is not recorded in datasets\.dvc; recorded: own"):
        versions.pull(["camvid"], here)
    with pytest.raises(ValueError, match=r"'digits' is not recorded .* Run `zoo data make digits`"):
        versions.verify("digits", here)


def test_a_damaged_data_set_is_not_added(here: Settings, tmp_path: Path) -> None:
    (tmp_path / "bad" / "Ball" / "img").mkdir(parents=True)
    (tmp_path / "bad" / "Ball" / "groundtruth_rect.txt").write_text("1,1,2,2\n")
    with pytest.raises(ValueError, match=r"Ball/img: expected frames"):
        versions.add("bad", tmp_path / "bad", here)
    assert not (here.datasets / "bad").exists()


@pytest.mark.shared_data
def test_real_sequences_are_added(here: Settings, shared_data: Path) -> None:
    assert versions.add("otb", shared_data / "tracking_otb", here) == "sequences of one tracked object: 2 test"
    flip(here.datasets / "otb" / "DragonBaby" / "img" / "0113.jpg")
    with pytest.raises(ValueError, match=r"changed: DragonBaby/img/0113\.jpg"):
        versions.verify("otb", here)


def test_other_bytes_than_recorded_stop_a_making_unless_accepted(here: Settings) -> None:
    """In a fresh clone, which has `datasets.dvc` and nothing else."""
    wrong = "0" * 64
    (here.project / "datasets.dvc").write_text(
        "outs:\n- md5: 00000000000000000000000000000000.dir\n  size: 1\n  nfiles: 1\n  hash: md5\n  path: datasets\n"
        f"meta:\n  digests:\n    digits: {wrong}\n"
    )
    with pytest.raises(ValueError, match=r"'digits': expected the digest 0000000000000000.* --accept"):
        versions.make(["digits"], here)
    assert not (here.datasets / "digits").exists()
    versions.make(["digits"], here, accept=True)
    assert versions.verify("digits", here) != wrong


def test_a_fresh_clone_forgets_nothing(here: Settings) -> None:
    """What is recorded, cannot be made and is not here must be pulled first."""
    (here.project / "datasets.dvc").write_text(
        "outs:\n- md5: 00000000000000000000000000000000.dir\n  size: 1\n  nfiles: 1\n  hash: md5\n  path: datasets\n"
        f"meta:\n  digests:\n    camvid: {'0' * 64}\n"
    )
    with pytest.raises(ValueError, match=r"also records camvid.*`zoo data pull camvid` first"):
        versions.make(["digits"], here)


@pytest.mark.slow
def test_a_making_in_a_fresh_clone_gives_what_the_repository_records(here: Settings) -> None:
    recorded = (REPOSITORY / "datasets.dvc").read_text()
    (here.project / "datasets.dvc").write_text(recorded)
    assert set(versions.make(["digits"], here)) == set(MADE)
    assert (here.project / "datasets.dvc").read_text() == recorded


def test_digest_and_verify_import_no_dvc(here: Settings, own: Path) -> None:
    versions.add("own", own, here)
    code = (
        "import sys; from pathlib import Path; from flows import versions; from registry.settings import Settings; "
        "here = Settings(Path(sys.argv[1]), Path(sys.argv[2]), ''); "
        "print(versions.digest('own', here) == versions.verify('own', here), {'dvc', 'torch'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, str(here.project), str(here.home)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True set()"

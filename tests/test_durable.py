"""What writing files leaves behind, and for whom."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from zoo.artifact import seal
from zoo.durable import clear, temporary_name, write_atomically


def test_a_killed_writers_files_are_cleared_and_a_living_ones_are_not(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from zoo.durable import atomically\n"
        "with atomically(Path(sys.argv[1])) as file:\n    file.write(b'half'); print(flush=True); input()"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "kept")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        clear(tmp_path)
        (left,) = tmp_path.iterdir()
        writer.kill()
        writer.wait()
    temporary_name(tmp_path / "mine").mkdir()
    write_atomically(tmp_path / "kept.tmp", b"whole")
    clear(tmp_path)
    assert not left.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f".mine.{os.getpid()}.tmp", "kept.tmp"]


def test_a_sealed_folder_is_as_readable_as_any_file_that_is_written(tmp_path: Path) -> None:
    """Safetensors writes 0600, which a team that shares a registry cannot read."""
    save_file({"a": torch.zeros(3)}, tmp_path / "weights.safetensors")
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "units").write_text("")
    before = os.umask(0o027)
    try:
        seal(tmp_path)
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*") if path.is_file()}
    assert modes == {0o640}

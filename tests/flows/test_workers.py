"""What a slot tells its worker, and who leases it."""

import os
import threading
from pathlib import Path

import pytest

from flows.job import Event
from flows.stopping import Stop, Stopped
from flows.workers import Workers, slots


def silent(_entry: str, _event: Event) -> None:
    """Nobody listens."""


def test_a_gpu_is_told_with_how_many_it_shares_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3")
    assert slots() == [{"CUDA_VISIBLE_DEVICES": gpu, "ZOO_WORKERS": "2"} for gpu in ("0", "3")]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert {frozenset(slot.items()) for slot in slots()} == {frozenset({("CUDA_VISIBLE_DEVICES", "")})}


def test_a_slot_is_leased_to_one_worker_of_any_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3")
    night, by_hand, stop = Workers(silent, leases=tmp_path), Workers(silent, leases=tmp_path), Stop()
    waiting, got = Workers(silent, leases=tmp_path, stop=stop), threading.Event()

    def wait() -> None:
        with waiting._leased("third"):
            got.set()

    with night._leased("first") as (one, _), by_hand._leased("second") as (other, _):
        assert [slot["CUDA_VISIBLE_DEVICES"] for slot in (one, other)] == ["0", "3"]
        assert (tmp_path / "3.lease").read_text() == f"second {os.getpid()}"
        thread = threading.Thread(target=wait)
        thread.start()
        assert not got.wait(0.5)
    thread.join(10)
    assert got.is_set()
    with night._leased("first"), night._leased("second"):
        stop.number = 15
        with pytest.raises(Stopped), waiting._leased("third"):
            pass


def test_a_lease_lasts_as_long_as_the_worker_whose_night_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    workers = Workers(silent, leases=tmp_path)
    with workers._leased("first") as (_, lease):
        handed_on = os.dup(lease)  # as the worker's is, by inheritance
    got = threading.Event()

    def wait() -> None:
        with workers._leased("second"):
            got.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not got.wait(0.5)
    os.close(handed_on)
    thread.join(10)
    assert got.is_set()

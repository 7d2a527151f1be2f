"""What a slot tells its worker."""

import pytest

from flows.workers import slots


def test_a_gpu_is_told_with_how_many_it_shares_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3")
    assert slots() == [{"CUDA_VISIBLE_DEVICES": gpu, "ZOO_WORKERS": "2"} for gpu in ("0", "3")]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert {frozenset(slot.items()) for slot in slots()} == {frozenset({("CUDA_VISIBLE_DEVICES", "")})}

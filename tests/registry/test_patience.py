"""Verdicts of the gate's first rule are made again as they were."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import t

from registry import patience
from registry.gate import RULING, differences, replay
from registry.patience import alpha_of
from zoo.artifact import sha256_of
from zoo.scoring.classification import Accuracy
from zoo.scoring.units import Units

STORED = """{"decision":"PROMOTE","metric":"accuracy","challenger_value":0.8,"challenger_error":0.07241234046370286,
"champion_value":0.2,"gain":0.6,"standard_error":0.09041447281236062,"interval":[0.3068829586262634,0.8931170413737366],
"margin":0.1,"challenge":3,"alpha":0.00337737278807792,"unit_count":30,"resamples":100,"seed":0,"reason":"",
"entry":"a.b","challenger":4,"champion":2,"protocol":"x-test/accuracy@1","data_digest":"d","units":{}}"""


def answers(right: int) -> Units:
    """Thirty units of two classes, the first so many answered rightly."""
    labels = np.arange(30) % 2
    named = np.where(np.arange(30) < right, labels, 1 - labels)
    return Units({"label": labels, "scores": np.eye(2, dtype=np.float32)[named]})


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    paths = tmp_path / "units.parquet", tmp_path / "other.parquet"
    for path, right in zip(paths, (24, 6), strict=True):
        answers(right).write(path)
    return paths


def verdict_on(sides: tuple[Path, Path]) -> patience.Verdict:
    """The stored one, of these files."""
    read = RULING.validate_json(STORED)
    assert isinstance(read, patience.Verdict)
    files = {
        f"{name}/{path.name}": sha256_of(path) for name, path in zip(("challenger", "champion"), sides, strict=True)
    }
    return read.model_copy(update={"units": files})


def test_every_number_by_hand(sides: tuple[Path, Path]) -> None:
    again = replay(verdict_on(sides), *sides, Accuracy())
    assert isinstance(again, patience.Verdict)
    random = np.random.default_rng(again.seed)
    drawn = [random.multinomial(30, [1 / 30] * 30) for _ in range(100)]
    new, old = ([counts[:right].sum() / 30 for counts in drawn] for right in (24, 6))
    error = np.std(np.subtract(new, old), ddof=1)
    reach = t.ppf(1 - 0.05 * 6 / np.pi**2 / 9, 29) * error
    assert again.gain == pytest.approx(0.6)
    assert again.standard_error == pytest.approx(error)
    assert again.challenger_error == pytest.approx(np.std(new, ddof=1))
    assert again.interval == pytest.approx((0.6 - reach, 0.6 + reach))
    assert (again.metric, again.unit_count, again.decision) == ("accuracy", 30, "PROMOTE")
    assert again.corrected_error == pytest.approx(error * np.sqrt(30 / 29))
    low, high = again.interval or (0, 0)
    assert again.reason == (
        "better than champion a.b/2 by more than chance and the margin of 0.1: accuracy gain +0.6, interval "
        f"[{low:+.4g}, {high:+.4g}] over 30 units, challenge 3 of this reign"
    )
    assert differences(again, replay(again, *sides, Accuracy())) == ()
    assert replay(again, *sides, Accuracy()).seed == again.seed


def test_the_draws_depend_on_what_was_asked(sides: tuple[Path, Path]) -> None:
    verdict = verdict_on(sides)
    changes = [{}, {"challenge": 4}, {"margin": 0.2}, {"resamples": 99}, {"protocol": "y/accuracy@1"}]
    seeds = {replay(verdict.model_copy(update=change), *sides, Accuracy()).seed for change in changes}
    assert len(seeds) == 5


def test_other_verdicts(sides: tuple[Path, Path], tmp_path: Path) -> None:
    verdict = verdict_on(sides)
    held = replay(verdict.model_copy(update={"margin": 0.5}), *sides, Accuracy())
    assert (held.decision, held.reason.partition(":")[0]) == ("HOLD", "not proven better than champion a.b/2")
    turned = verdict_on(sides[::-1])
    assert replay(turned, *sides[::-1], Accuracy()).decision == "REJECT"
    same = tmp_path / "same.parquet"
    answers(24).write(same)
    assert replay(verdict_on((sides[0], same)), sides[0], same, Accuracy()).decision == "HOLD"  # without a spread
    floor = replay(verdict.model_copy(update={"champion": None}), *sides, Accuracy())
    assert floor.reason.startswith("better than the floor by")


def test_levels_of_a_reign_sum_to_alpha() -> None:
    assert alpha_of(1) == pytest.approx(0.05 * 6 / np.pi**2)
    assert alpha_of(3) == pytest.approx(alpha_of(1) / 9)
    assert sum(alpha_of(k) for k in range(1, 200_000)) == pytest.approx(0.05, abs=1e-6)

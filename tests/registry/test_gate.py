"""The gate: comparable or refused, right by hand, fair over a reign, and the same again when replayed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import t

from registry import gate, glance, store
from registry.gate import Side, Verdict, alpha_of, judge, replay
from registry.settings import Settings
from zoo.scoring.metrics import Metric
from zoo.scoring.units import Units

from .conftest import ENTRY, Making

UNITS = 40


@dataclass(frozen=True)
class Mean:
    """The mean of `value`: its standard error is known without a bootstrap."""

    id: str = "mean@1"
    paired: bool = True
    higher_is_better: bool = True

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return (Metric(name="mean", unit="px", higher_is_better=self.higher_is_better, lowest=-100, highest=100),)

    def aggregate(self, units: Units, counts: npt.NDArray[np.int64] | None = None) -> dict[str, float]:
        values = units.rows["value"]
        return {"mean": float(values.mean() if counts is None else counts @ values / counts.sum())}


def side(folder: Path, number: int | None, values: npt.ArrayLike, **changes: str) -> Side:
    path = folder / f"{number}.parquet"
    Units({"value": np.asarray(values, dtype=np.float64)}).write(path)
    return Side(number=number, units=path, **({"protocol": "x-val/mean@1", "data_digest": "d"} | changes))


def compare(folder: Path, new: npt.ArrayLike, old: npt.ArrayLike, **how: object) -> Verdict:
    scoring = how.pop("scoring", Mean())
    how = {"entry": "a.b", "challenge": 1} | how
    return judge(side(folder, 2, new), side(folder, 1, old), scoring, **how)


def test_the_interval_is_the_paired_t_interval_of_the_mean(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    old = random.normal(size=UNITS)
    new = old + random.normal(0.3, 0.2, size=UNITS)
    verdict = compare(tmp_path, new, old, challenge=4)
    by_hand = np.std(new - old) / np.sqrt(UNITS)  # the bootstrap's limit for a mean: plug-in variance
    assert verdict.gain == pytest.approx(np.mean(new - old))
    assert verdict.standard_error == pytest.approx(by_hand, rel=0.1)
    assert verdict.alpha == pytest.approx(0.05 * 6 / np.pi**2 / 16)
    reach = t.ppf(1 - verdict.alpha, UNITS - 1) * verdict.standard_error
    assert verdict.interval == pytest.approx((verdict.gain - reach, verdict.gain + reach))
    assert verdict.decision == "PROMOTE"


def test_levels_of_a_reign_sum_to_alpha() -> None:
    assert sum(alpha_of(k) for k in range(1, 200_000)) == pytest.approx(0.05, abs=1e-6)


def test_unpaired_scorings_are_resampled_independently(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=UNITS)
    paired = compare(tmp_path, values + 1, values)
    unpaired = compare(tmp_path, values + 1, values, scoring=Mean(paired=False))
    assert paired.standard_error == pytest.approx(0, abs=1e-12)
    assert unpaired.standard_error == pytest.approx(np.sqrt(2) * np.std(values) / np.sqrt(UNITS), rel=0.1)


def test_direction_margin_and_no_spread(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    old = random.normal(size=UNITS)
    new = old + random.normal(0.5, 0.1, size=UNITS)
    assert compare(tmp_path, new, old).decision == "PROMOTE"
    assert compare(tmp_path, old, new).decision == "REJECT"
    assert compare(tmp_path, new, old, scoring=Mean(higher_is_better=False)).decision == "REJECT"
    assert compare(tmp_path, new, old, margin=0.6).decision == "HOLD"
    assert compare(tmp_path, old, old).decision == "HOLD"


def test_only_what_compares_is_compared(tmp_path: Path) -> None:
    new, ones = side(tmp_path, 2, np.arange(4.0)), np.ones(4)
    how = {"entry": "a.b", "challenge": 1}
    with pytest.raises(ValueError, match="protocol: challenger has x-val/mean@1, champion x-val/mean@2"):
        judge(new, side(tmp_path, 1, ones, protocol="x-val/mean@2"), Mean(), **how)
    with pytest.raises(ValueError, match="data_digest"):
        judge(new, side(tmp_path, 1, ones, data_digest="other"), Mean(), **how)
    with pytest.raises(ValueError, match="same units"):
        judge(new, side(tmp_path, 1, np.ones(5)), Mean(), **how)
    with pytest.raises(ValueError, match="finite"):
        judge(side(tmp_path, 3, [1, np.nan, 2, 3]), new, Mean(), **how)
    with pytest.raises(ValueError, match="at least 2 units"):
        judge(side(tmp_path, 2, [1.0]), side(tmp_path, 1, [0.0]), Mean(), **how)


def test_paired_units_carry_their_names(tmp_path: Path) -> None:
    sides = []
    for number, names in ((1, ["cat", "dog"]), (2, ["dog", "cat"])):
        path = tmp_path / f"{number}.parquet"
        Units({"image": np.array(names), "value": np.arange(2.0)}).write(path)
        sides.append(Side(number=number, protocol="p", data_digest="d", units=path))
    with pytest.raises(ValueError, match="column 'image' differs"):
        judge(*sides, Mean(), entry="a.b", challenge=1)


def test_replay_gives_the_same_answer_and_refuses_other_units(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    verdict = compare(tmp_path, random.normal(0.2, 1, UNITS), random.normal(0, 1, UNITS), challenge=3, margin=0.1)
    files = tmp_path / "2.parquet", tmp_path / "1.parquet"
    stored = Verdict.model_validate_json(verdict.model_dump_json())
    assert replay(stored, *files, Mean()) == verdict
    Units({"value": np.zeros(UNITS)}).write(files[1])
    with pytest.raises(ValueError, match=r"champion/1.parquet"):
        replay(stored, *files, Mean())


def test_equal_models_are_promoted_in_at_most_alpha_of_reigns_and_better_ones_are() -> None:
    """300 reigns of 10 challenges by equals: at alpha 0.05 at most 15 are expected, and 27 is three sigmas away."""
    random = np.random.default_rng(11)
    assert sum(_is_deposed(random, gain=0.0) for _ in range(300)) <= 27
    assert sum(_is_deposed(random, gain=1.0) for _ in range(30)) == 30


def _is_deposed(random: np.random.Generator, *, gain: float, challenges: int = 10, resamples: int = 60) -> bool:
    """Whether one of many challengers gets past the gate's arithmetic; the champion's own luck is shared by all."""
    hardness, luck = random.normal(size=UNITS), random.normal(size=UNITS)
    old = Units({"value": hardness + luck})
    for challenge in range(1, challenges + 1):
        new = Units({"value": hardness + gain + random.normal(size=UNITS)})
        verdict = gate.weigh(new, old, Mean(), challenge=challenge, resamples=resamples, seed=challenge)
        if verdict.decision == "PROMOTE":
            return True
    return False


def test_the_first_champion_must_beat_the_floor(settings: Settings, make_model: Making) -> None:
    poor = store.register(make_model("poor", right=0.0), settings)
    verdict = gate.challenge(poor, settings)
    assert verdict is not None
    assert (verdict.decision, verdict.champion) == ("HOLD", None)
    assert glance.champion(settings, ENTRY) is None
    good = store.register(make_model("good", right=0.7), settings)
    verdict = gate.challenge(good, settings)
    assert verdict is not None
    assert (verdict.decision, verdict.champion, verdict.challenge) == ("PROMOTE", None, 2)
    assert glance.champion(settings, ENTRY).number == good.number
    assert glance.unsettled(settings) == ()


def test_a_reign(settings: Settings, make_model: Making) -> None:
    """Promoted, held, deposed, rolled back by a person; each verdict stored, replayable, and given once."""
    names = {"first": 0.6, "same": 0.6, "worse": 0.3, "better": 0.9}
    versions = {n: store.register(make_model(n, right=r, seed=i), settings) for i, (n, r) in enumerate(names.items())}
    verdicts = {name: gate.challenge(version, settings) for name, version in versions.items()}
    assert [v.decision for v in verdicts.values()] == ["PROMOTE", "HOLD", "REJECT", "PROMOTE"]
    assert [v.challenge for v in verdicts.values()] == [1, 1, 2, 3]
    assert glance.champion(settings, ENTRY).number == 4
    first, better = (
        store.fetch(versions[n], settings, Path()) / "evaluation/units.parquet" for n in ("first", "better")
    )
    assert replay(verdicts["better"], better, first) == verdicts["better"]

    client = store.connect(settings)
    assert (
        '"decision": "PROMOTE"'
        in Path(client.download_artifacts(versions["better"].run_id, "verdict.json")).read_text()
    )
    client.set_registered_model_alias(ENTRY, "champion", "1")
    current = {v.number: v for v in glance.ready_versions(settings)}
    assert gate.challenge(current[4], settings) == verdicts["better"]
    assert glance.champion(settings, ENTRY).number == 1


def test_a_kill_between_verdict_and_alias_is_healed(settings: Settings, make_model: Making) -> None:
    version = store.register(make_model("good", right=0.7), settings)
    verdict = gate.challenge(version, settings)
    client = store.connect(settings)
    client.delete_registered_model_alias(ENTRY, "champion")
    client.delete_model_version_tag(ENTRY, "1", glance.PROMOTED)
    (half,) = glance.unsettled(settings)
    assert gate.challenge(half, settings) == verdict
    assert glance.champion(settings, ENTRY).number == 1


def test_a_champion_of_other_data_is_scored_again_first(settings: Settings, make_model: Making) -> None:
    gate.challenge(store.register(make_model("old", right=0.6), settings), settings)
    new = store.register(make_model("new", right=0.9, data_digest="e" * 32), settings)
    reigning = gate.needs_rescoring(new, settings)
    assert reigning is not None
    with pytest.raises(ValueError, match="data_digest"):
        gate.challenge(new, settings)
    rescored = store.fetch(reigning, settings, Path()) / "evaluation" / "units.parquet"
    assert gate.challenge(new, settings, rescored=rescored).decision == "PROMOTE"


def test_changed_units_are_named_and_not_judged(settings: Settings, make_model: Making) -> None:
    version = store.register(make_model(), settings)
    units = store.fetch(version, settings, Path()) / "evaluation" / "floor.parquet"
    units.write_bytes(units.read_bytes() + b"\0")
    with pytest.raises(ValueError, match=r"floor.parquet: changed"):
        gate.challenge(version, settings)

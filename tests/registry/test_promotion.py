"""Who reigns: challenges, successions, abdications; each stored, replayable, and healed where it was killed."""

import shutil
from pathlib import Path

import pytest

from registry import glance, promotion, store
from registry.client import connect
from registry.gate import Succession
from registry.glance import read
from registry.settings import Settings
from zoo.artifact import sha256_of

from .conftest import ENTRY, Making, answers


def test_the_first_champion_must_beat_the_floor(settings: Settings, make_model: Making) -> None:
    poor = store.register(make_model("poor", right=0.0), settings)
    verdict = promotion.challenge(poor, settings)
    assert verdict is not None
    assert (verdict.decision, verdict.champion) == ("HOLD", None)
    assert read(settings).champion(ENTRY) is None
    good = store.register(make_model("good", right=0.7), settings)
    verdict = promotion.challenge(good, settings)
    assert verdict is not None
    assert (verdict.decision, verdict.champion, verdict.challenge) == ("PROMOTE", None, 2)
    assert read(settings).champion(ENTRY).number == good.number
    assert read(settings).unsettled() == ()


def test_a_reign(settings: Settings, make_model: Making) -> None:
    """Promoted, held, deposed, rolled back by a person; each verdict stored, replayable, and given once."""
    names = {"first": 0.6, "same": 0.6, "worse": 0.3, "better": 0.9}
    versions = {n: store.register(make_model(n, right=r, seed=i), settings) for i, (n, r) in enumerate(names.items())}
    verdicts = {name: promotion.challenge(version, settings) for name, version in versions.items()}
    assert [v.decision for v in verdicts.values()] == ["PROMOTE", "HOLD", "REJECT", "PROMOTE"]
    assert [v.challenge for v in verdicts.values()] == [1, 1, 2, 3]
    held = read(settings)
    assert held.champion(ENTRY).number == 4
    for version in held.versions():
        stored, again = promotion.replay(version, settings)
        assert stored == again == verdicts[version.record.scores.rstrip("0")]

    client = connect(settings)
    written = client.download_artifacts(versions["better"].run_id, "verdict.json")
    assert '"decision": "PROMOTE"' in Path(written).read_text()
    client.set_registered_model_alias(ENTRY, "champion", "1")
    assert promotion.challenge(read(settings).numbered(ENTRY, 4), settings) == verdicts["better"]
    assert read(settings).champion(ENTRY).number == 1


def test_a_kill_between_verdict_and_alias_is_healed(settings: Settings, make_model: Making) -> None:
    version = store.register(make_model("good", right=0.7), settings)
    verdict = promotion.challenge(version, settings)
    client = connect(settings)
    client.delete_registered_model_alias(ENTRY, "champion")
    client.delete_model_version_tag(ENTRY, "1", glance.PROMOTED)
    (half,) = read(settings).unsettled()
    assert promotion.challenge(half, settings) == verdict
    assert read(settings).champion(ENTRY).number == 1


def test_a_champion_of_other_data_is_scored_again_first_and_that_is_kept(
    settings: Settings, make_model: Making, tmp_path: Path
) -> None:
    """The verdict is made again from the registry alone; what it was made from is checked."""
    promotion.challenge(store.register(make_model("old", right=0.6), settings), settings)
    new = store.register(make_model("new", right=0.9, data_digest="e" * 32), settings)
    reigning = promotion.needs_rescoring(new, settings)
    assert reigning is not None
    with pytest.raises(ValueError, match="data_digest"):
        promotion.challenge(new, settings)
    rescored = tmp_path / "rescored" / "units.parquet"
    rescored.parent.mkdir()
    answers(0.5, seed=9).write(rescored)
    verdict = promotion.challenge(new, settings, rescored=rescored)
    assert (verdict.decision, verdict.challenge) == ("PROMOTE", 1)
    assert verdict.units["champion/units.parquet"] == sha256_of(rescored)
    shutil.rmtree(rescored.parent)
    judged = read(settings).numbered(ENTRY, 2)
    assert promotion.replay(judged, settings) == (verdict, verdict)

    (kept,) = settings.home.rglob(f"rescored/{verdict.units['champion/units.parquet']}/units.parquet")
    answers(0.4, seed=9).write(kept)
    with pytest.raises(ValueError, match=r"not made from these files: \['champion/units.parquet'\]"):
        promotion.replay(judged, settings)
    shutil.rmtree(kept.parent)
    with pytest.raises(ValueError, match="cannot be made again"):
        promotion.replay(judged, settings)


def test_there_is_no_verdict_to_replay(settings: Settings, make_model: Making) -> None:
    version = store.register(make_model(), settings)
    with pytest.raises(ValueError, match="no verdict to make again: the gate has not judged it"):
        promotion.replay(version, settings)


def test_changed_units_are_named_and_not_judged(settings: Settings, make_model: Making) -> None:
    version = store.register(make_model(), settings)
    units = store.fetch(version, settings, Path()) / "evaluation" / "floor.parquet"
    units.write_bytes(units.read_bytes() + b"\0")
    with pytest.raises(ValueError, match=r"floor.parquet: changed"):
        promotion.challenge(version, settings)
    (units.parents[1] / "manifest.json").write_text("{}")
    with pytest.raises(ValueError, match=r"manifest.json: not the manifest"):
        promotion.challenge(version, settings)


# The champion's own weights under another scoring


def test_the_champions_own_weights_are_no_challenge(settings: Settings, make_model: Making) -> None:
    """The alias goes along, k stays, and the reign goes on counting where it was."""
    promotion.challenge(store.register(make_model("first", right=0.6), settings), settings)
    assert (
        promotion.challenge(store.register(make_model("second", right=0.6, seed=1), settings), settings).challenge == 1
    )
    anew = make_model("anew", right=0.55, weights="first", protocol="digits-test/accuracy@1:anew")
    version = store.register(anew, settings)
    assert promotion.needs_rescoring(version, settings) is None
    succession = promotion.challenge(version, settings)
    assert isinstance(succession, Succession)
    assert (succession.decision, succession.challenge, succession.champion) == ("PROMOTE", 0, 1)
    assert "nothing to test" in succession.reason
    champion = read(settings).champion(ENTRY)
    assert (champion.number, champion.settled, promotion.stored(champion)) == (3, True, succession)
    with pytest.raises(ValueError, match="no verdict to make again: the weights of champion"):
        promotion.replay(champion, settings)
    assert promotion.challenge(champion, settings) == succession

    third = store.register(make_model("third", right=0.55, seed=2, protocol="digits-test/accuracy@1:anew"), settings)
    verdict = promotion.challenge(third, settings)
    assert (verdict.champion, verdict.challenge) == (3, 2)


def test_where_weights_are_not_told_what_decided_them_speaks(settings: Settings, make_model: Making) -> None:
    promotion.challenge(store.register(make_model("first", trains="t"), settings), settings)
    connect(settings).delete_model_version_tag(ENTRY, "1", "weights")
    other = store.register(make_model("other", trains="u", protocol="digits-test/accuracy@1:anew"), settings)
    assert promotion.needs_rescoring(other, settings).number == 1
    anew = store.register(make_model("anew", trains="t", protocol="digits-test/accuracy@1:anew"), settings)
    assert isinstance(promotion.challenge(anew, settings), Succession)


def test_other_weights_of_the_same_training_have_to_prove_themselves(settings: Settings, make_model: Making) -> None:
    promotion.challenge(store.register(make_model("first", trains="t"), settings), settings)
    again = store.register(make_model("again", trains="t"), settings)
    assert promotion.challenge(again, settings).decision == "HOLD"


def test_a_kill_in_a_succession_is_healed(settings: Settings, make_model: Making) -> None:
    promotion.challenge(store.register(make_model("first"), settings), settings)
    anew = store.register(make_model("anew", weights="first"), settings)
    succession = promotion.challenge(anew, settings)
    client = connect(settings)
    client.set_registered_model_alias(ENTRY, "champion", "1")
    client.delete_model_version_tag(ENTRY, "2", glance.PROMOTED)
    (half,) = read(settings).unsettled()
    assert promotion.challenge(half, settings) == succession
    assert read(settings).champion(ENTRY).number == 2


# Abdication


def test_a_champion_abdicates_with_a_reason_and_the_floor_reigns(settings: Settings, make_model: Making) -> None:
    first = store.register(make_model("first", right=0.9), settings)
    promotion.challenge(first, settings)
    promotion.abdicate(first, "its recipe is no longer understood", settings)
    held = read(settings)
    assert held.champion(ENTRY) is None
    assert held.numbered(ENTRY, 1).abdicated == "its recipe is no longer understood"
    assert held.unsettled() == ()
    promotion.abdicate(first, "its recipe is no longer understood", settings)  # healed, had it been killed
    promotion.challenge(first, settings)
    assert read(settings).champion(ENTRY) is None

    poorer = store.register(make_model("poorer", right=0.5), settings)
    assert promotion.needs_rescoring(poorer, settings) is None
    verdict = promotion.challenge(poorer, settings)
    assert (verdict.decision, verdict.champion, verdict.challenge) == ("PROMOTE", None, 2)


def test_an_abdication_without_a_verdict_is_not_judged_again(settings: Settings, make_model: Making) -> None:
    """A person made it champion: once it cannot be scored, its old units must not bring it back."""
    by_hand = store.register(make_model("by-hand", right=0.9), settings)
    connect(settings).set_registered_model_alias(ENTRY, "champion", "1")
    promotion.abdicate(by_hand, "gone", settings)
    assert read(settings).unsettled() == ()
    assert promotion.challenge(by_hand, settings) is None
    assert read(settings).champion(ENTRY) is None


def test_only_the_champion_loses_the_alias(settings: Settings, make_model: Making) -> None:
    versions = [store.register(make_model(name, right=right), settings) for name, right in (("a", 0.5), ("b", 0.9))]
    for version in versions:
        promotion.challenge(version, settings)
    promotion.abdicate(versions[0], "gone", settings)
    assert read(settings).champion(ENTRY).number == 2

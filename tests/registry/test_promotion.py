"""Who reigns: challenges, successions, abdications; each stored, replayable, and healed where it was killed."""

import json
import shutil
from datetime import datetime, timedelta
from getpass import getuser
from pathlib import Path

import pytest

from registry import gate, glance, patience, promotion, store
from registry.client import connect
from registry.gate import Echo, Succession
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
    assert (verdict.decision, verdict.champion) == ("PROMOTE", None)
    assert read(settings).champion(ENTRY).number == good.number
    assert read(settings).unsettled() == ()


def test_challenges_of_the_floor_have_a_memory_of_their_own(settings: Settings, make_model: Making) -> None:
    """Without one a newcomer that is asked every night would have to gain twelve standard errors after ten of them."""
    names = {"poor": 0.02, "poor too": 0.06, "good": 0.5, "better": 0.7}
    verdicts = [
        promotion.challenge(store.register(make_model(name, right=right, seed=seed), settings), settings)
        for seed, (name, right) in enumerate(names.items())
    ]
    assert [(v.decision, v.champion) for v in verdicts[:3]] == [("HOLD", None), ("HOLD", None), ("PROMOTE", None)]
    errors = {number: verdict.standard_error for number, verdict in enumerate(verdicts, start=1)}
    assert [v.terms.pool for v in verdicts] == [{}, {1: errors[1]}, {1: errors[1], 2: errors[2]}, {}]
    for version in read(settings).versions(ENTRY):
        stored, again = promotion.replay(version, settings)
        assert stored == again


def test_a_reign(settings: Settings, make_model: Making) -> None:
    """Promoted, held, deposed, rolled back by a person; each verdict stored, replayable, and given once."""
    names = {"first": 0.6, "same": 0.6, "worse": 0.3, "better": 0.9}
    versions = {n: store.register(make_model(n, right=r, seed=i), settings) for i, (n, r) in enumerate(names.items())}
    verdicts = {name: promotion.challenge(version, settings) for name, version in versions.items()}
    assert [v.decision for v in verdicts.values()] == ["PROMOTE", "HOLD", "REJECT", "PROMOTE"]
    asked = [verdict.terms for verdict in verdicts.values()]
    assert [terms.rebuild for terms in asked] == [False, True, True, True]
    assert [terms.stake / terms.purse for terms in asked] == [1 / 2, 1 / 16, 1 / 16, 1 / 16]
    assert asked[0].purse == 0.01
    assert [terms.purse for terms in asked[1:]] == pytest.approx([0.005 * (15 / 16) ** k for k in range(3)], abs=1e-6)
    errors = {number: verdict.standard_error for number, verdict in enumerate(verdicts.values(), start=1)}
    assert [terms.pool for terms in asked] == [{}, {}, {2: errors[2]}, {2: errors[2], 3: errors[3]}]  # no floor's
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
    assert verdict.decision == "PROMOTE"
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
    """The alias goes along, and nothing is staked."""
    promotion.challenge(store.register(make_model("first", right=0.6), settings), settings)
    second = promotion.challenge(store.register(make_model("second", right=0.6, seed=1), settings), settings)
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
    assert (verdict.champion, verdict.terms.pool) == (3, {})  # the second was weighed under another protocol
    assert verdict.terms.purse == pytest.approx(second.terms.purse - second.alpha, abs=1e-6)


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
    assert (verdict.decision, verdict.champion) == ("PROMOTE", None)


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


# Terms


def put(settings: Settings, number: int, **changes: object) -> None:
    """Change what is stored as the verdict on a version."""
    stored = json.loads(read(settings).numbered(ENTRY, number).tags["verdict"])
    connect(settings).set_model_version_tag(ENTRY, str(number), "verdict", json.dumps(stored | changes))


def test_the_calendar_refills_the_purse_and_a_changed_recipe_stakes_half(
    settings: Settings, make_model: Making
) -> None:
    first = promotion.challenge(store.register(make_model("first", right=0.6), settings), settings)
    asked = first.terms.asked - timedelta(days=36.5)
    put(settings, 1, terms=json.loads(first.terms.model_copy(update={"asked": asked}).model_dump_json()))
    changed = make_model("changed", right=0.6, seed=1, recipe={"steps": 40, "learning_rate": 0.1})
    terms = promotion.challenge(store.register(changed, settings), settings).terms
    assert terms.purse == pytest.approx(0.005 + 0.004, abs=1e-6)
    assert (terms.rebuild, terms.stake) == (False, terms.purse / 2)
    seeded = make_model("seeded", right=0.6, seed=2, recipe={"steps": 20, "learning_rate": 0.1, "seed": 5})
    terms = promotion.challenge(store.register(seeded, settings), settings).terms
    assert (terms.rebuild, terms.stake) == (True, terms.purse / 16)


def test_a_clock_that_was_set_back_stakes_what_is_there(settings: Settings, make_model: Making) -> None:
    first = promotion.challenge(store.register(make_model("first", right=0.6), settings), settings)
    tomorrow = first.terms.asked + timedelta(days=1)
    put(settings, 1, terms=json.loads(first.terms.model_copy(update={"asked": tomorrow}).model_dump_json()))
    second = promotion.challenge(store.register(make_model("second", right=0.6, seed=1), settings), settings)
    assert second.terms.asked == tomorrow + timedelta(microseconds=1)
    assert second.terms.purse == pytest.approx(0.005, abs=1e-9)
    assert promotion.replay(read(settings).numbered(ENTRY, 2), settings) == (second, second)


def test_a_forged_purse_is_noticed(settings: Settings, make_model: Making) -> None:
    promotion.challenge(store.register(make_model("first", right=0.6), settings), settings)
    second = promotion.challenge(store.register(make_model("second", right=0.6, seed=1), settings), settings)
    fuller = second.terms.model_copy(update={"purse": 0.01})
    put(settings, 2, terms=json.loads(fuller.model_dump_json()))
    assert gate.differences(*promotion.replay(read(settings).numbered(ENTRY, 2), settings)) == ("terms",)


def test_verdicts_of_the_first_rule_are_remembered_and_made_again(settings: Settings, make_model: Making) -> None:
    """They emptied no purse; their spread is pooled with the correction that they lack."""
    for number, (name, right) in enumerate((("first", 0.6), ("second", 0.6)), start=1):
        verdict = promotion.challenge(store.register(make_model(name, right=right, seed=number), settings), settings)
        old = verdict.model_dump(mode="json", exclude={"rule", "terms", "degrees", "error", "guarded"})
        earlier = patience.Verdict(**old | {"challenge": 1, "margin": 0.0})
        connect(settings).set_model_version_tag(ENTRY, str(number), "verdict", earlier.model_dump_json())
        again = promotion.replay(read(settings).numbered(ENTRY, number), settings)[1]
        connect(settings).set_model_version_tag(ENTRY, str(number), "verdict", again.model_dump_json())
        assert promotion.replay(read(settings).numbered(ENTRY, number), settings) == (again, again)
        assert (again.alpha, again.champion) == (patience.alpha_of(1), None if number == 1 else 1)
    third = promotion.challenge(store.register(make_model("third", right=0.6, seed=3), settings), settings)
    assert third.terms.purse == 0.01
    assert third.terms.pool == {2: pytest.approx(again.standard_error * (200 / 199) ** 0.5)}


def test_demands_of_the_project(settings: Settings, make_model: Making) -> None:
    promotion.challenge(store.register(make_model("first", right=0.6), settings), settings)
    file = settings.project / "gate.toml"
    file.write_text(f"""["*"]\nmargin = 0.9\n["{ENTRY}"]\nmay_lose = {{ mean_class_accuracy = 0.01 }}\n""")
    verdict = promotion.challenge(store.register(make_model("second", right=0.9, seed=1), settings), settings)
    assert (verdict.terms.margin, verdict.terms.may_lose) == (0.0, {"mean_class_accuracy": 0.01})
    assert [(guarded.metric, guarded.kept) for guarded in verdict.guarded] == [("mean_class_accuracy", True)]
    file.write_text('["*"]\nmargin = 0.9\n')
    third = store.register(make_model("third", right=0.95, seed=1), settings)
    assert promotion.challenge(third, settings).terms.margin == 0.9
    assert promotion.replay(read(settings).numbered(ENTRY, 2), settings) == (verdict, verdict)
    file.write_text('["*"]\nmargin = -1\n')
    with pytest.raises(ValueError, match=r"gate.toml: expected tables like"):
        promotion.challenge(store.register(make_model("fourth", right=0.9, seed=3), settings), settings)


def test_weights_that_were_met_before_ask_nothing(settings: Settings, make_model: Making) -> None:
    promotion.challenge(store.register(make_model("first", right=0.6), settings), settings)
    worse = promotion.challenge(store.register(make_model("worse", right=0.1, seed=1), settings), settings)
    assert worse.decision == "REJECT"
    again = store.register(make_model("again", right=0.1, seed=1, weights="worse"), settings)
    assert promotion.needs_rescoring(again, settings) is None
    echo = promotion.challenge(again, settings)
    assert isinstance(echo, Echo)
    assert (echo.decision, echo.of, echo.champion) == ("REJECT", 2, 1)
    with pytest.raises(ValueError, match="no verdict to make again: the weights of"):
        promotion.replay(read(settings).numbered(ENTRY, 3), settings)
    fourth = promotion.challenge(store.register(make_model("fourth", right=0.6, seed=2), settings), settings)
    assert fourth.terms.purse == pytest.approx(worse.terms.purse - worse.alpha, abs=1e-6)
    assert set(fourth.terms.pool) == {2}


# People


def test_a_person_overrules_and_it_is_kept(settings: Settings, make_model: Making) -> None:
    for seed, (name, right) in enumerate((("first", 0.6), ("worse", 0.1))):
        promotion.challenge(store.register(make_model(name, right=right, seed=seed), settings), settings)
    worse = read(settings).numbered(ENTRY, 2)
    with pytest.raises(ValueError, match="expected a reason"):
        promotion.promote(worse, settings, why=" ")
    said = promotion.promote(worse, settings, why="it never fails on a 7")
    assert (said.who, said.before, said.rollback) == (getuser(), 1, False)
    champion = read(settings).champion(ENTRY)
    assert (champion.number, champion.standing, promotion.by_hand(champion)) == (2, "by hand", (said,))
    with pytest.raises(ValueError, match="is the champion already"):
        promotion.promote(champion, settings, why="again")
    back = promotion.promote(read(settings).numbered(ENTRY, 1), settings, why="it does fail", rollback=True)
    assert (back.before, back.rollback) == (2, True)
    held = read(settings)
    assert [version.standing for version in held.versions(ENTRY)] == ["by hand", "REJECT"]
    assert held.unsettled() == ()


def test_a_version_nobody_judged_may_be_promoted_and_is_settled_for_good(
    settings: Settings, make_model: Making
) -> None:
    for name in ("first", "second"):
        promotion.promote(store.register(make_model(name), settings), settings, why="to begin with")
    held = read(settings)
    assert held.champion(ENTRY).number == 2
    assert held.unsettled() == ()
    assert promotion.challenge(held.numbered(ENTRY, 1), settings) is None


def test_who_abdicated_may_be_given_another_chance(settings: Settings, make_model: Making) -> None:
    first = store.register(make_model("first", right=0.9), settings)
    promotion.challenge(first, settings)
    promotion.abdicate(first, "gone", settings)
    on = read(settings).numbered(ENTRY, 1).tags[glance.ABDICATED_ON]
    assert datetime.fromisoformat(on).tzinfo is not None
    assert read(settings).numbered(ENTRY, 1).standing == "abdicated"
    promotion.promote(read(settings).numbered(ENTRY, 1), settings, why="its code is back")
    assert (read(settings).champion(ENTRY).number, read(settings).champion(ENTRY).abdicated) == (1, "")

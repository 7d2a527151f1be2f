"""Figures are made from registered versions: which ones count, what is stated, and where it is written."""

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from registry.figures import Wanted, figures, table, written
from registry.glance import Snapshot, Version
from zoo.artifact import Record, Score
from zoo.entry import Entry
from zoo.published import Ask
from zoo.scoring.protocols import scoring

from .conftest import ENTRY, PROTOCOL

RECIPE = {"steps": 20, "seed": 0}


def wanted(**changes: Any) -> Wanted:
    return Wanted(**{"entry": Entry(ENTRY), "recipe_name": "mini", "recipe": RECIPE} | changes)


def version(
    number: int, value: float, *, entry: str = ENTRY, recipe: dict[str, int] = RECIPE, **changes: Any
) -> Version:
    """A READY version as the registry tells it."""
    metrics = changes.pop("metrics", {"accuracy": value, "mean_class_accuracy": value})
    protocol, digest = changes.pop("protocol", PROTOCOL), changes.pop("data_digest", "d" * 32)
    record = Record(
        **{
            "entry": entry,
            "trains": f"{entry} {number}",
            "scores": f"{entry} {number}",
            "dataset": "digits",
            "data_digest": digest,
            "scored": "digits",
            "scored_digest": digest,
            "protocol": protocol,
            "score": Score(name=entry, metrics=metrics),
            "floor": Score(name="majority class", metrics=dict.fromkeys(metrics, 0.125)),
            "parameters": 1,
            "steps": recipe["steps"],
            "seconds": 8.2,
            "placement": {},
            "versions": {},
        }
        | changes
    )
    tags = {
        "ready": "true",
        "trains": record.trains,
        "scores": record.scores,
        "protocol": protocol,
        "data_digest": digest,
        "recipe": json.dumps(recipe),
        "ranked_by": json.dumps(asdict(scoring(protocol).metrics[0])),
        "record": record.model_dump_json(),
    }
    now = datetime.fromtimestamp(number, UTC)
    return Version(entry=entry, number=number, created=now, run_id="", source="", tags=tags, aliases=())


@pytest.fixture
def three() -> Snapshot:
    """Three seeds, the second one made twice; another recipe, other data."""
    return Snapshot(
        [
            version(1, 0.2, data_digest="e" * 32),
            version(2, 0.8),
            version(3, 0.3, recipe={"steps": 20, "seed": 1}),
            version(4, 0.1, recipe={"steps": 30, "seed": 3}),
            version(5, 0.7, recipe={"steps": 20, "seed": 1}, seconds=16.4),
            version(6, 0.9, recipe={"steps": 20, "seed": 2}, seconds=12.0),
        ]
    )


def test_the_newest_version_of_each_seed_counts_on_one_benchmark(three: Snapshot) -> None:
    (figure,) = figures([wanted(asks=(Ask(metric="accuracy", value=0.75),))], three)
    assert figure.values == (0.8, 0.7, 0.9)
    assert figure.spread == "0.80 ± 0.10"
    assert (figure.seeds, figure.training) == ("3 seeds", "8 to 16 s")
    assert (figure.floor, figure.floor_name) == (0.125, "majority class")
    assert (figure.asked, figure.reached) == ("≥ 0.75", True)
    asks = Ask(metric="accuracy", value=0.99), Ask(metric="accuracy", value=0.0, recipe="paper")
    (short,) = figures([wanted(asks=asks)], three)
    assert (short.asked, short.reached) == ("≥ 0.99", False)
    assert figures([wanted(recipe={"steps": 40, "seed": 0})], three) == ()


@pytest.mark.parametrize(("value", "reached"), [(0.81, True), (0.79, False)])
def test_a_control_is_not_to_get_beyond_what_is_asked(three: Snapshot, value: float, reached: bool) -> None:
    (figure,) = figures([wanted(asks=(Ask(metric="accuracy", value=value, control=True),))], three)
    assert (figure.asked, figure.reached) == (f"≤ {value}, a control", reached)


@pytest.mark.parametrize(
    ("values", "spread"),
    [
        ((0.963, 0.966, 0.960), "0.9630 ± 0.0030"),
        ((0.43, 0.41, 0.46), "0.433 ± 0.025"),
        ((3.1, 3.27, 3.5), "3.29 ± 0.20"),
        ((29.7, 24.1, 35.3), "29.7 ± 5.6"),
        ((320.0, 361.0, 402.0), "361 ± 41"),
        ((0.5, 0.5), "0.500 ± 0.000"),
    ],
)
def test_a_deviation_has_two_digits_and_its_mean_as_many_places(
    three: Snapshot, values: tuple[float, ...], spread: str
) -> None:
    (figure,) = figures([wanted()], three)
    assert replace(figure, values=values).spread == spread


def test_another_metric_that_something_was_asked_of_has_its_own_row(three: Snapshot) -> None:
    asks = (Ask(metric="mean_class_accuracy", value=0.5),)
    ranking, other = figures([wanted(asks=asks)], three)
    assert (ranking.metric, ranking.asked, ranking.reached) == ("accuracy", "", None)
    assert (other.metric, other.asked, other.reached) == ("mean_class_accuracy", "≥ 0.5", True)


def test_the_markdown_table(three: Snapshot) -> None:
    absent = wanted(entry=Entry("fcn8s.collage-seg"))
    of = [wanted(asks=(Ask(metric="accuracy", value=0.99),)), absent]
    made = figures(of, three)
    assert table(of, made).splitlines() == [
        "| entry | metric | mean ± deviation | over | floor | asked for | training |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        f"| `{ENTRY}` | accuracy | 0.80 ± 0.10 | 3 seeds | 0.125 (majority class) | ≥ 0.99, not reached | 8 to 16 s |",
        "| `fcn8s.collage-seg` |  | not registered |  |  |  |  |",
    ]


def test_what_is_built_on_another_entry_varies_with_its_seed() -> None:
    """Three seeds of the lower entry, one of its versions made by another recipe: two count."""
    below = [
        version(number, 0.5, entry="siamfc.digits", recipe={"steps": steps, "seed": number})
        for number, steps in ((1, 20), (2, 20), (3, 30))
    ]
    fixed = {"steps": 0, "seed": 0}
    above = [
        version(
            lower.number,
            lower.number / 10,
            entry="hcf.digits",
            recipe=fixed,
            upstream={"siamfc.digits": lower.trains, "digit-classifier.digits": f"classifier {lower.number}"},
            seconds=0.1,
        )
        for lower in below
    ]
    hcf = wanted(entry=Entry("hcf.digits"), recipe=fixed, needs=("siamfc.digits",))
    siamfc = wanted(entry=Entry("siamfc.digits"))
    held = Snapshot([*below, *above])
    figure, _ = figures([hcf, siamfc], held)
    assert figure.values == (0.1, 0.2)
    assert (figure.seeds, figure.training) == ("2 seeds of siamfc.digits", "none")
    (alone,) = figures([hcf], held)  # nothing is said of the lower recipe: each of its versions counts
    assert alone.values == (0.1, 0.2, 0.3)


def test_one_seed_has_no_deviation() -> None:
    (figure,) = figures([wanted()], Snapshot([version(1, 0.123456)]))
    assert (figure.seeds, figure.spread, figure.training) == ("1 seed", "0.1235", "8 s")


def test_where_figures_are_written(three: Snapshot) -> None:
    of = [wanted()]
    made = figures(of, three)
    readme = "# Title\n<!-- figures -->\nold\nolder\n<!-- /figures -->\nrest\n"
    assert written(readme, of, made) == readme.replace("old\nolder\n", table(of, made))
    assert written(written(readme, of, made), of, made) == written(readme, of, made)
    commands = (
        '"""A small network.\n\n'
        "    zoo train digit-classifier --recipe mini      # accuracy 0.1\n"
        "    zoo train digit-classifier --recipe paper     # never run here\n"
        "    zoo train other --recipe mini        words of another kind\n"
        '"""\n'
    )
    lines = written(commands, of, made).splitlines()
    sentence = "accuracy 0.80 ± 0.10 (3 seeds, 8 to 16 s); floor 0.125"
    assert lines[2] == f"    zoo train digit-classifier --recipe mini   # {sentence}"
    assert lines[3:] == commands.splitlines()[3:]
    with pytest.raises(ValueError, match="found neither"):
        written("nothing here", of, made)


def test_a_lower_better_metric_is_asked_to_stay_below() -> None:
    held = Snapshot([version(1, 0, protocol="digits-test/bpd@1", metrics={"bits_per_dim": 4.0})])
    (figure,) = figures([wanted(asks=(Ask(metric="bits_per_dim", value=6.43),))], held)
    assert (figure.asked, figure.reached) == ("≤ 6.43", True)
    assert "| bits_per_dim, bit | 4 | 1 seed | 0.125 (majority class) | ≤ 6.43 |" in table([wanted()], [figure])

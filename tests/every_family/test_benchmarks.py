"""The promises that every benchmark of the catalogue keeps, each for one of the families that it scores."""

from pathlib import Path

import numpy as np
import pytest

from tests.every_family.test_promises import Short
from zoo.catalogue import CATALOGUE, family
from zoo.evaluation.evaluate import evaluate


def one_a_benchmark() -> list[str]:
    """The first family of each benchmark on each data set."""
    first: dict[object, str] = {}
    for name in CATALOGUE:
        of = family(name)
        first.setdefault((of.benchmark, of.recipe("smoke").scored), name)
    return list(first.values())


@pytest.mark.parametrize("name", one_a_benchmark())
def test_counting_every_unit_once_is_no_change_and_the_floor_is_scored_on_the_same_units(
    name: str, little: Path
) -> None:
    benchmark = Short(name, little).benchmark()
    method, trivial = benchmark.floor()
    scored = evaluate(benchmark, trivial)
    units = scored.units
    primary = benchmark.scoring.metrics[0].name
    once = benchmark.scoring.aggregate(units, np.ones(len(units), dtype=np.int64))
    assert once[primary] == pytest.approx(benchmark.scoring.aggregate(units)[primary])
    assert method
    assert {"id", "image", "sequence"} & set(units.rows) or not benchmark.scoring.paired, "nothing names the units"
    assert benchmark.protocol.split("/")[1].startswith(benchmark.scoring.id)
    for picture in benchmark.pictures(scored, scored).values():
        assert picture.dtype == np.uint8
        assert picture.shape[2] == 3

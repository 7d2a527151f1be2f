"""What each network of the catalogue answers with made weights: a padding, a scale or an order that changed shows."""

import json
from pathlib import Path

import pytest

from tests.every_family.probes import assert_close, assert_telling, in_lines, probe
from tests.every_family.ramp import ramp, shapes_of
from tests.every_family.test_promises import Short
from zoo.catalogue import CATALOGUE

EXPECTED = Path(__file__).parent.parent / "expected" / "outputs.json"


@pytest.mark.parametrize("name", CATALOGUE)
def test_answers_what_is_on_record(name: str, little: Path, request: pytest.FixtureRequest) -> None:
    short = Short(name, little)
    facts = short.of.training_set(short.recipe, short.inputs).facts
    predictor = short.learner().predictor().eval()
    predictor.load_state_dict(ramp(shapes_of(predictor.state_dict())))
    found = probe(predictor, facts.model_dump())
    assert_telling(found)
    record = json.loads(EXPECTED.read_text()) if EXPECTED.exists() else {}
    if request.config.getoption("--accept"):
        EXPECTED.write_text(in_lines(record | {name: found}))
        return
    assert name in record, "if the family is new, run pytest with --accept"
    assert_close(found, record[name])

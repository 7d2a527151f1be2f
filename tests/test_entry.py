"""Names of entries, composed and parsed in one place."""

import pytest
from pydantic import BaseModel, ValidationError

from zoo.catalogue import CATALOGUE
from zoo.entry import Entry


class Holder(BaseModel):
    entry: Entry


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("fcn8s.voc2012", ("fcn8s", "", "voc2012")),
        ("raft.sintel", ("raft", "", "sintel")),
        ("raft-small.collage-flow", ("raft-small", "", "collage-flow")),  # a family of its own, no variant of raft
        ("wgan-gp.digits", ("wgan-gp", "", "digits")),
        ("wgan-gp-tanh.digits", ("wgan-gp", "tanh", "digits")),
        ("lsgan-pearson.digits", ("lsgan", "pearson", "digits")),
        ("gone-family.otb.2013", ("gone-family", "", "otb.2013")),
    ],
)
def test_a_name_is_parsed_into_what_it_is_composed_of(name: str, parts: tuple[str, str, str]) -> None:
    entry = Entry(name)
    assert (entry.family, entry.variant, entry.dataset) == parts
    assert Entry.of(parts[0], parts[2], variant=parts[1]) == name


@pytest.mark.parametrize("family", CATALOGUE)
def test_every_family_is_told_from_every_other_by_its_name(family: str) -> None:
    assert Entry.of(family, "digits").family == family
    assert Entry.of(family, "digits", variant="x").variant == "x"


@pytest.mark.parametrize("name", ["fcn8s", "fcn8s.", ".voc", "fcn8s.voc/1", "FCN.voc", "a b.c", "../a.b", "a.b@c", ""])
def test_what_is_no_entry_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="expected an entry, FAMILY"):
        Entry(name)


def test_models_hold_entries_and_write_plain_text() -> None:
    held = Holder.model_validate({"entry": "fcn8s.voc2012"})
    assert isinstance(held.entry, Entry)
    assert held.model_dump_json() == '{"entry":"fcn8s.voc2012"}'
    assert isinstance(Holder.model_validate_json(held.model_dump_json()).entry, Entry)
    with pytest.raises(ValidationError, match="expected an entry"):
        Holder.model_validate({"entry": "fcn8s"})

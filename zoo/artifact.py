"""A trained model as a folder: what it holds, how it is sealed, checked and loaded.

    weights.safetensors   the predictor's weights
    recipe.json           what it is: family, recipe, facts of its data (`Identity`)
    record.json           how it came to be and what it scored (`Record`)
    curves.jsonl          training curves, a line per window of steps
    evaluation/           units.parquet (this model), floor.parquet (the trivial method), same rows
    pictures/*.png        what a person would look at
    card.md               the same for reading
    manifest.json         SHA-256 of every other file; its own hash identifies the folder

Loading executes nothing from the folder: the network comes from our catalogue, the weights are plain numbers.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from zoo.contents import MANIFEST as MANIFEST
from zoo.contents import Contents
from zoo.contents import sha256_of as sha256_of
from zoo.durable import write_atomically
from zoo.scoring.metrics import CannotScore

if TYPE_CHECKING:
    from torch import nn

WEIGHTS = "weights.safetensors"


class Identity(BaseModel):
    """What a model is: enough, with the catalogue, to rebuild its network (`recipe.json`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: str
    variant: str = ""
    recipe_name: str
    recipe: dict[str, Any]
    facts: dict[str, Any]
    upstream: dict[str, "Identity"] = Field(default_factory=dict)  # by entry: those that are part of the network


class CannotLoad(ValueError):
    """A whole, sealed model that today's code cannot rebuild."""


UNSCORABLE = frozenset({CannotLoad.__name__, CannotScore.__name__})
"""Kinds of failure for which a champion abdicates, because no later night would mend them."""


class Score(BaseModel):
    """The metrics of one predictor under one protocol; only finite, possible values get here."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str  # the model's entry, or the floor's method ("majority class")
    metrics: dict[str, float]
    error: float | None = None  # bootstrap standard error of the ranking metric; none where nobody asked
    interval: tuple[float, float] | None = None  # its 95 % interval
    speed: float | None = None  # frames a second where the benchmark timed them; ranks nobody
    kind: str = ""  # "exact" or "bound", where one board holds both


class Record(BaseModel):
    """How a model came to be and what it scored (`record.json`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    entry: str  # family.dataset
    trains: str  # identity of everything that decided the weights
    scores: str  # identity of everything that decided the numbers, `trains` included
    weights: str = ""  # SHA-256 of weights.safetensors; empty in records of older nightzoos
    dataset: str  # trained on
    data_digest: str  # of the dataset's lines in the DVC manifest
    scored: str  # scored on; mostly the same
    scored_digest: str
    upstream: dict[str, str] = Field(default_factory=dict)  # entry -> fingerprint
    protocol: str
    score: Score
    floor: Score
    parameters: int
    steps: int
    seconds: float  # of training, all attempts together: the processor's on a CPU, else elapsed
    placement: dict[str, Any]  # device, precision, memory layout, threads
    versions: dict[str, str]  # torch, nightzoo, python

    @model_validator(mode="before")
    @classmethod
    def _of_older(cls, values: Any) -> Any:
        """Older records have one fingerprint, which stood for both identities."""
        if not isinstance(values, dict) or "fingerprint" not in values:
            return values
        rest = {key: value for key, value in values.items() if key != "fingerprint"}
        return {"trains": values["fingerprint"], "scores": values["fingerprint"], **rest}


def seal(folder: Path) -> str:
    """Write the manifest of a finished folder; returns the manifest's own SHA-256.

    Everybody who may read the manifest may read the rest: safetensors would keep the weights to their maker.

    Raises:
        ValueError: it holds a link, or a name that could not be pulled to every disk.
    """
    found = Contents.of(folder)
    write_atomically(folder / MANIFEST, found.manifest())
    for name in found.files:
        (folder / name).chmod((folder / MANIFEST).stat().st_mode)
    return sha256_of(folder / MANIFEST)


def verify(folder: Path, manifest_digest: str | None = None) -> str:
    """Re-hash every file of a sealed folder; returns the manifest's SHA-256.

    Raises:
        ValueError: a file differs, is missing, was added or is no plain file; the message names each.
    """
    manifest = folder / MANIFEST
    if manifest.is_symlink() or not manifest.is_file():
        raise ValueError(f"{folder}: expected a sealed model folder, but it has no {MANIFEST}. Pull it again.")
    digest = sha256_of(manifest)
    if manifest_digest not in (None, digest):
        raise ValueError(
            f"{manifest}: expected SHA-256 {manifest_digest}, got {digest}: not the manifest that was registered. "
            "Pull it again."
        )
    try:
        wrong = Contents.parsed(manifest.read_bytes()).faults(folder)
    except ValueError as error:
        raise ValueError(f"{manifest}: {error} Nothing was loaded; pull it again.") from error
    if wrong:
        raise ValueError(f"{folder}: {'; '.join(wrong)}. Nothing was loaded; pull it again.")
    return digest


def read_identity(folder: Path) -> Identity:
    """What the model in a folder is."""
    return Identity.model_validate_json((folder / "recipe.json").read_bytes())


def read_record(folder: Path) -> Record:
    """How the model in a folder came to be and what it scored."""
    return Record.model_validate_json((folder / "record.json").read_bytes())


def load(folder: str | Path, *, device: str = "cpu") -> Any:
    """The predictor in a pulled folder, verified, in evaluation mode, behind its task's interface.

    Args:
        folder: what `zoo pull` wrote.
        device: where its weights go ("cpu", "cuda").

    Raises:
        CannotLoad: today's code has no such family or recipe, or its network has other weights.
        ValueError: a file differs from the manifest.
    """
    from safetensors.torch import load_file

    folder = Path(folder)
    verify(folder)
    identity = read_identity(folder)
    predictor = rebuilt(identity)
    try:
        predictor.load_state_dict(load_file(folder / WEIGHTS))
    except RuntimeError as error:
        raise CannotLoad(
            f"{folder}: its weights are not those of today's {identity.family}: {error}. Use the nightzoo that made it."
        ) from error
    return predictor.to(device).eval()


def rebuilt(identity: Identity) -> "nn.Module":
    """The network of a model, with any weights.

    Raises:
        CannotLoad: today's code has no such family or recipe.
    """
    from zoo.catalogue import family as named

    try:
        family = named(identity.family)
        kind = family.recipe_type()
        recipe = kind.model_validate(kind.upgraded(identity.recipe))
        needed = identity.upstream or {
            entry: Identity.model_validate(told)
            for entry, told in kind.older_upstream(identity.recipe, identity.facts).items()
        }
        upstream = {entry: rebuilt(inner) for entry, inner in needed.items()}
        return family.build(recipe, family.facts.recorded(identity.facts), upstream).predictor()
    except (ValueError, KeyError) as error:
        raise CannotLoad(f"today's code cannot rebuild this model of {identity.family}: {error}") from error

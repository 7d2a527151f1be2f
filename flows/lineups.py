"""What a night trains: line-ups of (family, recipe), most of them read left to right before a person goes to bed.

A person's own stand in `zoo.toml` (`registry.settings` says where that may lie), and `zoo night --lineup long` takes
them. What an entry says of itself goes before what its line-up says of all; all but `entries` may be absent:

    [lineups.long]
    recipe = "mini"                    # the default
    seed = 1                           # instead of the recipe's; --seed overrules it
    set = { steps = 900 }              # numbers of the recipe
    entries = [
        "fcn8s",
        { family = "fcn16s", set = { steps = 1200 }, name = "mini-1200" },
        { family = "siamfc", variant = "", recipe = "otb", seed = 2 },
    ]

What has other numbers than its recipe is called `mini*`, or by the name it is given, on every board.
"""

import json
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from registry.settings import whereabouts
from zoo.catalogue import listing


class Changed(NamedTuple):
    """A recipe of a family with other numbers."""

    recipe: str
    numbers: str  # those that are changed, as JSON


class Slot(NamedTuple):
    """One entry of a line-up, by the recipe that makes it."""

    family: str
    recipe: str  # where numbers are changed, the name that this has on boards
    variant: str = ""
    seed: int | None = None  # instead of the recipe's
    changed: Changed | None = None


KEYS = {"recipe": str, "variant": str, "seed": int, "set": dict, "name": str, "family": str}
"""What may be said of an entry."""


MEAN_SECONDS, MOST_SECONDS = 45, 100
"""Of one core, that training may cost in the mean of `mini`'s families, and for any of them: one that reaches what is
asked of it in no less may take that much, as long as the mean holds. With 25 s more each to start, score and register,
60 families take 35 minutes on two cores. README's figures are held to it."""

LINEUPS: dict[str, tuple[Slot, ...]] = {
    # Seconds each: shows that the house stands.
    "quick": (
        Slot("digit-classifier", "mini"),
        Slot("fcn8s", "smoke"),
        Slot("raft-small", "smoke"),
        Slot("c3d", "smoke"),
        Slot("siamfc", "smoke"),
        Slot("wgan-gp", "smoke"),
    ),
    # A quarter of an hour on two cores: every family learns something real from data that needs no download.
    "mini": (
        Slot("digit-classifier", "mini"),
        Slot("k-nn", "mini"),
        Slot("svm", "mini"),
        Slot("softmax", "mini"),
        Slot("fully-connected", "mini"),
        Slot("cnn", "mini"),
        Slot("vit", "mini"),
        Slot("convnext", "mini"),
        Slot("fcn32s", "mini"),
        Slot("fcn16s", "mini"),
        Slot("fcn8s", "mini"),
        Slot("mask-rcnn", "mini"),
        Slot("deep-snake", "mini"),
        Slot("raft-small", "mini"),
        Slot("raft", "mini"),
        Slot("c3d", "mini"),
        Slot("two-stream", "mini"),
        Slot("single-frame", "mini"),
        Slot("early-fusion", "mini"),
        Slot("late-fusion", "mini"),
        Slot("slow-fusion", "mini"),
        Slot("i3d-colour", "mini"),
        Slot("i3d-flow", "mini"),
        Slot("i3d", "mini"),
        Slot("siamfc", "mini"),
        Slot("hcf", "mini"),
        Slot("mdnet", "mini"),
        Slot("vae-bernoulli", "mini"),
        Slot("vae-gaussian", "mini"),
        Slot("dcgan", "mini"),
        Slot("lsgan", "mini"),
        Slot("wgan", "mini"),
        Slot("wgan-gp", "mini"),
        Slot("ddpm", "mini"),
        Slot("ddim", "mini"),
        Slot("gan", "mini"),
        Slot("f-gan", "mini"),
        Slot("acgan", "mini"),
        Slot("ebgan", "mini"),
        Slot("cgan", "mini"),
        Slot("infogan", "mini"),
        Slot("pixel-cnn", "mini"),
        Slot("gaussian-mixture", "mini"),
        Slot("real-nvp", "mini"),
    ),
    # Real data sets, which a person brings first: `zoo data add camvid PATH`, likewise cifar10, otb and mnist.
    "real": (
        Slot("digit-classifier", "mnist"),
        Slot("cnn", "cifar10"),
        Slot("vit", "cifar10"),
        Slot("convnext", "cifar10"),
        Slot("fcn8s", "camvid"),
        Slot("siamfc", "otb"),
        Slot("mdnet", "otb"),
        Slot("wgan-gp", "mnist"),
    ),
}


def changed_name(recipe: str) -> str:
    """What a recipe with other numbers is called where nobody gave it a name."""
    return f"{recipe}*"


def lineup(name: str, *, seed: int | None = None) -> tuple[Slot, ...]:
    """A line-up by name, one of ours or of `zoo.toml`.

    Args:
        seed: what every entry is trained under, upstreams included, instead of its recipe's seed.

    Raises:
        ValueError: no such line-up, or what `zoo.toml` says of it cannot be one.
    """
    own = whereabouts().lineups
    for taken in LINEUPS.keys() & own.keys():
        raise ValueError(f"{own[taken][0]}: the zoo has a line-up {taken!r} already; give yours another name.")
    if name not in LINEUPS and name not in own:
        raise ValueError(f"no line-up {name!r}; there are: {', '.join([*LINEUPS, *own])}.")
    slots = LINEUPS[name] if name in LINEUPS else _own(name, *own[name])
    return slots if seed is None else tuple(slot._replace(seed=seed) for slot in slots)


def _own(name: str, file: Path, told: Any) -> tuple[Slot, ...]:
    """The line-up that a `zoo.toml` describes."""
    where = f"{file}, [lineups.{name}]"
    if not isinstance(told, dict) or not isinstance(told.get("entries"), list) or not told["entries"]:
        raise ValueError(f"{where}: expected a table with entries, as in: entries = ['fcn8s', 'siamfc'].")
    common = {key: value for key, value in told.items() if key != "entries"}
    _check(common, where, ("recipe", "seed", "set"))
    return tuple(_slot(entry, common, where) for entry in told["entries"])


def _slot(entry: Any, common: Mapping[str, Any], where: str) -> Slot:
    own = {"family": entry} if isinstance(entry, str) else entry
    if not isinstance(own, dict) or "family" not in own:
        raise ValueError(f"{where}: expected a family or a table that names one, got {entry!r}.")
    _check(own, where, tuple(KEYS))
    listing(own["family"])
    said: dict[str, Any] = {"recipe": "mini", **common, **own}
    numbers = common.get("set", {}) | own.get("set", {})
    slot = Slot(said["family"], said["recipe"], said.get("variant", ""), said.get("seed"))
    if not numbers:
        if "name" in own:
            raise ValueError(f"{where}: {own['family']} has a name but no changed numbers (set = ...) to be named.")
        return slot
    try:
        changed = Changed(slot.recipe, json.dumps(numbers, sort_keys=True))
    except TypeError as error:
        raise ValueError(f"{where}: numbers of a recipe are numbers, texts and lists: {error}.") from error
    return slot._replace(recipe=own.get("name") or changed_name(slot.recipe), changed=changed)


def _check(told: Mapping[str, Any], where: str, keys: tuple[str, ...]) -> None:
    for key, value in told.items():
        if key not in keys:
            near = get_close_matches(key, keys, 1) or keys
            raise ValueError(f"{where}: unknown key {key!r}; did you mean: {', '.join(near)}?")
        if not isinstance(value, KEYS[key]) or isinstance(value, bool):
            raise ValueError(f"{where}: expected {KEYS[key].__name__} for {key}, got {value!r}.")

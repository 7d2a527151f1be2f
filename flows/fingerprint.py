"""The two identities of a version, computed without importing torch: what decides its weights, what its numbers.

*trains* covers everything that decides the weights, *scores* that and everything that decides the numbers made with
them. A night skips an entry whose *scores* a READY version already proves, scores the sealed weights again where only
*trains* is proven, and resumes an unfinished run of the same *trains*.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from flows.source import Closure, Sources, Symbol
from zoo.catalogue import listing
from zoo.durable import write_atomically
from zoo.published import Ask, Target

LOOP = (Symbol("zoo.training.loop", "train"),)
EVALUATION = (Symbol("zoo.evaluation.evaluate", "evaluate"),)
COMPUTES = {
    "av": "av",
    "cv2": "opencv-python-headless",
    "numpy": "numpy",
    "PIL": "pillow",
    "pycocotools": "pycocotools",
    "scipy": "scipy",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "torch": "torch",
    "torchvision": "torchvision",
}
"""Packages whose versions count where code of theirs is used: import name -> distribution."""
DECIDES_NOTHING = frozenset({"jaxtyping", "matplotlib", "pyarrow", "pydantic", "rich", "safetensors"})
"""Packages that keep, check or show: another version of theirs is the same computation."""

Noted = TypeVar("Noted", bound=BaseModel)


class Identity(BaseModel):
    """One of the two identities, by kind of ingredient, so that a night can say what changed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    numbers: dict[str, Any]  # of the recipe
    data: dict[str, str]  # dataset -> digest
    source: dict[str, str]  # module -> digest of the definitions that are used
    upstream: dict[str, str]  # entry -> its trains
    versions: dict[str, str]  # of what computes

    @property
    def digest(self) -> str:
        """SHA-256 of all of it, in hex."""
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()

    def changes(self, since: "Identity") -> list[str]:
        """What differs from an earlier one, in words, most telling first."""
        return [
            *_differences("recipe {} {} -> {}", since.numbers, self.numbers),
            *_differences("data {} changed", since.data, self.data),
            *_differences("code of {} changed", since.source, self.source),
            *_differences("upstream {} changed", since.upstream, self.upstream),
            *_differences("{} {} -> {}", since.versions, self.versions),
        ]


class Ingredients(BaseModel):
    """Everything that decides a version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: str  # several may share a file, and their recipes all numbers
    training: Identity
    scoring: Identity  # besides the weights

    @property
    def trains(self) -> str:
        """The identity of the weights."""
        return _sha256([self.family, self.training.digest])

    @property
    def scores(self) -> str:
        """The identity of the numbers."""
        return _sha256([self.trains, self.scoring.digest])

    @property
    def floor(self) -> str:
        """The identity of the floor's numbers, which no weights decide."""
        return self.scoring.digest

    @property
    def recipe(self) -> dict[str, Any]:
        """All numbers."""
        return self.training.numbers | self.scoring.numbers

    @property
    def data(self) -> dict[str, str]:
        """Dataset -> digest, of those trained on and scored on."""
        return self.training.data | self.scoring.data

    def changes(self, since: "Ingredients") -> list[str]:
        """What differs from earlier ingredients, in words, most telling first."""
        both = [*self.training.changes(since.training), *self.scoring.changes(since.scoring)]
        return list(dict.fromkeys(both))


class RecipeDescription(BaseModel):
    """What `zoo.describe` says about one recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    training: dict[str, Any]  # numbers that decide the weights
    scoring: dict[str, Any]  # numbers that decide the scores alone
    needs: tuple[str, ...]  # entries that are trained on
    scoring_needs: tuple[str, ...]  # entries that scoring alone uses

    @property
    def dataset(self) -> str:
        return str(self.training["dataset"])

    @property
    def scored(self) -> str:
        """`Recipe.scored`, of a recipe told as JSON."""
        return str(self.scoring["scored_on"] or self.dataset)


class Description(BaseModel):
    """What `zoo.describe` says about a family."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    paper: str = ""
    numbers: dict[str, str] = {}  # of the recipes: name -> what it is
    recipes: dict[str, dict[str, RecipeDescription]] = {}  # by variant, then by name
    targets: tuple[Target, ...] = ()
    asks: tuple[Ask, ...] = ()
    fault: str = ""  # why it cannot be imported; then there is nothing else


def ingredients(
    family: str,
    recipe: RecipeDescription,
    *,
    data: Mapping[str, str],
    upstream: Mapping[str, str],
    sources: Sources,
) -> Ingredients:
    """Everything that decides what a family makes of a recipe.

    Args:
        data: digests of the datasets that are trained on and scored on.
        upstream: `trains` of the entries that the recipe needs.
    """
    module, attribute = listing(family).where.split(":")
    learning = [*sources.argument(module, attribute, "learner"), *sources.argument(module, attribute, "training_set")]
    learned = sources.closure((*learning, *LOOP))
    judged = sources.closure((*sources.argument(module, attribute, "benchmark"), *EVALUATION))
    return Ingredients(
        family=family,
        training=_identity(learned, recipe.training, [recipe.dataset], recipe.needs, data, upstream),
        scoring=_identity(judged, recipe.scoring, [recipe.scored], recipe.scoring_needs, data, upstream),
    )


def _identity(
    closure: Closure,
    numbers: dict[str, Any],
    datasets: Iterable[str],
    needs: Iterable[str],
    data: Mapping[str, str],
    upstream: Mapping[str, str],
) -> Identity:
    versions = {COMPUTES[name]: metadata.version(COMPUTES[name]) for name in closure.packages & COMPUTES.keys()}
    return Identity(
        numbers=numbers,
        data={name: data[name] for name in datasets},
        source=closure.source,
        upstream={entry: upstream[entry] for entry in needs},
        versions=versions | {"python": f"{sys.version_info.major}.{sys.version_info.minor}"},
    )


def describe(families: Iterable[str], *, memo: Path) -> dict[str, Description]:
    """Recipes, needs and published numbers of families.

    Those whose source changed since last time are asked in a process of their own.

    Args:
        families: names in the catalogue.
        memo: folder that remembers the answers, by the full source of the package.

    Raises:
        ValueError: no such family.
    """
    names = list(dict.fromkeys(families))
    for name in names:
        listing(name)
    note = memo / f"described-{_package_digest()}.json"
    known = _noted(note, Description)
    missing = [name for name in names if name not in known]
    if missing:
        asked = {name: Description.model_validate(told) for name, told in _ask(missing).items()}
        known |= asked
        memo.mkdir(parents=True, exist_ok=True)
        lasting = {name: told.model_dump(mode="json") for name, told in known.items() if not told.fault}
        write_atomically(note, json.dumps(lasting).encode())  # a missing library may be there next time
    return {name: known[name] for name in names}


def describe_changed(
    changed: Iterable[tuple[str, str, str, str]], *, memo: Path
) -> dict[tuple[str, str, str, str], RecipeDescription]:
    """Recipes with other numbers; those that are not known yet are asked for in a process of its own.

    Args:
        changed: family, variant, recipe, and the changed numbers as JSON.
        memo: folder that remembers the answers, by the full source of the package.

    Raises:
        ValueError: a family has no such recipe or number, or the number cannot be that.
    """
    note = memo / f"changed-{_package_digest()}.json"
    wanted = {json.dumps(one): one for one in changed}
    known = _noted(note, RecipeDescription)
    missing = [key for key in wanted if key not in known]
    if missing:
        asked = [[*wanted[key][:3], json.loads(wanted[key][3])] for key in missing]
        for key, told in zip(missing, _ask(["--changed", json.dumps(asked)]), strict=True):
            if "fault" in told:
                family, _, recipe, numbers = wanted[key]
                raise ValueError(f"{family}, recipe {recipe} with {numbers}: {told['fault']}.")
            known[key] = RecipeDescription.model_validate(told)
        memo.mkdir(parents=True, exist_ok=True)
        lasting = {key: told.model_dump(mode="json") for key, told in known.items()}
        write_atomically(note, json.dumps(lasting).encode())
    return {one: known[key] for key, one in wanted.items()}


def remembered(*, memo: Path) -> dict[str, Description]:
    """What is known of families without asking any of them."""
    return _noted(memo / f"described-{_package_digest()}.json", Description)


def _noted(note: Path, kind: type[Noted]) -> dict[str, Noted]:
    """What a memo holds; nothing where it is damaged: it is made again."""
    try:
        return {name: kind.model_validate(told) for name, told in json.loads(note.read_bytes()).items()}
    except (FileNotFoundError, ValueError, AttributeError):
        return {}


def _package_digest() -> str:
    """SHA-256 of every file of the package `zoo`, shortened to name a file."""
    import zoo

    digest = hashlib.sha256()
    root = Path(zoo.__file__ or "").parent
    for file in sorted(root.rglob("*.py")):
        digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:32]


def _sha256(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _differences(form: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    return (
        form.format(key, old.get(key, "absent"), new.get(key, "absent"))
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    )


def _ask(questions: list[str]) -> Any:
    command = [sys.executable, "-P", "-m", "zoo.describe", *questions]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise ValueError(f"`python -m zoo.describe {' '.join(questions)}` failed:\n{answer.stderr.strip()}")
    return json.loads(answer.stdout)

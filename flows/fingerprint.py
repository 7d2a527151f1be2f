"""The identity of a training run: SHA-256 over everything that decides its outcome, computed without importing torch.

Two runs of one fingerprint would train the same weights, so a night skips what a READY version of that fingerprint
already proves, and resumes an unfinished run folder of it.
"""

import ast
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib import metadata, util
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

import zoo
from zoo.catalogue import listing
from zoo.durable import write_atomically
from zoo.published import Target

# Neither decides how a family trains: the one lists the other families, the other only re-exports `load`.
NOT_FOLLOWED = frozenset({"zoo", "zoo.catalogue"})
# Numbers and words of a `Family(...)` that decide nothing about another recipe of the same file.
NOT_SOURCE = frozenset({"recipes", "paper", "targets"})


class Ingredients(BaseModel):
    """Everything that decides a run, by kind, so that a night can say what changed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: str  # several may share a file, and their recipes all numbers
    recipe: dict[str, Any]
    data: dict[str, str]  # dataset -> digest, of those trained on and scored on
    source: dict[str, str]  # module of the family's import closure -> digest of its code
    upstream: dict[str, str]  # entry -> fingerprint
    torch: str
    python: str

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all of it, in hex."""
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()

    def changes(self, since: "Ingredients") -> list[str]:
        """What differs from earlier ingredients, in words, most telling first."""
        return [
            *_differences("recipe {} {} -> {}", since.recipe, self.recipe),
            *_differences("data {} changed", since.data, self.data),
            *_differences("code of {} changed", since.source, self.source),
            *_differences("upstream {} changed", since.upstream, self.upstream),
            *_differences("{} {} -> {}", {"torch": since.torch}, {"torch": self.torch}),
            *_differences("{} {} -> {}", {"python": since.python}, {"python": self.python}),
        ]


class Description(BaseModel):
    """What `zoo.describe` says about a family."""

    recipes: dict[str, dict[str, Any]] = {}
    needs: dict[str, tuple[str, ...]] = {}  # by recipe
    targets: tuple[Target, ...] = ()
    fault: str = ""  # why it cannot be imported; then there is nothing else


def ingredients(family: str, recipe: dict[str, Any], *, data: dict[str, str], upstream: dict[str, str]) -> Ingredients:
    """Everything that decides the training of a family under a recipe."""
    return Ingredients(
        family=family,
        recipe=recipe,
        data=data,
        source={module: code_digest(file) for module, file in closure(listing(family).module).items()},
        upstream=upstream,
        torch=metadata.version("torch"),
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
    )


def describe(families: Iterable[str], *, memo: Path) -> dict[str, Description]:
    """Recipes, needs and published numbers of families.

    Those whose source changed since last time are asked in a process of their own.

    Args:
        families: names in the catalogue.
        memo: folder that remembers the answers, by the SHA-256 of the full source of a family's import closure.

    Raises:
        ValueError: no such family.
    """
    notes, found = {}, {}
    for name in families:
        try:
            notes[name] = memo / f"{name}-{_source_digest(listing(name).module)}.json"
        except SyntaxError as error:
            found[name] = Description(fault=f"{error.filename}, line {error.lineno}: {error.msg}")
    missing = [name for name, note in notes.items() if not note.is_file()]
    if missing:
        memo.mkdir(parents=True, exist_ok=True)
        for name, description in _ask(missing).items():
            found[name] = Description.model_validate(description)
            if not found[name].fault:  # a missing library may be there next time
                write_atomically(notes[name], json.dumps(description).encode())
    kept = {name: note for name, note in notes.items() if name not in found}
    return found | {name: Description.model_validate_json(note.read_bytes()) for name, note in kept.items()}


def closure(module: str) -> dict[str, Path]:
    """A module of the package `zoo` and all it imports from there, directly or not, also inside functions, by file."""
    found: dict[str, Path] = {}
    frontier = [*_with_parents(module)]
    while frontier:
        name = frontier.pop()
        file = _file(name)
        if file is None or name in found or name in NOT_FOLLOWED:
            continue
        found[name] = file
        frontier += _imports(name, file)
    return dict(sorted(found.items()))


@lru_cache
def code_digest(file: Path) -> str:
    """SHA-256 of a module's syntax tree without comments, docstrings and the arguments in `NOT_SOURCE`."""
    tree = ast.parse(file.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [statement for statement in node.body if not _is_text(statement)]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Family":
            node.keywords = [keyword for keyword in node.keywords if keyword.arg not in NOT_SOURCE]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _is_text(statement: ast.stmt) -> bool:
    """Whether a statement is a bare string: a docstring, or the note under an attribute."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


@lru_cache
def _imports(module: str, file: Path) -> tuple[str, ...]:
    """Names that a module imports: modules, packages around them, and names in them that may be modules."""
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    return tuple(name for node in ast.walk(ast.parse(file.read_bytes())) for name in _named(node, package))


def _named(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield from _with_parents(alias.name)
    elif isinstance(node, ast.ImportFrom):
        origin = util.resolve_name("." * node.level + (node.module or ""), package)
        yield from _with_parents(origin)
        yield from (f"{origin}.{alias.name}" for alias in node.names)


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[: i + 1]) for i in range(len(parts)))


def _file(module: str) -> Path | None:
    """The file of a module of the package `zoo`; none if it is another package's, or no module."""
    package, *rest = module.split(".")
    if package != "zoo" or zoo.__file__ is None:
        return None
    folder = Path(zoo.__file__).parent.joinpath(*rest)
    return next((file for file in (folder / "__init__.py", folder.with_suffix(".py")) if file.is_file()), None)


def _source_digest(module: str) -> str:
    """SHA-256 of the full source of a module's import closure and of who describes it, shortened to name a file."""
    digest = hashlib.sha256()
    for name, file in (closure(module) | closure("zoo.describe")).items():
        digest.update(hashlib.sha256(name.encode() + b"\0" + file.read_bytes()).digest())
    return digest.hexdigest()[:32]


def _differences(form: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    return (
        form.format(key, old.get(key, "absent"), new.get(key, "absent"))
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    )


def _ask(families: list[str]) -> dict[str, Any]:
    command = [sys.executable, "-P", "-m", "zoo.describe", *families]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise ValueError(f"`python -m zoo.describe {' '.join(families)}` failed:\n{answer.stderr.strip()}")
    described: dict[str, Any] = json.loads(answer.stdout)
    return described

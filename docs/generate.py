"""Writes docs/tasks/: what the interfaces in zoo/tasks say of themselves, who scores them and who has them.

make docs
"""

import inspect
import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from textwrap import dedent
from types import ModuleType
from typing import Any, NamedTuple, get_args, get_origin

from jaxtyping import AbstractArray

import zoo.evaluation
import zoo.tasks
from zoo.catalogue import CATALOGUE, family
from zoo.scoring.metrics import Scoring
from zoo.scoring.protocols import SCORINGS

FOLDER = Path(__file__).parent / "tasks"
NOTE = "<!-- Written by `make docs` from zoo/tasks: change the docstrings there. -->"


class Said(NamedTuple):
    """A docstring, taken apart."""

    summary: str
    sections: dict[str, str]  # Args, Returns, Device, ...

    @property
    def arguments(self) -> dict[str, str]:
        """What is said of each argument."""
        parts = re.split(r"^(\w+): ", self.sections.get("Args", ""), flags=re.MULTILINE)[1:]
        return {name: _sentence(text) for name, text in zip(parts[::2], parts[1::2], strict=True)}


class Task(NamedTuple):
    """A file of zoo/tasks."""

    name: str
    module: ModuleType
    interface: type
    benchmarks: tuple[type, ...]
    families: tuple[str, ...]


def pages() -> dict[str, str]:
    """All pages, by file name."""
    found = tasks()
    return {"README.md": _index(found)} | {f"{task.name}.md": _page(task) for task in found}


def tasks() -> list[Task]:
    """The tasks of the zoo, in the order of their names."""
    found = []
    for name in sorted(info.name for info in iter_modules(zoo.tasks.__path__)):
        module = import_module(f"zoo.tasks.{name}")
        (interface,) = (c for c in _classes(module) if getattr(c, "_is_protocol", False))
        benchmarks = tuple(benchmark for benchmark in _benchmarks() if _scored_by(benchmark) is interface)
        families = tuple(name for name in CATALOGUE if set(_benchmarks_of(name)) & set(benchmarks))
        found.append(Task(name, module, interface, benchmarks, families))
    return found


def said(documented: Any) -> Said:
    """A docstring's first paragraph, and its sections by name."""
    summary, *sections = re.split(
        r"^(Args|Returns|Device|Randomness|Example):", inspect.getdoc(documented) or "", flags=re.MULTILINE
    )
    texts = (dedent(text).strip() for text in sections[1::2])
    return Said(_line(summary.partition("\n\n")[0]), dict(zip(sections[::2], texts, strict=True)))


def _index(found: Iterable[Task]) -> str:
    rows = []
    for task in found:
        ranks = ", ".join(f"`{_scoring_of(benchmark).metrics[0].name}`" for benchmark in task.benchmarks)
        rows.append((f"[{_title(task)}]({task.name}.md)", said(task.interface).summary, ranks, str(len(task.families))))
    about = (inspect.getdoc(zoo.tasks) or "").split("\n\n")[1:]
    return _text(NOTE, "# What a model can do", *about, _table(("task", "a model", "ranked by", "families"), rows))


def _page(task: Task) -> str:
    spoken = said(task.interface)
    return _text(
        *(NOTE, f"# {_title(task)}", f"`{task.module.__name__}.{task.interface.__name__}`: {spoken.summary}"),
        *(f"**{name}.** {_sentence(spoken.sections[name])}" for name in ("Device", "Randomness")),
        f"```pycon\n{spoken.sections['Example']}\n```",
        *(_method(name, value) for name, value in _public(task.interface)),
        *(_fields(each) for each in _classes(task.module) if issubclass(each, tuple)),
        "## Scores",
        *(_scores(benchmark) for benchmark in task.benchmarks),
        "## Families",
        "\n".join(f"- `{name}`: {CATALOGUE[name].title}" for name in task.families),
    )


def _method(name: str, value: Any) -> str:
    spoken = said(value)
    if isinstance(value, property):
        return f"## `{name}`\n\n{spoken.summary}"
    signature = inspect.signature(value)
    _, *parameters = signature.parameters.values()
    rows = [(f"`{each.name}`", *_kind(each.annotation), spoken.arguments[each.name]) for each in parameters]
    if signature.return_annotation is not None:
        rows.append(("answer", *_kind(signature.return_annotation), _sentence(spoken.sections["Returns"])))
    called = ", ".join(f"{each.name}=" if each.kind is each.KEYWORD_ONLY else each.name for each in parameters)
    return _about(f"{name}({called})", spoken, rows)


def _fields(record: type) -> str:
    spoken = said(record)
    rows = [(f"`{name}`", *_kind(hint), spoken.arguments[name]) for name, hint in record.__annotations__.items()]
    return _about(record.__name__, spoken, rows)


def _about(heading: str, spoken: Said, rows: Iterable[tuple[str, ...]]) -> str:
    return f"## `{heading}`\n\n{spoken.summary}\n\n{_table(('', 'type', 'shape', 'what it is'), rows)}"


def _scores(benchmark: type) -> str:
    scoring = _scoring_of(benchmark)
    rows = [
        (
            f"`{metric.name}`",
            {"px": "pixels"}.get(metric.unit, metric.unit),
            "higher" if metric.higher_is_better else "lower",
            f"{_bound(metric.lowest)} ... {_bound(metric.highest)}",
        )
        for metric in scoring.metrics
    ]
    about = f"`{benchmark.__name__}`, by `{scoring.id}`; the first metric ranks. {said(benchmark).summary}"
    return f"{about}\n\n{_table(('metric', 'unit', 'better', 'range'), rows)}"


def _kind(hint: Any) -> tuple[str, str]:
    """Type and shape, as a person says them."""
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        holder = "tensor" if hint.array_type.__name__ == "Tensor" else "array"
        return f"{hint.dtype.__name__.lower()} {holder}", f"({', '.join(hint.dim_str.split())})"
    if get_origin(hint) is list:
        return f"list of `{get_args(hint)[0].__name__}`", "n"
    return f"`{hint.__name__}`", ""


@cache
def _benchmarks() -> tuple[type, ...]:
    """The benchmarks of the zoo: what evaluates a predictor."""
    modules = [import_module(f"zoo.evaluation.{info.name}") for info in iter_modules(zoo.evaluation.__path__)]
    return tuple(each for module in modules for each in _classes(module) if hasattr(each, "evaluate"))


def _scored_by(benchmark: Any) -> Any:
    return inspect.signature(benchmark.evaluate).parameters["predictor"].annotation


def _benchmarks_of(name: str) -> tuple[Any, ...]:
    """The benchmarks that a family's `benchmark` says that it returns.

    Raises:
        ValueError: it does not say.
    """
    returned = inspect.signature(family(name).benchmark).return_annotation
    named = get_args(returned) or (returned,)
    if not set(named) <= set(_benchmarks()):
        known = ", ".join(benchmark.__name__ for benchmark in _benchmarks())
        raise ValueError(f"{name}: expected `benchmark` to be annotated with one of {known}, got {returned}.")
    return named


def _scoring_of(benchmark: type) -> Scoring:
    """What a benchmark counts by: the scoring that its module imports."""
    places = (place.split(":") for place in SCORINGS.values())
    known = [getattr(import_module(module), attribute) for module, attribute in places]
    scoring: Scoring
    (scoring,) = (each() for each in vars(import_module(benchmark.__module__)).values() if each in known)
    return scoring


def _classes(module: ModuleType) -> list[type]:
    return [each for each in vars(module).values() if inspect.isclass(each) and each.__module__ == module.__name__]


def _public(interface: type) -> Iterator[tuple[str, Any]]:
    for name, value in vars(interface).items():
        if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
            yield name, value


def _title(task: Task) -> str:
    return task.name.replace("_", " ").capitalize()


def _bound(value: float) -> str:
    return f"{value:.3g}".replace("inf", "∞")


def _sentence(text: str) -> str:
    line = _line(text)
    return line[0].upper() + line[1:]


def _line(text: str) -> str:
    """A paragraph on one line."""
    return " ".join(text.split())


def _text(*paragraphs: str) -> str:
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph) + "\n"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (head, ("---",) * len(head), *rows)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for stale in FOLDER.glob("*.md"):
        stale.unlink()
    for name, text in pages().items():
        (FOLDER / name).write_text(text)

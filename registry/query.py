"""Asking the registry: what every entry stands with, as facts that an expression can be about.

An expression is Python's syntax and nothing of its power: names of facts, numbers, texts, comparisons, `and`, `or`,
`not`, `in`, and the four rules of arithmetic. It is taken apart by `ast` and never executed.
"""

import ast
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatch
from functools import cached_property
from typing import Any

from registry.glance import Snapshot, Version
from zoo.catalogue import CATALOGUE
from zoo.data.sources import SOURCES
from zoo.entry import Entry

Value = float | int | str | bool | None
Facts = Mapping[str, Value]

LONGEST = 500  # characters of an expression
NOT_RECORDED = "not recorded"
"""The licence of a data set whose source the zoo does not know."""
COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.In: lambda part, whole: str(part).lower() in str(whole).lower(),
    ast.NotIn: lambda part, whole: str(part).lower() not in str(whole).lower(),
}
COMPUTE: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What an entry stands with: its champion, or its latest version while the floor reigns."""

    version: Version
    latest: Version

    @property
    def entry(self) -> Entry:
        return Entry(self.version.entry)

    @property
    def area(self) -> str:
        """Of its family; empty where the catalogue has that no more."""
        return CATALOGUE[self.entry.family].area if self.entry.family in CATALOGUE else ""

    @property
    def value(self) -> float:
        """In the metric that ranks."""
        return self.version.record.score.metrics[self.version.ranked_by.name]

    @property
    def gain(self) -> float:
        """Over the floor, positive when better."""
        name = self.version.ranked_by.name
        return self.version.ranked_by.gain(self.value, self.version.record.floor.metrics[name])

    @property
    def delta(self) -> float | None:
        """How much better the latest version is; none where it is this one, or stands on another board."""
        mine, other = self.version, self.latest
        if other.number == mine.number or (other.protocol, other.data_digest) != (mine.protocol, mine.data_digest):
            return None
        return mine.ranked_by.gain(other.record.score.metrics[mine.ranked_by.name], self.value)

    @property
    def licences(self) -> dict[str, str]:
        """Of the data sets trained on and scored on, as their sources state them."""
        names = dict.fromkeys((self.version.record.dataset, self.version.record.scored))
        return {name: SOURCES[name].licence if name in SOURCES else NOT_RECORDED for name in names}

    @cached_property
    def facts(self) -> Facts:
        """Everything that an expression can be about: metrics, numbers of the recipe, and what is the same for all."""
        version, record = self.version, self.version.record
        low, high = record.score.interval or (None, None)
        recipe = {name: value for name, value in version.recipe.items() if isinstance(value, float | int | str | bool)}
        return {
            **{_name(name): value for name, value in recipe.items()},
            **{_name(name): value for name, value in record.score.metrics.items()},
            "entry": version.entry,
            "family": self.entry.family,
            "variant": self.entry.variant,
            "area": self.area,
            "dataset": record.scored,
            "trained_on": record.dataset,
            "licence": "; ".join(self.licences.values()),
            "version": version.number,
            "champion": version.champion,
            "recipe": version.recipe_name,
            "metric": version.ranked_by.name,
            "value": self.value,
            "error": version.error,
            "low": low,
            "high": high,
            "floor": record.floor.metrics[version.ranked_by.name],
            "gain": self.gain,
            "delta": self.delta,
            "parameters": record.parameters,
            "steps": record.steps,
            "seconds": record.seconds,
            "seed": version.recipe.get("seed", 0),
            "speed": record.score.speed,
            "protocol": version.protocol,
            "verdict": (version.verdict or {}).get("decision"),
        }


def standings(held: Snapshot) -> tuple[Standing, ...]:
    """What each entry stands with, by name."""
    found = ((held.champion(entry), held.latest(entry)) for entry in held.entries)
    return tuple(Standing(version=champion or latest, latest=latest) for champion, latest in found if latest)


def select(
    among: Sequence[Standing],
    *,
    area: str = "",
    dataset: str = "",
    licence: str = "",
    where: str = "",
    sort: str = "",
    limit: int | None = None,
) -> tuple[Standing, ...]:
    """Those that are asked for, in the order asked for.

    Args:
        dataset: a pattern of the data set scored on or trained on.
        licence: a part of the data's licence.
        where: an expression over `Standing.facts`.
        sort: a fact, smallest first, or with a minus before it, largest first; what lacks it comes last.
        limit: how many at most.

    Raises:
        ValueError: no such area or fact (the message names the nearest), or the expression cannot be understood.
    """
    areas = sorted({line.area for line in CATALOGUE.values()})
    if area and area not in areas:
        raise ValueError(f"no area {area!r}; the areas are: {', '.join(areas)}")
    known = {name for standing in among for name in standing.facts}
    asked = Expression(where, known) if where else None
    chosen = [
        one
        for one in among
        if area in ("", one.area)
        and (not dataset or any(fnmatch(name, dataset) for name in one.licences))
        and licence.lower() in str(one.facts["licence"]).lower()
        and (asked is None or asked.holds(one.facts))
    ]
    return tuple(_sorted(chosen, sort, known)[:limit])


class Expression:
    """A condition on facts, such as `miou > 0.5 and parameters < 30e6`.

    What an entry lacks, it neither has nor has not: `miou > 0.5` and `not miou > 0.5` both leave a GAN out.

    Raises:
        ValueError: it cannot be understood, or is about a fact that nothing has.
    """

    def __init__(self, text: str, known: Iterable[str]) -> None:
        self.text = text
        if len(text) > LONGEST:
            raise ValueError(f"expected a condition of at most {LONGEST} characters, got {len(text)}.")
        try:
            self._tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            told = getattr(error, "msg", None) or "it is too deep"
            raise self._wrong(f"{told}. As in: miou > 0.5 and parameters < 30e6 (two = for equals)") from error
        self._check(self._tree, sorted(known))

    def holds(self, facts: Facts) -> bool:
        """Whether these facts meet it.

        Raises:
            ValueError: a number is compared with a text, or it is no condition.
        """
        answer = self._value(self._tree, facts)
        if answer is not None and not isinstance(answer, bool):
            raise self._wrong("expected a condition, as in: miou > 0.5")
        return answer is True

    def _check(self, tree: ast.expr, known: Sequence[str]) -> None:
        """Say at once what could not be evaluated, whatever the facts are."""
        for node in ast.walk(tree):
            match node:
                case ast.Name(id=name) if known:
                    _expect(name, known)
                case ast.Constant(value=bool() | int() | float() | str()) | ast.Name() | ast.BoolOp() | ast.Compare():
                    pass
                case ast.UnaryOp() | ast.expr_context() | ast.boolop() | ast.Not() | ast.USub():
                    pass
                case ast.BinOp(op=op) if type(op) in COMPUTE:
                    pass
                case ast.operator() | ast.cmpop() if type(node) in COMPUTE or type(node) in COMPARE:
                    pass
                case _:
                    said = ast.unparse(node) if isinstance(node, ast.expr) else type(node).__name__
                    raise self._wrong(
                        f"{said!r} is not understood; there are names, numbers, texts, + - * /, "
                        "< <= > >= == != in, and, or, not"
                    )

    def _value(self, node: ast.expr, facts: Facts) -> Any:
        """Of a part of it; None where a fact is absent."""
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                return facts.get(name.lower())
            case ast.BoolOp(op=op, values=parts):
                return self._joined([self._truth(part, facts) for part in parts], decisive=isinstance(op, ast.Or))
            case ast.UnaryOp(op=ast.Not(), operand=part):
                truth = self._truth(part, facts)
                return None if truth is None else not truth
            case ast.UnaryOp(operand=part):
                return self._computed(operator.sub, 0, self._value(part, facts))
            case ast.BinOp(left=left, op=op, right=right):
                return self._computed(COMPUTE[type(op)], self._value(left, facts), self._value(right, facts))
            case ast.Compare(left=left, ops=ops, comparators=others):
                sides = [self._value(side, facts) for side in (left, *others)]
                pairs = zip(ops, sides, sides[1:], strict=False)
                return self._joined([self._compared(op, one, other) for op, one, other in pairs], decisive=False)
        raise self._wrong(f"{ast.unparse(node)!r} is not understood")

    def _truth(self, part: ast.expr, facts: Facts) -> bool | None:
        value = self._value(part, facts)
        if value is not None and not isinstance(value, bool):
            raise self._wrong(f"expected a condition, got {ast.unparse(part)!r}, which is {value!r}")
        return value

    @staticmethod
    def _joined(truths: Sequence[bool | None], *, decisive: bool) -> bool | None:
        """`or` (True decides) or `and` (False decides), where None is not known."""
        if decisive in truths:
            return decisive
        return None if None in truths else not decisive

    def _compared(self, op: ast.cmpop, one: Value, other: Value) -> bool | None:
        if one is None or other is None:
            return None
        if not isinstance(op, ast.In | ast.NotIn) and isinstance(one, str) != isinstance(other, str):
            raise self._wrong(f"{one!r} and {other!r} do not compare: one is a text, the other a number")
        return COMPARE[type(op)](one, other)

    def _computed(self, compute: Callable[[Any, Any], Any], one: Value, other: Value) -> Value:
        if one is None or other is None:
            return None
        if isinstance(one, str) or isinstance(other, str):
            raise self._wrong(f"expected numbers to compute with, got {one!r} and {other!r}")
        try:
            result: Value = compute(one, other)
        except ArithmeticError:
            return None
        return result

    def _wrong(self, why: str) -> ValueError:
        return ValueError(f"--where {self.text!r}: {why}.")


def lineage(version: Version, held: Snapshot) -> tuple[dict[str, str | None], tuple[str, ...]]:
    """What a version is built on or scored with, by entry (None: those weights are not registered), and the versions
    that are built on it or scored with it."""
    needed = {entry: held.by_trains(entry, trains) for entry, trains in version.record.upstream.items()}
    users = (
        other
        for other in held.versions()
        if version.trains in other.tags.get("record", "") and other.record.upstream.get(version.entry) == version.trains
    )
    return {entry: str(found) if found else None for entry, found in needed.items()}, tuple(map(str, users))


def _sorted(found: list[Standing], by: str, known: Iterable[str]) -> list[Standing]:
    name = by.removeprefix("-").lower()
    if not by or not found:
        return found
    _expect(name, sorted(known))
    there = [one for one in found if one.facts.get(name) is not None]
    lacking = [one for one in found if one.facts.get(name) is None]
    texts = any(isinstance(one.facts[name], str) for one in there)

    def key(one: Standing) -> Any:
        return str(one.facts[name]) if texts else one.facts[name]

    return sorted(there, key=key, reverse=by.startswith("-")) + lacking


def _expect(name: str, known: Sequence[str]) -> None:
    if name.lower() not in known:
        near = get_close_matches(name.lower(), known, 3) or known
        raise ValueError(f"nothing registered has {name!r}; did you mean: {', '.join(near)}?")


def _name(text: str) -> str:
    """As it is written in an expression: `top-5` is `top_5`."""
    return re.sub(r"\W", "_", text).lower()

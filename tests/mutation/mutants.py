"""Small changes to a source, one at a time, that a suite of tests ought to notice.

Comparisons, arithmetic, numbers, truths and a few functions are exchanged for their nearest relatives. Left alone is
what decides no number: annotations, decorators, messages, assurances, and the settings of pydantic.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
RELATIVES = {
    "all": "any",
    "any": "all",
    "argmax": "argmin",
    "argmin": "argmax",
    "max": "min",
    "maximum": "minimum",
    "mean": "sum",
    "min": "max",
    "minimum": "maximum",
    "ones": "zeros",
    "sum": "max",
    "zeros": "ones",
}
ASSURANCES = ("check_finite", "overwrite_a", "overwrite_c", "strict")
"""Arguments without which right numbers stay right: they check, or save memory."""
CONTEXT = 40  # letters of code that a description shows at least, where the statement has so many


@dataclass(frozen=True)
class Mutant:
    """One change: the place and the code before and after it, and the whole source after it."""

    what: str
    source: str


def mutants(source: str) -> list[Mutant]:
    """Every change that is made to a source; descriptions are unique and know no line numbers."""
    tree = ast.parse(source)
    found: list[Mutant] = []
    seen: Counter[str] = Counter()
    for place in _places(tree, ()):
        before = place.shown(place.node)
        for other in _relatives(place.node):
            place.put(other)
            what = f"{place.name}: {before} -> {place.shown(other)}"
            seen[what] += 1
            found.append(Mutant(what + f" #{seen[what]}" * (seen[what] > 1), ast.unparse(tree)))
            place.put(place.node)
    return found


@dataclass(frozen=True)
class _Place:
    """An expression in a tree, and what is shown of its surroundings."""

    name: str  # of the function or class around
    node: ast.expr
    parents: tuple[ast.AST, ...]  # from the module down
    field: str
    index: int | None

    def put(self, other: ast.expr) -> None:
        """Another expression in this place."""
        if self.index is None:
            setattr(self.parents[-1], self.field, other)
        else:
            getattr(self.parents[-1], self.field)[self.index] = other

    def shown(self, expression: ast.expr) -> str:
        """The expression that stands here, with as much around it as says enough."""
        within = [node for node in self.parents if isinstance(node, ast.expr | ast.keyword)]
        simple = [node for node in self.parents if isinstance(node, ast.stmt) and not hasattr(node, "body")]
        codes = [ast.unparse(node) for node in (expression, *reversed(within), *simple)]
        return next((code for code in codes if len(code) >= CONTEXT), codes[-1])


def _places(node: ast.AST, parents: tuple[ast.AST, ...]) -> Iterator[_Place]:
    parents = (*parents, node)
    name = ".".join(each.name for each in parents if isinstance(each, ast.FunctionDef | ast.ClassDef)) or "module"
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "type_comment"):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else ((None, value),):
            if not isinstance(child, ast.AST) or _decides_nothing(child):
                continue
            if isinstance(child, ast.expr):
                yield _Place(name, child, parents, field, index)
            yield from _places(child, parents)


def _decides_nothing(node: ast.AST) -> bool:
    settings = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "model_config"
    assurance = isinstance(node, ast.keyword) and node.arg in ASSURANCES
    return (
        settings or assurance or isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr | ast.Import | ast.ImportFrom)
    )


def _relatives(node: ast.expr) -> Iterator[ast.expr]:
    """What may stand in the place of an expression."""
    match node:
        case ast.Compare(ops=[op]):
            yield from (_with(node, ops=[other()]) for other in COMPARISONS[type(op)])
        case ast.Compare(ops=[first, *rest]):
            yield from (_with(node, ops=[other(), *rest]) for other in COMPARISONS[type(first)])
        case ast.BinOp(op=op) if type(op) in ARITHMETIC:
            yield _with(node, op=ARITHMETIC[type(op)]())
        case ast.UnaryOp(op=ast.USub() | ast.Not() | ast.Invert(), operand=operand):
            yield operand
        case ast.BoolOp(op=op):
            yield _with(node, op=ast.Or() if isinstance(op, ast.And) else ast.And())
        case ast.IfExp(test=test):
            yield _with(node, test=ast.UnaryOp(ast.Not(), test))
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield ast.Constant(value + 1 if isinstance(value, int) else 2 * value or 1.0)
        case ast.Name(id=name) if name in RELATIVES:
            yield _with(node, id=RELATIVES[name])
        case ast.Attribute(attr=name) if name in RELATIVES:
            yield _with(node, attr=RELATIVES[name])


def _with(node: ast.expr, **changes: Any) -> ast.expr:
    """A node with some fields changed."""
    other = deepcopy(node)
    for name, value in changes.items():
        setattr(other, name, value)
    return other

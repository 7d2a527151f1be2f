"""Which code decides an outcome: the definitions that a piece of a family's file leads to, one by one.

Counted by definition, not by file: a new loss beside others, a new interface or a new reader changes nobody's
identity but its users'. Names are followed through imports, also inside functions; a module that is used as a whole
counts as a whole. Nothing is imported: the syntax trees tell, and are remembered by the content of their files.
"""

import ast
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from importlib import util
from pathlib import Path
from typing import Any, NamedTuple

import zoo
from zoo.durable import write_atomically

UNDECIDING = (
    "zoo.artifact",  # keeps what was made
    "zoo.catalogue",  # lists families
    "zoo.contents",  # keeps what was made
    "zoo.contracts",  # nouns
    "zoo.data.sources",  # addresses: what came from them is known by its hash
    "zoo.drawing",  # for people to look at
    "zoo.durable",  # keeps what was made
    "zoo.entry",  # names
    "zoo.facts",  # nouns
    "zoo.published",  # other people's numbers
    "zoo.tasks",  # interfaces
    "zoo.training.checkpoint",  # keeps what was made: a run that is resumed is the same run
    "zoo.training.curves",  # likewise
)
"""What is not followed, for it can be written otherwise without any weight or score becoming another one."""

WHOLE = "*"  # all of a module


class Symbol(NamedTuple):
    """A definition at the top of a module, or the WHOLE of it."""

    module: str
    name: str


@dataclass(frozen=True)
class Definition:
    """What a module says under one name: its code, and what that mentions."""

    digest: str
    symbols: tuple[Symbol, ...]  # of the package `zoo`, or of this module
    packages: tuple[str, ...]  # of others, by the name that is imported


@dataclass(frozen=True)
class Closure:
    """All code that roots lead to."""

    source: dict[str, str]  # module -> digest of those of its definitions that are used
    packages: frozenset[str]  # other packages that they use


class Sources:
    """The source of the package `zoo`, definition by definition.

    Args:
        memo: file that remembers what was read, by content.
    """

    def __init__(self, memo: Path | None = None) -> None:
        self.memo = memo
        self._modules: dict[str, dict[str, Definition] | None] = {}
        self._known = _remembered(memo)
        self._kept = dict(self._known)

    def closure(self, roots: Iterable[Symbol]) -> Closure:
        """Everything that roots lead to, directly or not.

        Raises:
            SyntaxError: a file cannot be parsed.
        """
        found: dict[Symbol, Definition] = {}
        frontier = list(roots)
        while frontier:
            symbol = frontier.pop()
            if symbol in found or _undeciding(symbol.module):
                continue
            for name, definition in self._defined(symbol):
                known = Symbol(symbol.module, name)
                if known not in found:
                    found[known] = definition
                    frontier += definition.symbols
        by_module: dict[str, list[str]] = {}
        for symbol, definition in sorted(found.items()):
            by_module.setdefault(symbol.module, []).append(f"{symbol.name} {definition.digest}")
        return Closure(
            source={module: _sha256("\n".join(lines)) for module, lines in by_module.items()},
            packages=frozenset(package for definition in found.values() for package in definition.packages),
        )

    def argument(self, module: str, attribute: str, keyword: str) -> list[Symbol]:
        """What the argument `keyword` of the call that makes `module.attribute` mentions: `learner=` of a Family."""
        definitions = self._module(module) or {}
        found = definitions.get(f"{attribute}({keyword}=)")
        return list(found.symbols) if found else []

    def remember(self) -> None:
        """Keep what was read for later processes."""
        if self.memo is not None and self._kept != self._known:
            self.memo.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.memo, json.dumps(self._kept).encode())

    def _defined(self, symbol: Symbol) -> Iterator[tuple[str, Definition]]:
        definitions = self._module(symbol.module)
        if definitions is None:
            return
        loose = definitions.get("")
        if loose:  # whoever uses a module runs the statements at its top
            yield "", loose
        if symbol.name == WHOLE:
            yield from ((name, each) for name, each in definitions.items() if name and "(" not in name)
        elif symbol.name in definitions:
            yield symbol.name, definitions[symbol.name]

    def _module(self, name: str) -> dict[str, Definition] | None:
        if name not in self._modules:
            file = file_of(name)
            self._modules[name] = None if file is None else self._read(name, file)
        return self._modules[name]

    def _read(self, module: str, file: Path) -> dict[str, Definition]:
        data = file.read_bytes()
        key = _sha256(f"{sys.version_info[:2]} {module} {hashlib.sha256(data).hexdigest()}")
        if key not in self._kept:
            package = module if file.name == "__init__.py" else module.rpartition(".")[0]
            read = _Module(ast.parse(data, str(file)), module, package).definitions()
            self._kept[key] = {name: [d.digest, d.symbols, d.packages] for name, d in read.items()}
        return {
            name: Definition(digest, tuple(Symbol(*symbol) for symbol in symbols), tuple(packages))
            for name, (digest, symbols, packages) in self._kept[key].items()
        }


@dataclass
class _Module:
    """The syntax tree of a module, taken apart."""

    tree: ast.Module
    name: str
    package: str  # that its relative imports start from
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)  # local name -> (module, name in it or "")

    def definitions(self) -> dict[str, Definition]:
        """By name; "" for loose statements, `NAME(keyword=)` for the arguments of the call that makes NAME."""
        named: dict[str, list[ast.stmt]] = {}
        for statement in self.tree.body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                self.imports |= dict(self._imported(statement))
            elif not (_is_text(statement) or _is_for_checkers(statement)):
                for name in _targets(statement):
                    named.setdefault(name, []).append(statement)
        found = {local: self._definition([], [local]) for local in self.imports}  # what is imported can be imported
        for name, statements in named.items():
            found[name] = self._definition([_bare(statement) for statement in statements], [])
            call = statements[-1].value if isinstance(statements[-1], ast.Assign | ast.AnnAssign) else None
            if isinstance(call, ast.Call):
                found |= {f"{name}({k.arg}=)": self._definition([k.value], []) for k in call.keywords if k.arg}
        return found

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(name for statement in self.tree.body for name in _targets(statement))

    def _definition(self, nodes: list[ast.AST], mentioned: list[str]) -> Definition:
        every = [inner for node in nodes for inner in ast.walk(node)]
        # `dcgan.learner`, of a module that was imported as `dcgan`: what is used of it, not the whole.
        parts = [n for n in every if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)]
        within = {id(n.value): self._part(n) for n in parts if self._part(n)}
        names = [*mentioned, *(n.id for n in every if isinstance(n, ast.Name) and id(n) not in within)]
        targets = [self.imports[name] for name in names if name in self.imports]
        targets += [target for target in within.values() if target]
        for inner in every:
            if isinstance(inner, ast.Import | ast.ImportFrom):
                targets += [target for _, target in self._imported(inner)]
        ours = [target for target in targets if target[0].partition(".")[0] == "zoo"]
        symbols = {_resolved(*target) for target in ours} | {Symbol(self.name, n) for n in names if n in self._names}
        packages = {module.partition(".")[0] for module, _ in targets} - {"zoo"}
        text = "\n".join(ast.dump(node) for node in nodes)
        return Definition(_sha256(text), tuple(sorted(symbols)), tuple(sorted(packages)))

    def _part(self, node: ast.Attribute) -> tuple[str, str] | None:
        """Module and name, where the attribute is one of a module of the zoo that was imported by that name."""
        module, name = self.imports.get(node.value.id, ("", WHOLE)) if isinstance(node.value, ast.Name) else ("", WHOLE)
        whole = module if not name else f"{module}.{name}"
        return (whole, node.attr) if name != WHOLE and file_of(whole) else None

    def _imported(self, statement: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, tuple[str, str]]]:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                bound = "" if alias.asname or "." not in alias.name else WHOLE  # `import a.b` binds `a`
                yield alias.asname or alias.name.partition(".")[0], (alias.name, bound)
        else:
            origin = util.resolve_name("." * statement.level + (statement.module or ""), self.package)
            for alias in statement.names:
                yield alias.asname or alias.name, (origin, alias.name)


def file_of(module: str) -> Path | None:
    """The file of a module of the package `zoo`; none if it is another package's, or no module."""
    package, *rest = module.split(".")
    if package != "zoo" or zoo.__file__ is None:
        return None
    folder = Path(zoo.__file__).parent.joinpath(*rest)
    return next((file for file in (folder / "__init__.py", folder.with_suffix(".py")) if file.is_file()), None)


def _resolved(module: str, name: str) -> Symbol:
    """What `from module import name` names: a module as a whole, or a definition in one."""
    if name in ("", WHOLE):
        return Symbol(module, WHOLE)
    inner = f"{module}.{name}"
    return Symbol(inner, WHOLE) if file_of(inner) else Symbol(module, name)


def _targets(statement: ast.stmt) -> list[str]:
    """The names that a statement at the top of a module defines; "" for one that only does something."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return []
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    targets += [statement.target] if isinstance(statement, ast.AnnAssign | ast.AugAssign) else []
    names = [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
    return names or [""]


def _bare(statement: ast.stmt) -> ast.stmt:
    """A statement without what decides nothing: docstrings, and the values of `Field(...)`, which count as numbers."""
    for node in ast.walk(statement):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [inner for inner in node.body if not _is_text(inner)]
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.AnnAssign) and _calls_field(inner.value):
                    inner.value = None
    return statement


def _calls_field(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "Field"


def _is_text(statement: ast.stmt) -> bool:
    """Whether a statement is a bare string: a docstring, or the note under an attribute."""
    return isinstance(statement, ast.Expr) and isinstance(getattr(statement.value, "value", None), str)


def _is_for_checkers(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and ast.unparse(statement.test).endswith("TYPE_CHECKING")


def _undeciding(module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in UNDECIDING)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _remembered(memo: Path | None) -> dict[str, Any]:
    """What the memo holds; nothing where it is damaged: it is made again."""
    try:
        kept = json.loads(memo.read_bytes()) if memo is not None and memo.is_file() else {}
    except ValueError:
        return {}
    return kept if isinstance(kept, dict) else {}

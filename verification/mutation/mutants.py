"""Creates mutants: copies of a module with one small change. Pure: takes source, returns compiled mutants.

It changes all code that runs, including module level, where Keyturn has its tables, checks and SQL statements. It does
not change what a type checker verifies or only a person reads: annotations, docstrings, prose (text with a space),
asserts (they narrow types), imports, and options of a dataclass (slots, keywords).
"""

import ast
from collections import Counter
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from itertools import takewhile
from types import CodeType
from typing import Final

from operators import Placed, instead_of

CONTEXT: Final = 30
"""Characters shown on each side of a change in a long expression."""
LONG: Final = 100


@dataclass(frozen=True, slots=True)
class Mutant:
    """A module with one change."""

    module: str
    scope: str
    """The function or class that contains the change; empty at module level."""
    change: str
    """The code before and after. With module and scope it names the mutant, even if its lines move."""
    line: int

    @property
    def key(self) -> tuple[str, str]:
        """Place and change, which name the mutant."""
        return self.place, self.change

    @property
    def place(self) -> str:
        """Module and scope."""
        return f"{self.module}:{self.scope}" if self.scope else self.module


def mutants(module: str, source: str, file: str) -> Iterator[tuple[Mutant, CodeType]]:
    """Yield every mutant of a module, with the whole module compiled with its change."""
    tree = ast.parse(source, file)
    seen: Counter[tuple[str, str]] = Counter()
    for change in _changes(tree, ""):
        text = _describe(_text(change.node), _text(change.instead))
        seen[change.scope, text] += 1
        if (count := seen[change.scope, text]) > 1:
            text += f" ({count})"
        change.put(change.instead)
        code = compile(tree, file, "exec", dont_inherit=True)
        change.put(change.node)
        yield Mutant(module, change.scope, text, change.node.lineno), code


# --- walking the tree -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Change:
    """A node of the tree and its replacement."""

    scope: str
    parent: ast.AST
    field: str
    index: int | None
    node: Placed
    instead: ast.AST

    def put(self, node: ast.AST) -> None:
        """Put ``node`` into the tree at this place."""
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def _changes(parent: ast.AST, scope: str) -> Iterator[_Change]:
    for name, index, node in _children(parent):
        if _is_left_alone(parent, name, node):
            continue
        inner = scope
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            inner = f"{scope}.{node.name}" if scope else node.name
        if isinstance(node, Placed):
            for instead in instead_of(parent, name, node):
                located = ast.fix_missing_locations(ast.copy_location(copy(instead), node))
                yield _Change(scope, parent, name, index, node, located)
        yield from _changes(node, inner)


def _children(parent: ast.AST) -> Iterator[tuple[str, int | None, ast.AST]]:
    for name, value in ast.iter_fields(parent):
        if isinstance(value, ast.AST):
            yield name, None, value
        elif isinstance(value, list):
            yield from ((name, index, each) for index, each in enumerate(value) if isinstance(each, ast.AST))


def _is_left_alone(parent: ast.AST, name: str, node: ast.AST) -> bool:
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Assert() | ast.JoinedStr():
            return True
        case ast.Expr(value=ast.Constant()):  # a docstring
            return True
        case ast.keyword(arg="slots" | "kw_only") | ast.Call(func=ast.Name(id="TypeVar")):
            return True
        case ast.Assign(targets=[ast.Name(id=target)], value=value) if isinstance(parent, ast.Module):
            return target in ("__all__", "_log") or isinstance(value, ast.Subscript)  # a type alias
    return name in ("annotation", "returns", "bases")


# --- describing a change ----------------------------------------------------------------------------------------------


def _describe(before: str, after: str) -> str:
    """Return the change as text; of a long expression, only the part that differs."""
    if len(before) + len(after) > LONG:
        start = _alike(before, after)
        end = _alike(before[start:][::-1], after[start:][::-1])
        cut_start, cut_end = max(0, start - CONTEXT), max(0, end - CONTEXT)
        before, after = (_cut(text, cut_start, cut_end) for text in (before, after))
    return f"{before} → {after}"


def _alike(one: str, other: str) -> int:
    """Return the length of the common prefix."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _cut(text: str, start: int, end: int) -> str:
    kept = text[start : len(text) - end]
    if len(kept) > LONG:
        kept = f"{kept[: LONG // 2]} … {kept[-LONG // 2 :]}"
    return ("…" if start else "") + kept + ("…" if end else "")


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.ExceptHandler):
        node = ast.Try(body=[ast.Pass()], handlers=[node], orelse=[], finalbody=[])
    return " ".join(ast.unparse(node).split()).removeprefix("try: pass ")

"""The small changes: what replaces each kind of node."""

import ast
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from typing import Any, Final, TypeVar

CLAUSES: Final = ("where", "or_", "order_by", "add_columns")
"""Calls whose arguments have separate meanings: each is left out in turn."""

_COMPARISONS: Final[dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}

Placed = ast.expr | ast.stmt | ast.excepthandler
"""The kinds of nodes that can be replaced."""


def instead_of(parent: ast.AST, name: str, node: Placed) -> Iterator[ast.AST]:
    """Yield every replacement of ``node``."""
    if isinstance(parent, ast.Dict) and name == "keys":  # a pair is left out as a whole
        return
    if operator := _OPERATORS.get(type(node)):
        yield from operator(node)
    if isinstance(node, ast.expr) and (name == "ifs" or (name == "test" and not isinstance(parent, ast.IfExp))):
        yield from _opposite(node)


def _other_constant(node: ast.Constant) -> Iterator[ast.expr]:
    """Yield the other truth value, the next number, or another word."""
    match node.value:
        case bool(value):
            yield ast.Constant(not value)
        case int(value) | float(value):
            yield ast.Constant(value + 1)
        case str(value) if not _is_prose(value):
            yield ast.Constant(value + "X")


def _other_comparison(node: ast.Compare) -> Iterator[ast.expr]:
    """Yield the opposite, and the other side of the boundary."""
    for index, op in enumerate(node.ops):
        yield from (_with(node, ops=_replaced(node.ops, index, other())) for other in _COMPARISONS[type(op)])


def _other_condition(node: ast.BoolOp) -> Iterator[ast.expr]:
    """Swap `and` and `or`, and leave out each condition."""
    yield _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    for rest in _without_one(node.values):
        yield _with(node, values=rest) if len(rest) > 1 else rest[0]


def _other_sign(node: ast.UnaryOp) -> Iterator[ast.expr]:
    yield node.operand


def _other_arithmetic(node: ast.BinOp) -> Iterator[ast.expr]:
    if other := _ARITHMETIC.get(type(node.op)):
        yield _with(node, op=other())


def _one_branch(node: ast.IfExp) -> Iterator[ast.expr]:
    yield from (node.body, node.orelse)


def _no_answer(node: ast.Lambda) -> Iterator[ast.expr]:
    if not _is_none(node.body):
        yield _with(node, body=ast.Constant(None))


def _element_less(node: ast.Tuple | ast.List) -> Iterator[ast.expr]:
    if isinstance(node.ctx, ast.Load):
        yield from (_with(node, elts=rest) for rest in _without_one(node.elts))


def _pair_less(node: ast.Dict) -> Iterator[ast.expr]:
    pairs = zip(_without_one(node.keys), _without_one(node.values), strict=True)
    yield from (_with(node, keys=keys, values=values) for keys, values in pairs)


def _other_call(node: ast.Call) -> Iterator[ast.expr]:
    """Set one argument to None, leave out a keyword or a clause, or leave out the call itself."""
    for index, argument in enumerate(node.args):
        if not (_is_none(argument) or _is_message(argument) or isinstance(argument, ast.Starred)):
            yield _with(node, args=_replaced(node.args, index, ast.Constant(None)))
    for keyword in node.keywords:
        if not isinstance(keyword.value, ast.Constant):
            yield _with(node, keywords=[each for each in node.keywords if each is not keyword])
    if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Call):
        yield node.func.value
    if _name_of(node.func) in CLAUSES and len(node.args) > 1:
        yield from (_with(node, args=rest) for rest in _without_one(node.args))


def _returns_nothing(node: ast.Return) -> Iterator[ast.stmt]:
    if node.value and not isinstance(node.value, ast.Constant):
        yield ast.Return(ast.Constant(None))


def _raises_not(node: ast.Raise) -> Iterator[ast.stmt]:
    """Leave out the error, and raise it without its cause."""
    yield ast.Pass()
    if node.cause and not _is_none(node.cause):
        yield ast.Raise(node.exc, None)


def _passes(_node: ast.stmt) -> Iterator[ast.stmt]:
    yield ast.Pass()


def _calls_not(node: ast.Expr) -> Iterator[ast.stmt]:
    if isinstance(node.value, ast.Call):
        yield ast.Pass()


def _goes_on(_node: ast.Break) -> Iterator[ast.stmt]:
    yield ast.Continue()


def _assigns_nothing(node: ast.Assign) -> Iterator[ast.stmt]:
    """Assign None if no operator changes the value itself; otherwise leave out an attribute's assignment."""
    if isinstance(node.value, ast.Name | ast.Attribute):
        yield _with(node, value=ast.Constant(None))
    elif isinstance(node.targets[0], ast.Attribute):
        yield ast.Pass()


def _handles_not(node: ast.ExceptHandler) -> Iterator[ast.excepthandler]:
    """Let the handler re-raise the error."""
    if not (isinstance(node.body[0], ast.Raise) and node.body[0].exc is None):
        yield _with(node, body=[ast.Raise(None, None)])


def _opposite(test: ast.expr) -> Iterator[ast.expr]:
    """Negate the condition, if no other operator does."""
    if not isinstance(test, ast.Compare | ast.UnaryOp):
        yield ast.UnaryOp(ast.Not(), test)


_OPERATORS: Final[dict[type[ast.AST], Callable[[Any], Iterator[ast.AST]]]] = {
    ast.Constant: _other_constant,
    ast.Compare: _other_comparison,
    ast.BoolOp: _other_condition,
    ast.UnaryOp: _other_sign,
    ast.BinOp: _other_arithmetic,
    ast.IfExp: _one_branch,
    ast.Lambda: _no_answer,
    ast.Tuple: _element_less,
    ast.List: _element_less,
    ast.Dict: _pair_less,
    ast.Call: _other_call,
    ast.Return: _returns_nothing,
    ast.Raise: _raises_not,
    ast.Expr: _calls_not,
    ast.AugAssign: _passes,
    ast.Delete: _passes,
    ast.Continue: _passes,
    ast.Break: _goes_on,
    ast.Assign: _assigns_nothing,
    ast.ExceptHandler: _handles_not,
}


# --- small parts ------------------------------------------------------------------------------------------------------

_Node = TypeVar("_Node", bound=ast.AST)
_Part = TypeVar("_Part")


def _with(node: _Node, **changes: object) -> _Node:
    changed = copy(node)
    for name, value in changes.items():
        setattr(changed, name, value)
    return changed


def _replaced(parts: Sequence[_Part], index: int, part: _Part) -> list[_Part]:
    return [*parts[:index], part, *parts[index + 1 :]]


def _without_one(parts: Sequence[_Part]) -> list[list[_Part]]:
    """Return the parts without the first, without the second, and so on."""
    return [[*parts[:index], *parts[index + 1 :]] for index in range(len(parts))]


def _name_of(function: ast.expr) -> str:
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_prose(text: object) -> bool:
    return isinstance(text, str) and " " in text


def _is_message(node: ast.expr) -> bool:
    """Return whether the text is for a person."""
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and _is_prose(node.value))

r"""Templates of JSONPath, as kubectl has them: ``{range [*]}{.id}{"\n"}{end}``.

Text is printed as it is, and what is in braces is replaced:

    {.failure.code}  {['id']}         a field
    {[0]}  {[-1]}  {[0:2]}  {[*]}     items of an array
    {[?(@.state=="Failed")].id}       the items for which a comparison holds, or that have a field: ?(@.failure)
    {range [*]}…{end}                 what is in between, for each item
    {"\n"}                            text, with JSON's escapes

What is not there, or null, is empty. Several values have a space between them; objects and arrays are JSON.
"""

import json
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

Template = Callable[[Any], str]
"""Renders JSON data as text."""
_Path = Callable[[Any], Iterable[Any]]
"""What a path leads to from a value: any number of values."""
_Node = Callable[[Any, Any], str]
"""Renders a part of the template, given the whole data and the value that the part is about."""

_ACTION: Final = re.compile(r"""\{((?:"(?:[^"\\]|\\.)*"|'[^']*'|[^{}"'])*)\}""")
_RANGE: Final = re.compile(r"range\s+(.+)")
_SEGMENT: Final = re.compile(
    r"""\.(?P<name>[A-Za-z_][\w-]*)"""
    r"""|\[(?P<quote>['"])(?P<key>.*?)(?P=quote)\]"""
    r"""|\.\*|(?P<all>\[\*\])"""
    r"""|\[(?P<index>-?\d+)\]"""
    r"""|\[(?P<first>-?\d*):(?P<last>-?\d*)\]"""
    r"""|\[\?\((?P<condition>.*?)\)\]"""
)
_CONDITION: Final = re.compile(r"\s*@(?P<path>[^\s=!<>]*)\s*(?:(?P<sign>==|!=|<=|>=|<|>)\s*(?P<value>.+?))?\s*")
_SIGNS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


def template(text: str) -> Template:
    """Return the template that ``text`` is; a path without braces is one, too. Raises ValueError."""
    if "{" not in text and text.startswith((".", "[", "$", "@")):
        text = f"{{{text}}}"
    body = _body(_parts(text), is_range=False)
    return lambda data: body(data, data)


def _parts(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each part of a template, and whether it was in braces."""
    place = 0
    for action in _ACTION.finditer(text):
        yield _outside(text[place : action.start()]), False
        yield action[1].strip(), True
        place = action.end()
    yield _outside(text[place:]), False


def _outside(text: str) -> str:
    if "{" in text or "}" in text:
        raise ValueError(f"A brace has no partner in {text!r}.")
    return text


def _body(parts: Iterator[tuple[str, bool]], *, is_range: bool) -> _Node:
    """Read the parts of a template up to its end, or to that of a range."""
    nodes: list[_Node] = []
    for part, is_action in parts:
        if not is_action:
            nodes.append(_literal(part))
        elif part == "end" and is_range:
            return _joined(nodes)
        elif part.startswith(("'", '"')):
            nodes.append(_literal(str(_value(part))))
        elif found := _RANGE.fullmatch(part):
            nodes.append(_range(found[1].strip(), _body(parts, is_range=True)))
        else:
            nodes.append(_values(part))
    if is_range:
        raise ValueError("{range …} has no {end}.")
    return _joined(nodes)


def _joined(nodes: list[_Node]) -> _Node:
    return lambda whole, value: "".join(node(whole, value) for node in nodes)


def _literal(text: str) -> _Node:
    return lambda _whole, _value: text


def _values(text: str) -> _Node:
    path, is_from_root = _path(text), text.startswith("$")
    return lambda whole, value: " ".join(map(_plain, path(whole if is_from_root else value)))


def _range(text: str, body: _Node) -> _Node:
    path, is_from_root = _path(text), text.startswith("$")
    return lambda whole, value: "".join(body(whole, each) for each in path(whole if is_from_root else value))


def _plain(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _path(text: str) -> _Path:
    """Return the path that ``text`` is. Raises ValueError."""
    place = 1 if text.startswith(("$", "@")) else 0
    steps: list[_Path] = []
    while place < len(text):
        found = _SEGMENT.match(text, place)
        if found is None:
            raise ValueError(f"{text!r} is no path that Keyturn knows, such as .failure.code or [*].id.")
        steps.append(_step(found))
        place = found.end()

    def walk(value: Any) -> Iterable[Any]:
        values: Iterable[Any] = [value]
        for step in steps:
            values = [after for before in values for after in step(before)]
        return values

    return walk


def _step(found: re.Match[str]) -> _Path:
    if (name := found["name"] or found["key"]) is not None:
        return lambda value: [value[name]] if isinstance(value, dict) and name in value else []
    if found["index"]:
        index = int(found["index"])
        return lambda value: _items(value)[index : index + 1 or None]
    if found["first"] is not None:
        part = slice(*(int(each) if each else None for each in (found["first"], found["last"])))
        return lambda value: _items(value)[part]
    if found["condition"] is not None:
        holds = _condition(found["condition"])
        return lambda value: [each for each in _items(value) if holds(each)]
    return lambda value: list(value.values()) if isinstance(value, dict) else _items(value)


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _condition(text: str) -> Callable[[Any], bool]:
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no condition that Keyturn knows, such as @.state=='Failed'.")
    path = _path(found["path"])
    if found["sign"] is None:
        return lambda value: any(each is not None for each in path(value))
    compare, wanted = _SIGNS[found["sign"]], _value(found["value"])

    def holds(value: Any) -> bool:
        try:
            return any(compare(each, wanted) for each in path(value))
        except TypeError:  # text and a number, or null
            return False

    return holds


def _value(text: str) -> Any:
    """A value as JSON has it, or text between apostrophes. Raises ValueError."""
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1]
    try:
        return json.loads(text)
    except ValueError:
        raise ValueError(f"{text} is no text, number, true, false or null.") from None

r"""Templates of JSONPath, as kubectl has them: ``{range [*]}{.id}{"\n"}{end}``.

Text is printed as it is, and what is in braces is replaced:

    {.failure.code}  {[*].id}  {[?(@.state=="Failed")].id}
                                      what a query finds; $, the whole, can be left out
    {range [*]}…{end}                 what is in between, for each item that a query finds; @ is the item
    {"\n"}                            text, with JSON's escapes

Queries are those of RFC 9535. Null is empty, several values have a space between them, objects and arrays are JSON.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from jsonpath import JSONPathEnvironment, JSONPathError

Template = Callable[[Any], str]
"""Renders JSON data as text."""
_Node = Callable[[Any, Any], str]
"""Renders a part of the template, given the whole data and the value that the part is about."""

_QUERIES: Final = JSONPathEnvironment(strict=True)
"""Strict: the standard's queries alone, without the library's own additions."""
_ACTION: Final = re.compile(r"""\{((?:"(?:[^"\\]|\\.)*"|'[^']*'|[^{}"'])*)\}""")
_RANGE: Final = re.compile(r"range\s+(.+)")


def template(text: str) -> Template:
    """Return the template that ``text`` is; a query without braces is one, too. Raises ValueError."""
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
            nodes.append(_literal(_text(part)))
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


def _values(query: str) -> _Node:
    find = _query(query)
    return lambda whole, value: " ".join(map(_plain, find(whole, value)))


def _range(query: str, body: _Node) -> _Node:
    find = _query(query)
    return lambda whole, value: "".join(body(whole, each) for each in find(whole, value))


def _query(text: str) -> Callable[[Any, Any], list[Any]]:
    """Return what finds the query's values in the whole, or in the value. Raises ValueError."""
    is_from_root = text.startswith("$")
    try:
        found = _QUERIES.compile("$" + text.removeprefix("$").removeprefix("@"))
    except JSONPathError as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{text!r} is no query such as .failure.code or [*].id: {reason}.") from error
    return lambda whole, value: found.findall(whole if is_from_root else value)


def _plain(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _text(quoted: str) -> str:
    """The text between quotes, which has JSON's escapes, or between apostrophes. Raises ValueError."""
    if len(quoted) > 1 and quoted[0] == quoted[-1] == "'":
        return quoted[1:-1]
    try:
        return str(json.loads(quoted))
    except ValueError:
        raise ValueError(f"{quoted} is no text.") from None

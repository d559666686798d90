"""Decision tables: ordered lists of pure, named rules, of which the first that applies decides."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from states.errors import KeyturnError

Reply = TypeVar("Reply")


@dataclass(frozen=True, slots=True)
class Rule(Generic[Reply]):
    """One row of a table: a reply to which `applies` returns true means `error`."""

    name: str
    applies: Callable[[Reply], bool]
    error: Callable[[Reply], KeyturnError]


def first_match(rules: Iterable[Rule[Reply]], reply: Reply) -> Rule[Reply]:
    """Return the rule that decides. The last rule of a table applies to every reply, so there always is one."""
    return next(rule for rule in rules if rule.applies(reply))

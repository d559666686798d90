"""Decisions as an ordered list of pure, named checks: the first that applies decides."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from states.errors import KeyturnError

Reply = TypeVar("Reply")


@dataclass(frozen=True, slots=True)
class Check(Generic[Reply]):
    """One row of a table: where it applies, that is what the reply means."""

    name: str
    applies: Callable[[Reply], bool]
    error: Callable[[Reply], KeyturnError]


def first(checks: Iterable[Check[Reply]], reply: Reply) -> Check[Reply]:
    """The check that decides. The last one of a table applies to every reply."""
    return next(check for check in checks if check.applies(reply))

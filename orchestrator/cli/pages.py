"""Divides a list into pages, so that one of any length is printed in the memory of a page."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, TypeVar

T = TypeVar("T")

PAGE: Final = 500
"""How many things of a list are printed at once."""


def pages(things: Iterable[T]) -> Iterator[tuple[Sequence[T], bool]]:
    """Yield the things page by page, each page with whether it is the last; of no things, one empty page."""
    coming = iter(things)
    page = list(islice(coming, PAGE))
    while following := list(islice(coming, PAGE)):
        yield page, False
        page = following
    yield page, True


def part_of_array(array: str, *, is_first: bool, is_last: bool) -> str:
    """Return a page's indented JSON array as its part of the array of all pages."""
    inner = array if is_first else array.removeprefix("[\n")
    return inner if is_last else inner.removesuffix("\n]") + ","

"""Truth values in the database. SQLite stores any value where one belongs, and SQL and Python disagree on most."""

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Boolean, Dialect
from sqlalchemy.types import TypeDecorator

_READ: Final = {0: False, 1: True}


class StrictBoolean(TypeDecorator[bool]):
    """A boolean. From SQLite, what is neither 0 nor 1 is read as the text of it, which no code covers: SQL takes the
    text 'yes' as false, and Python as true.
    """

    impl = Boolean
    cache_ok = True

    @property
    def python_type(self) -> type[bool]:
        """What a value is in Python."""
        return bool

    def result_processor(  # pyright: ignore[reportIncompatibleMethodOverride] - the type that it wants is private
        self, dialect: Dialect, coltype: object
    ) -> Callable[[Any], Any] | None:
        """Give the value as it is stored."""
        return _read if dialect.name == "sqlite" else super().result_processor(dialect, coltype)


def _read(stored: Any) -> Any:
    return stored if stored is None else _READ.get(stored, str(stored))

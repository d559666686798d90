"""Statements that are compiled once and then run as they are, on the driver's own cursor.

SQLAlchemy keeps compiled statements too, but looks each one up by its whole structure and prepares for results that a
write does not have. With a handful of short statements for each move, that took a fifth of a rotation's whole time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection as Transaction
from sqlalchemy import Dialect, Insert, Select, Update
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DBAPIError

Values = dict[str, Any]
_Processor = Callable[[Any], Any] | None


@dataclass(frozen=True, slots=True)
class _Text:
    """A statement in one database's own words, and how it takes each parameter."""

    sql: str
    takes: tuple[tuple[str, _Processor], ...]
    is_positional: bool

    def parameters(self, values: Values) -> Any:
        """``values`` as the database's driver takes them."""
        taken = [process(values[name]) if process else values[name] for name, process in self.takes]
        return tuple(taken) if self.is_positional else dict(zip((name for name, _ in self.takes), taken, strict=True))


class Prepared:
    """An INSERT or UPDATE of whatever columns it is given, and of those that it sets itself; or a plain SELECT."""

    def __init__(self, statement: Insert | Update | Select[Any]) -> None:
        self._statement: Final = statement
        self._texts: Final[dict[tuple[str, ...], _Text]] = {}

    def run(self, tx: Transaction, values: Values) -> int:
        """Run it with ``values`` by column or parameter name; return how many rows it wrote.

        The transaction must have begun: the driver's cursor begins none that SQLAlchemy knows of. Raises what
        SQLAlchemy would.
        """
        cursor = self._execute(tx, values)
        written = cursor.rowcount
        cursor.close()
        return written

    def finds(self, tx: Transaction, values: Values) -> bool:
        """Run a SELECT likewise; tell whether it found a row."""
        cursor = self._execute(tx, values)
        found = cursor.fetchone() is not None
        cursor.close()
        return found

    def _execute(self, tx: Transaction, values: Values) -> DBAPICursor:
        key = (tx.dialect.name, *values)
        text = self._texts.get(key)
        if text is None:
            text = self._texts[key] = _compile(self._statement, tx.dialect, list(values))
        parameters = text.parameters(values)
        cursor = tx.connection.cursor()
        try:
            cursor.execute(text.sql, parameters)
        except tx.dialect.loaded_dbapi.Error as error:
            cursor.close()
            raise DBAPIError.instance(text.sql, None, error, tx.dialect.loaded_dbapi.Error, True) from error
        return cursor


def _compile(statement: Insert | Update | Select[Any], dialect: Dialect, names: list[str]) -> _Text:
    compiled = statement.compile(dialect=dialect, column_keys=names)
    order = compiled.positiontup if compiled.positional else list(compiled.binds)
    processors = {
        name: bind.type.dialect_impl(dialect).bind_processor(dialect) for name, bind in compiled.binds.items()
    }
    return _Text(compiled.string, tuple((name, processors[name]) for name in order or ()), compiled.positional)

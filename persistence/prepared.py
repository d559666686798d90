"""Statements that are compiled once and then run as they are, on the driver's own cursor.

SQLAlchemy caches compiled statements too, but looks each one up by its whole structure, and prepares for results that a
write does not have: twice the CPU time of one of these (docs/decisions/0016-sqlmodel-and-statements.md).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection as Transaction
from sqlalchemy import Dialect, Insert, Select, SelectBase, TextClause, Update
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DBAPIError

Values = dict[str, Any]
Statement = Insert | Update | SelectBase | TextClause
_Named = tuple[tuple[str, Callable[[Any], Any] | None], ...]
"""Parameters or columns in order, each with what turns it into the driver's form, or back."""


@dataclass(frozen=True, slots=True)
class _Text:
    """A statement in one database's own language, its parameters and its columns."""

    sql: str
    takes: _Named
    gives: _Named
    fixed: Values
    is_positional: bool

    def parameters(self, values: Values) -> Any:
        """``values`` as the database's driver expects them."""
        given = {**self.fixed, **values} if self.fixed else values
        taken = [process(given[name]) if process else given[name] for name, process in self.takes]
        return tuple(taken) if self.is_positional else dict(zip((name for name, _ in self.takes), taken, strict=True))

    def row(self, given: Any) -> Values:
        """The driver's row, by column."""
        columns = zip(self.gives, given, strict=True)
        return {name: process(value) if process else value for (name, process), value in columns}


class Prepared:
    """An INSERT or UPDATE of the columns that it is given and of those that it sets itself, a SELECT, or any text."""

    def __init__(self, statement: Statement) -> None:
        self._statement: Final = statement
        self._texts: Final[dict[tuple[str, ...], _Text]] = {}

    def run(self, tx: Transaction, values: Values) -> int:
        """Run it with ``values`` by column or parameter name; return how many rows it wrote.

        The transaction must have begun: the driver's cursor begins none that SQLAlchemy knows of. Raises what
        SQLAlchemy would.
        """
        _, cursor = self._execute(tx, values)
        written = cursor.rowcount
        cursor.close()
        return written

    def first(self, tx: Transaction, values: Values) -> Values | None:
        """Run a SELECT likewise; return its first row by column, or None."""
        text, cursor = self._execute(tx, values)
        given = cursor.fetchone()
        cursor.close()
        return None if given is None else text.row(given)

    def _execute(self, tx: Transaction, values: Values) -> tuple[_Text, DBAPICursor]:
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
        return text, cursor


def _compile(statement: Statement, dialect: Dialect, names: list[str]) -> _Text:
    compiled = statement.compile(dialect=dialect, column_keys=names)
    processors = {
        name: bind.type.dialect_impl(dialect).bind_processor(dialect) for bind, name in compiled.bind_names.items()
    }
    order = (compiled.positiontup or ()) if compiled.positional else tuple(compiled.bind_names.values())
    # What the statement itself says, such as the key of a JSON object, is a parameter with a value of its own.
    fixed = {name: bind.value for bind, name in compiled.bind_names.items() if not bind.required}
    columns = statement.selected_columns if isinstance(statement, Select) else ()
    gives = [(str(each.key), each.type.dialect_impl(dialect).result_processor(dialect, None)) for each in columns]
    takes = tuple((name, processors[name]) for name in order)
    return _Text(compiled.string, takes, tuple(gives), fixed, compiled.positional)

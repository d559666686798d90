"""Time in the database: UTC in every column, and the database's own clock, by which leases are judged."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import BindParameter, DateTime, Dialect, Float, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator

ILLEGIBLE: Final = datetime(1, 1, 3, tzinfo=UTC)
"""Replaces a value that is no moment. SQLite stores any text, so another program may have written one. Callers can
compute with it, because it is two days after the first of all moments: every time zone has it."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, always UTC. SQLite has no time zones: there it is text that sorts, with microseconds."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @property
    def python_type(self) -> type[datetime]:
        """What a value is in Python."""
        return datetime

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the moment in UTC."""
        del dialect
        return None if value is None else _utc(value)

    def bind_processor(  # pyright: ignore[reportIncompatibleMethodOverride] - the type that it wants is private
        self, dialect: Dialect
    ) -> Callable[[datetime | None], Any] | None:
        """For SQLite, write the text here: SQLAlchemy's way, by a pattern, takes four times as long."""
        return _text if dialect.name == "sqlite" else super().bind_processor(dialect)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the moment in UTC; PostgreSQL returns it in the session's time zone."""
        del dialect
        return None if value is None else value.astimezone(UTC)

    def result_processor(  # pyright: ignore[reportIncompatibleMethodOverride] - the type that it wants is private
        self, dialect: Dialect, coltype: object
    ) -> Callable[[Any], datetime | None] | None:
        """From SQLite, read the text here: a value that is no moment must not make its row unreadable."""
        return _moment if dialect.name == "sqlite" else super().result_processor(dialect, coltype)


def _utc(moment: datetime) -> datetime:
    """Refuse a moment without a time zone: it could be any hour of a day."""
    if moment.tzinfo is None:
        raise ValueError("A moment without a time zone cannot be stored.")
    return moment.astimezone(UTC)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else _utc(moment).isoformat(" ", "microseconds")[:26]


def _moment(text: Any) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text + "+00:00")  # one call: a list reads hundreds of moments
    except (TypeError, ValueError):
        return ILLEGIBLE


class database_now(FunctionElement[datetime]):  # noqa: N801 - an SQL function
    """The database's clock: the one clock that all workers share. Their own clocks may disagree."""

    type = UtcDateTime()
    inherit_cache = True


class database_now_plus(FunctionElement[datetime]):  # noqa: N801 - an SQL function
    """The database's clock, some seconds from now."""

    type = UtcDateTime()
    inherit_cache = True

    def __init__(self, seconds: BindParameter[float]) -> None:
        super().__init__(seconds)


def seconds(name: str) -> BindParameter[float]:
    """A parameter for database_now_plus."""
    return bindparam(name, type_=Float())


# SQLite's clock has milliseconds, and UtcDateTime microseconds. Their texts compare correctly: of two texts with the
# same beginning, the shorter one is the smaller.
_SQLITE = "strftime('%Y-%m-%d %H:%M:%f', 'now'"


@compiles(database_now, "sqlite")
def _sqlite_now(_element: Any, _compiler: SQLCompiler, **_options: Any) -> str:
    return f"{_SQLITE})"


@compiles(database_now_plus, "sqlite")
def _sqlite_now_plus(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    return f"{_SQLITE}, {compiler.process(element.clauses, **options)} || ' seconds')"


# now() would be the moment at which the transaction began. It may have waited for a lock since, and set a lease that
# has run out already.
@compiles(database_now, "postgresql")
def _postgresql_now(_element: Any, _compiler: SQLCompiler, **_options: Any) -> str:
    return "clock_timestamp()"


@compiles(database_now_plus, "postgresql")
def _postgresql_now_plus(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    return f"clock_timestamp() + make_interval(secs => {compiler.process(element.clauses, **options)})"

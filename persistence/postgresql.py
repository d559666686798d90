"""Opens PostgreSQL as it is found: Keyturn's sessions are alike, with any settings of its administrators."""

from typing import Any, Final

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection

from persistence.database_url import shown
from states.errors import InvalidSettings
from states.next_action import by_hand
from states.timing import DATABASE_WAIT

_DEFAULTS: Final = {
    "connect_timeout": DATABASE_WAIT,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": DATABASE_WAIT * 1000,
}
"""Seconds, and the last in milliseconds. A server that vanished without a word is noticed in ten seconds and not in two
hours, Linux's default. A parameter of the URL takes precedence."""
_SESSION: Final = """
SELECT set_config('DateStyle', 'ISO, YMD', false), set_config('TimeZone', 'UTC', false),
  set_config('search_path', coalesce(
    (SELECT quote_ident(n.nspname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.oid = to_regclass('alembic_version')),
    quote_ident(current_schema())) || ', pg_temp', false),
  set_config('tcp_keepalives_idle', '5', false), set_config('tcp_keepalives_interval', '2', false),
  set_config('tcp_keepalives_count', '2', false), set_config('tcp_user_timeout', '10000', false)
"""
"""The driver reads only ISO dates and named time zones. The schema is the one that has Keyturn's tables, or that new
ones would go to: neither a temporary table hides them, nor a schema that someone makes later and that comes first by
the role's settings. Without any schema the role's own path stays. Behind a pooler the session may be another client's
of the same role, with the same settings.

The server ends the session of a machine that vanished after ten seconds: the rows that it has locked, and its presence,
would otherwise be held for two hours, its system's default. Without effect on a Unix socket."""
_QUEUE_SESSION: Final = (
    "SELECT set_config('search_path', quote_ident(current_schema() || '_queue') || ', pg_temp', false)"
)
_ENCODINGS: Final = ("UTF8", "SQL_ASCII")
"""Those that can store any text. SQL_ASCII stores the bytes as they are."""
_WRONG: Final = ("FATAL", "does not support SSL", "certificate", "invalid ", "password supplied", "authentication")
"""What a server or libpq says that will refuse again."""
_PASSING: Final = ("the database system is", "too many", "connection slots", "terminating connection")
"""What PostgreSQL says when it accepts no connection for the moment. After any other refusal, it refuses again."""


def open_engine(url: URL) -> Engine:
    """Prepare an engine; nothing is opened yet."""
    engine = create_engine(
        url,
        connect_args=_parameters(url),
        isolation_level="READ COMMITTED",  # a writer that waited for a row sees it as it is then
        hide_parameters=True,
        pool_pre_ping=True,  # a server that was restarted costs a new connection, not a lost step
        pool_size=10,
        max_overflow=-1,
    )

    def prepare(connection: DBAPIConnection, _record: object) -> None:
        _prepare(connection, shown(url))

    event.listen(engine, "connect", prepare)
    return engine


def queue_access(engine: Engine) -> tuple[dict[str, Any], bytes]:
    """Return psycopg's parameters, and the statement that a session begins with, for sessions of Procrastinate's own.

    They find Procrastinate's tables, which its statements name without a schema, and nothing else. The path is set by a
    statement, as poolers refuse it as a parameter.
    """
    _, parameters = engine.dialect.create_connect_args(engine.url)
    return {**parameters, **_parameters(engine.url)}, f"{_SESSION}; {_QUEUE_SESSION}".encode()


def _parameters(url: URL) -> dict[str, Any]:
    given = {name: value for name, value in _DEFAULTS.items() if name not in url.query}
    # Prepared statements stay on one of the server's sessions; behind a pooler, the next transaction has another.
    return {**given, "client_encoding": "UTF8", "prepare_threshold": None}


def refuses_for_good(reason: str) -> bool:
    """Whether the error with the text ``reason``, raised on connecting, will not go away by itself."""
    return any(words in reason for words in _WRONG) and not any(words in reason for words in _PASSING)


def _prepare(connection: Any, name: str) -> None:
    """Set what Keyturn relies on, once for each connection. Raises InvalidSettings for an encoding that loses text."""
    encoding = connection.info.parameter_status("server_encoding")
    if encoding not in _ENCODINGS:
        raise InvalidSettings(
            f"The database {name} has the encoding {encoding}, which cannot store every name and reason.",
            next_action=by_hand("Make a database with ENCODING 'UTF8' and TEMPLATE template0."),
        )
    connection.autocommit = True  # one round trip, without a transaction
    connection.execute(_SESSION)
    connection.autocommit = False

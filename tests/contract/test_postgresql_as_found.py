"""PostgreSQL as administrators and platforms have it: encodings, settings of roles, schemas, permissions, URLs."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from support.advice import text
from support.factories import a_connection
from support.stores import open_store

from persistence import database_url
from persistence.postgresql import refuses_for_good
from states.errors import InvalidSettings, KeyturnError, TryLater

pytestmark = pytest.mark.postgresql


@pytest.fixture
def socket(postgresql: Path) -> Path:
    """The socket of the server."""
    return postgresql


def administer(socket: Path, *statements: str, database: str = "postgres") -> None:
    with psycopg.connect(host=str(socket), user="postgres", dbname=database, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)  # type: ignore[arg-type]  # the statements are ours


def made(socket: Path, name: str, options: str = "") -> str:
    """The URL of a new database that the role of its own name owns."""
    administer(socket, f"CREATE ROLE {name} LOGIN", f"CREATE DATABASE {name} OWNER {name} {options}")
    return f"postgresql://{name}@/{name}?host={quote(str(socket))}"


def used(url: str) -> str:
    """Set up the database, store a connection, read it, and return its version and what the journal check counted."""
    store = open_store(url)
    try:
        store.migrate()
        store.verify()
        if not list(store.connections.all()):
            store.connections.add(a_connection(name="acme"))
        assert abs(datetime.now(UTC) - store.now()).total_seconds() < 60
        return store.connections.get("acme").name
    finally:
        store.close()


ROLE_SETTINGS = {
    "dates": "DateStyle = 'SQL, DMY'",
    "german_dates": "DateStyle = 'German'",
    "zone": "TimeZone = '<+0330>-03:30'",
    "encoding": "client_encoding = 'LATIN1'",
    "escape": "bytea_output = 'escape'",
    "serializable": "default_transaction_isolation = 'serializable'",
    "strings": "standard_conforming_strings = off",
}


@pytest.mark.parametrize(("name", "setting"), ROLE_SETTINGS.items())
def test_settings_of_a_role(socket: Path, name: str, setting: str) -> None:
    """Keyturn sets what it relies on, so the role's own settings change nothing."""
    url = made(socket, f"role_{name}")
    administer(socket, f"ALTER ROLE role_{name} SET {setting}")
    assert "acme" == used(url)


def test_an_encoding_that_stores_bytes(socket: Path) -> None:
    """SQL_ASCII stores any text."""
    assert "acme" == used(made(socket, "ascii", "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"))


def test_an_encoding_that_loses_text(socket: Path) -> None:
    """LATIN1 cannot store every reason: the database is refused before anything is stored in it."""
    url = made(socket, "latin", "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    with pytest.raises(InvalidSettings, match="has the encoding LATIN1") as caught:
        used(url)
    assert "ENCODING 'UTF8'" in text(caught.value.next_action)


def test_no_permission_to_create(socket: Path) -> None:
    """The missing permission is named; a schema of the role's own works."""
    administer(socket, "CREATE ROLE guest LOGIN", "CREATE DATABASE owned")
    administer(socket, "REVOKE CREATE ON SCHEMA public FROM PUBLIC", database="owned")
    url = f"postgresql://guest@/owned?host={quote(str(socket))}"
    with pytest.raises(InvalidSettings, match="permission denied for schema public") as caught:
        used(url)
    assert "Grant the permission" in text(caught.value.next_action)
    administer(socket, "CREATE SCHEMA guests AUTHORIZATION guest", database="owned")
    administer(socket, "ALTER ROLE guest IN DATABASE owned SET search_path = guests, public")
    assert "acme" == used(url)


def test_no_schema(socket: Path) -> None:
    """A role whose search_path is empty is an error of settings."""
    url = made(socket, "hardened")
    administer(socket, "ALTER ROLE hardened SET search_path = ''")
    with pytest.raises(InvalidSettings, match="no schema has been selected"):
        used(url)


def test_no_permission_to_read(socket: Path) -> None:
    """A table of another owner is an error of settings."""
    url = made(socket, "reader")
    used(url)
    administer(socket, "ALTER TABLE connections OWNER TO postgres", database="reader")
    with pytest.raises(InvalidSettings, match="permission denied for table connections"):
        used(url)


def test_a_schema_that_is_made_later_hides_nothing(socket: Path) -> None:
    """A schema with the role's name comes first in the search path; Keyturn stays where its tables are."""
    url = made(socket, "late")
    used(url)
    administer(socket, "CREATE SCHEMA late AUTHORIZATION late", database="late")
    store = open_store(url)
    store.check()
    assert ["acme"] == [connection.name for connection in store.connections.all()]
    store.close()


FORMS = {
    "postgres://": "postgres://postgres@/{name}?host={host}",
    "a driver": "postgresql+psycopg://postgres@/{name}?host={host}",
    "parameters only": "postgresql:///{name}?host={host}&user=postgres",
    "spaces around it": " postgresql://postgres@/{name}?host={host} ",
    "several hosts, each a parameter": "postgresql://postgres@/{name}?host=127.0.0.1:1&host={host}",
    "several hosts, as libpq has them": "postgresql://postgres@127.0.0.1:1,{host}/{name}?target_session_attrs=any",
    "a socket's folder, as libpq has it": "postgresql://postgres@{host}/{name}",
    "its own keepalives": "postgresql://postgres@/{name}?host={host}&keepalives_idle=30&connect_timeout=3",
    "options": "postgresql://postgres@/{name}?host={host}&options=-c%20statement_timeout%3D5000",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_forms_of_a_url(postgresql: Path, migrated_postgresql: str, form: str) -> None:
    """The forms in which platforms and people write a URL lead to the database."""
    name = migrated_postgresql.partition("@/")[2].partition("?")[0]
    store = open_store(form.format(name=name, host=quote(str(postgresql), safe="")))
    store.check()
    store.close()


WRONG = {
    "postgresql://h/k?pgbouncer=true&sslmode=require": "does not know: pgbouncer",
    "postgresql://h/k?prepare_threshold=0": "does not know: prepare_threshold",
    "postgresql+asyncpg://h/k": "is sqlite:///PATH or postgresql://",
    "jdbc:postgresql://h/k": "is sqlite:///PATH or postgresql://",
    "postgresql://u:p@ss@h/k": "write an @ of the password as %40",
    "postgresql://h:none/k": "cannot be read",
}


@pytest.mark.parametrize(("url", "expected"), WRONG.items())
def test_a_wrong_url(url: str, expected: str) -> None:
    """A URL that cannot work is refused at once, with what is wrong and without a password."""
    with pytest.raises(InvalidSettings, match=expected) as caught:
        open_store(url)
    assert "p@ss" not in str(caught.value)


@pytest.mark.parametrize(
    ("parameters", "kind"),
    {
        "sslmode=sometimes": InvalidSettings,
        "connect_timeout=soon": InvalidSettings,
        "user=stranger": InvalidSettings,
        "": TryLater,
    }.items(),
)
def test_what_will_be_refused_again(postgresql: Path, parameters: str, kind: type[KeyturnError]) -> None:
    """What a server or a driver refuses for good is an error of settings; a server that is away is not."""
    place = "127.0.0.1:1" if not parameters else ""
    host = "" if not parameters else f"?host={quote(str(postgresql))}&{parameters}"
    store = open_store(f"postgresql://{place}/keyturn_0{host}")
    with pytest.raises(kind):
        store.check()
    store.close()


@pytest.mark.parametrize("name", ["password", "sslpassword"])
def test_a_password_among_the_parameters_is_not_shown(name: str) -> None:
    """A message names the database without the passwords of its URL."""
    shown = database_url.shown(database_url.parse(f"postgresql://h/k?{name}=s3cret&sslmode=disable"))
    assert "s3cret" not in shown
    assert shown.startswith("postgresql://h/k?")


def test_what_a_pooler_and_a_lost_network_need(migrated_postgresql: str) -> None:
    """No statement is prepared on the server, and a server that vanished is noticed within seconds."""
    store = open_store(f"{migrated_postgresql}&keepalives_count=7")
    with store._database.reading() as tx:
        driver: Any = tx.connection.dbapi_connection
        given = driver.info.get_parameters()
        assert driver.prepare_threshold is None
    store.close()
    assert {"keepalives_idle": "5", "keepalives_count": "7", "tcp_user_timeout": "10000"}.items() <= given.items()


REFUSALS = {
    'connection failed: FATAL:  role "x" does not exist': True,
    "server does not support SSL, but SSL was required": True,
    'root certificate file "/x" does not exist': True,
    "fe_sendauth: no password supplied": True,
    'invalid sslmode value: "sometimes"': True,
    "FATAL:  sorry, too many clients already": False,
    "FATAL:  the database system is starting up": False,
    "Connection refused": False,
    "SSL connection has been closed unexpectedly": False,
    "timeout expired": False,
}


@pytest.mark.parametrize(("reason", "expected"), REFUSALS.items())
def test_which_refusals_are_for_good(reason: str, *, expected: bool) -> None:
    """A refusal that waiting does not end is recognized by the server's or the driver's words."""
    assert expected is refuses_for_good(reason)

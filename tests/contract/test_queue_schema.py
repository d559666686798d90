"""Procrastinate's tables in a schema of their own: made by a migration, and those that Procrastinate works with."""

from collections.abc import Iterator
from contextlib import closing
from importlib import resources
from importlib.metadata import version
from pathlib import Path

import psycopg
import pytest
from support import postgresql as postgres
from support.factories import a_connection
from support.stores import open_store

from orchestrator.dispatch.procrastinate import VERSION
from persistence.queue_schema import VERSIONS

pytestmark = pytest.mark.postgresql

THEIRS = resources.files("procrastinate") / "sql"
DESCRIPTION = """
SELECT concat_ws(' ', 'column', relname, attname, format_type(atttypid, atttypmod), attnotnull, attidentity,
    pg_get_expr(adbin, adrelid))
  FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
  LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
  WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'c') AND attnum > 0 AND NOT attisdropped
UNION ALL SELECT concat_ws(' ', 'index', indexname, indexdef) FROM pg_indexes WHERE schemaname = current_schema()
UNION ALL SELECT concat_ws(' ', 'rule', conrelid::regclass, conname, pg_get_constraintdef(oid))
  FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
UNION ALL SELECT concat_ws(' ', 'function', proname, pg_get_functiondef(oid))
  FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
UNION ALL SELECT concat_ws(' ', 'trigger', tgname, pg_get_triggerdef(pg_trigger.oid))
  FROM pg_trigger JOIN pg_class ON tgrelid = pg_class.oid
  WHERE relnamespace = current_schema()::regnamespace AND NOT tgisinternal
UNION ALL SELECT concat_ws(' ', 'value', typname, enumlabel, enumsortorder)
  FROM pg_enum JOIN pg_type ON enumtypid = pg_type.oid WHERE typnamespace = current_schema()::regnamespace
"""


@pytest.fixture
def administrator(postgresql: Path) -> Iterator[psycopg.Connection]:
    """A session in a new, empty database."""
    with postgres.temporary_database(postgresql) as url, psycopg.connect(url, autocommit=True) as session:
        yield session


def described(session: psycopg.Connection, *scripts: bytes) -> set[str]:
    """What these scripts make of an empty schema, without the schema's name."""
    session.execute("DROP SCHEMA IF EXISTS described CASCADE")
    session.execute("CREATE SCHEMA described")
    session.execute("SET search_path = described")
    for script in scripts:
        session.execute(script)
    return description(session)


def description(session: psycopg.Connection) -> set[str]:
    """What the first schema of the session's path has, without that schema's name."""
    name = session.execute("SELECT current_schema()").fetchone()
    assert name
    return {row[0].replace(f"{name[0]}.", "") for row in session.execute(DESCRIPTION.encode())}


def ours(name: str) -> bytes:
    return (resources.files("persistence") / "migrations" / "procrastinate" / f"{name}.sql").read_bytes()


def later_than(wanted: str) -> list[bytes]:
    """What Procrastinate's own migrations change in versions after this one, in order."""
    number = tuple(map(int, wanted.split(".")))
    files = sorted(each.name for each in (THEIRS / "migrations").iterdir() if each.name.endswith(".sql"))
    return [
        (THEIRS / "migrations" / name).read_bytes() for name in files if tuple(map(int, name[:8].split("."))) > number
    ]


def test_the_tables_are_those_of_the_installed_version(administrator: psycopg.Connection) -> None:
    """Ours, version by version, make what the schema.sql of the Procrastinate makes that is tested with."""
    theirs = described(administrator, (THEIRS / "schema.sql").read_bytes())
    assert theirs == described(administrator, *map(ours, VERSIONS))
    assert VERSIONS[-1] == VERSION == version("procrastinate")


@pytest.mark.parametrize("ours_at", VERSIONS)
def test_procrastinates_later_migrations_lead_to_the_same(administrator: psycopg.Connection, ours_at: str) -> None:
    """From each version of ours, Procrastinate's own migrations lead to the tables of the version that is installed."""
    before = VERSIONS[: VERSIONS.index(ours_at) + 1]
    theirs = described(administrator, (THEIRS / "schema.sql").read_bytes())
    assert theirs == described(administrator, *map(ours, before), *later_than(ours_at))


def test_the_migration_makes_them_next_to_keyturns(migrated_postgresql: str) -> None:
    """In a schema with Keyturn's name and ``_queue``; Keyturn's own schema has none of them."""
    with psycopg.connect(migrated_postgresql) as session:
        found = session.execute("SELECT schemaname, tablename FROM pg_tables WHERE tablename LIKE 'procrastinate%'")
        assert {"public_queue"} == {row[0] for row in found}
        session.execute("SET search_path = public_queue")
        made = description(session)
        assert made == described(session, *map(ours, VERSIONS))
        session.rollback()


def test_they_are_made_once(postgresql: Path, migrated_postgresql: str) -> None:
    """Migrating again changes nothing, and makes them again where a backup lacked the schema."""
    with postgres.temporary_database(postgresql, migrated_postgresql) as url, closing(open_store(url)) as store:
        store.migrate()
        assert VERSION == store.hints.version()
        with psycopg.connect(url, autocommit=True) as session:
            session.execute("DROP SCHEMA public_queue CASCADE")
        assert store.hints.version() is None
        store.verify()
        store.migrate()
        assert VERSION == store.hints.version()
        store.connections.add(a_connection())  # the session finds Keyturn's tables as before


def test_a_role_that_may_make_no_schema(postgresql: Path, administrator: psycopg.Connection) -> None:
    """Keyturn is set up without the queue. An administrator makes the schema for the role; then `init` fills it."""
    administrator.execute("CREATE ROLE lodger LOGIN")
    administrator.execute("CREATE SCHEMA lodger AUTHORIZATION lodger")
    with closing(open_store(f"postgresql://lodger@/{administrator.info.dbname}?host={postgresql}")) as store:
        store.migrate()
        assert store.hints.version() is None
        administrator.execute(f"CREATE SCHEMA lodger_queue; COMMENT ON SCHEMA lodger_queue IS '{VERSION}'".encode())
        assert store.hints.version() is None  # another role's, which this one may not use
        administrator.execute("DROP SCHEMA lodger_queue")
        administrator.execute("CREATE SCHEMA lodger_queue AUTHORIZATION lodger")
        store.migrate()
        assert VERSION == store.hints.version()
        store.verify()

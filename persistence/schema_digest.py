"""A digest of the tables, as the database itself describes them: notices at every start that something was changed.

Reading the whole description takes longer than most commands. So a migration, which compares the tables with the
models, notes the digest of what it left, and a start compares digests only. The note is kept where no table is: in
SQLite's `user_version`, and in PostgreSQL's comment on Alembic's table. It is a note against carelessness, such as a
restore that lost an index, and no seal: who can change the tables can change it too.
"""

import hashlib
from typing import Final

from sqlalchemy import Connection as Transaction
from sqlalchemy import text

from persistence.models import METADATA

_TABLES: Final = ", ".join(f"'{name}'" for name in sorted(METADATA.tables))
_SQLITE: Final = text(
    f"SELECT group_concat(type || name || coalesce(sql, ''), char(10)) AS tables FROM (SELECT * FROM sqlite_master"  # noqa: S608 - our own names
    f" WHERE tbl_name IN ({_TABLES}) ORDER BY type, name)"
)
_POSTGRESQL: Final = text(
    f"""
    SELECT string_agg(line, chr(10) ORDER BY line COLLATE "C") AS tables FROM (
      SELECT concat_ws(' ', relname, attname, format_type(atttypid, atttypmod), attnotnull) AS line
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE relnamespace = current_schema()::regnamespace AND relname IN ({_TABLES})
          AND attnum > 0 AND NOT attisdropped
      UNION ALL SELECT concat_ws(' ', relname, conname, pg_get_constraintdef(pg_constraint.oid))
        FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
        WHERE relnamespace = current_schema()::regnamespace AND relname IN ({_TABLES})
      UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema() AND tablename IN ({_TABLES})
    ) AS lines
    """  # noqa: S608 - our own names
)
_NOTED_IN_SQLITE: Final = text("PRAGMA user_version")
_NOTED_IN_POSTGRESQL: Final = text("SELECT obj_description(to_regclass('alembic_version'), 'pg_class')")
_POSITIVE: Final = 0x7FFFFFFF
"""`user_version` is a signed number of 32 bits."""


def note(tx: Transaction) -> None:
    """Note the digest of the tables as they are, within the transaction that made them so."""
    if tx.dialect.name == "sqlite":
        tx.exec_driver_sql(f"PRAGMA user_version = {_digest(tx)}")
    else:
        tx.exec_driver_sql(f"COMMENT ON TABLE alembic_version IS '{_digest(tx)}'")


def is_as_noted(tx: Transaction) -> bool:
    """Whether the tables are as they were when their digest was noted; False where it was not."""
    noted = tx.execute(_NOTED_IN_SQLITE if tx.dialect.name == "sqlite" else _NOTED_IN_POSTGRESQL).scalar()
    return str(noted) == str(_digest(tx))


def _digest(tx: Transaction) -> int:
    """Return the first bits of a hash of the tables' description."""
    described = tx.execute(_SQLITE if tx.dialect.name == "sqlite" else _POSTGRESQL).scalar() or ""
    return int.from_bytes(hashlib.sha256(str(described).encode()).digest()[:4]) & _POSITIVE

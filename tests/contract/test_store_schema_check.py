"""Before it is used, a database is checked: older, newer, damaged and copied ones are refused, and named."""

from pathlib import Path

import pytest
from sqlalchemy import text
from support.advice import text as shown
from support.factories import begin
from support.stores import open_store

from persistence import schema
from persistence.store import Store
from states.errors import InvalidSettings
from states.state import State


def test_a_database_of_an_older_keyturn(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error for a database that lacks a migration says how to get it."""
    known = schema.revisions()
    monkeypatch.setattr(schema, "revisions", lambda: [*known, "9999"])
    with pytest.raises(InvalidSettings, match="lacks tables, columns or indexes") as caught:
        store.check()
    assert "keyturn init" in shown(caught.value.next_action)


def test_a_database_that_was_never_made(url: str) -> None:
    """Checking names the next step, and makes nothing."""
    store = open_store(url)
    with pytest.raises(InvalidSettings) as caught:
        store.check()
    assert "keyturn init" in shown(caught.value.next_action)
    store.close()
    if url.startswith("sqlite"):
        assert not Path(url.removeprefix("sqlite:///")).exists()


def test_a_database_of_a_newer_keyturn(store: Store) -> None:
    """A database with a migration that this Keyturn does not know is not touched."""
    with store._database.writing() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for use in (store.check, store.migrate):
        with pytest.raises(InvalidSettings, match="newer Keyturn"):
            use()


DAMAGE = {
    "DROP INDEX uq_rotations_open": "the index uq_rotations_open",
    "DROP INDEX uq_connections_account": "the index uq_connections_account",
    "DROP TABLE journal": "the table journal",
    "ALTER TABLE rotations DROP COLUMN waiting_for": "the column rotations.waiting_for",
    "DROP INDEX uq_rotations_open; CREATE INDEX uq_rotations_open ON rotations (connection) WHERE closed_at IS NULL": (
        "the index uq_rotations_open"
    ),
    "DROP INDEX uq_rotations_open; CREATE UNIQUE INDEX uq_rotations_open ON rotations (connection, id)": (
        "the index uq_rotations_open"
    ),
}
"""What a careless restore or hand leaves, and what is then named."""


@pytest.mark.parametrize(("statement", "missing"), DAMAGE.items())
def test_a_damaged_database_is_recognized(store: Store, statement: str, missing: str) -> None:
    """A table, a column or an index that is missing or has another form is named at every start, and setting up again
    does not call the database ready.
    """
    store.verify()
    with store._database.writing() as tx:
        for each in statement.split("; "):
            tx.execute(text(each))
    for use in (store.check, store.verify, store.migrate):
        with pytest.raises(InvalidSettings, match=f"is damaged. It lacks {missing}") as caught:
            use()
        assert "from a backup" in shown(caught.value.next_action)


@pytest.mark.parametrize("url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
def test_a_rule_that_is_missing_is_recognized(store: Store) -> None:
    """A rule of a table that was dropped is named."""
    with store._database.writing() as tx:
        tx.execute(text("ALTER TABLE rotations DROP CONSTRAINT ck_rotations_state"))
    for use in (store.check, store.verify):
        with pytest.raises(InvalidSettings, match="It lacks the rule ck_rotations_state of rotations"):
            use()


COPY = """
CREATE TABLE copy AS SELECT * FROM rotations;
DROP TABLE rotations;
ALTER TABLE copy RENAME TO rotations;
CREATE UNIQUE INDEX uq_rotations_open ON rotations (connection) WHERE closed_at IS NULL
"""


def test_a_table_that_was_copied_is_recognized(store: Store) -> None:
    """Copying a table drops its primary key, its rules and its foreign keys: all of them are named."""
    with store._database.writing() as tx:
        for each in COPY.split(";"):
            is_dropped = each.strip().startswith("DROP") and not store._database.is_sqlite
            tx.execute(text(f"{each} CASCADE" if is_dropped else each))
    with pytest.raises(InvalidSettings) as caught:
        store.check()
    for lost in (
        *("the primary key of rotations", "the rule NOT NULL of rotations.state", "the index ix_rotations_claimable"),
        *("the rule ck_rotations_confirmation_proved of rotations", "the rule fk_rotations_follows of"),
    ):
        assert lost in caught.value.message
    assert "uq_rotations_open" not in caught.value.message


def test_what_others_add_is_no_damage(store: Store) -> None:
    """An index of your own on a table of Keyturn's is not objected to, nor is a note that is missing."""
    with store._database.writing() as tx:
        tx.execute(text("CREATE INDEX mine ON rotations (actor)"))
    store.check()
    with store._database.writing() as tx:
        is_sqlite = store._database.is_sqlite
        tx.execute(text("PRAGMA user_version = 0" if is_sqlite else "COMMENT ON TABLE alembic_version IS NULL"))
    store.check()
    store.verify()


def test_a_start_reads_only_the_digest(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing was changed, the whole description is not read: that takes longer than most commands."""

    def never(_: object) -> list[str]:
        raise AssertionError("read")

    monkeypatch.setattr(schema, "_missing", never)
    store.check()


@pytest.mark.parametrize("statement", list(DAMAGE)[2:4])
def test_using_a_damaged_database(store: Store, statement: str) -> None:
    """What is missing is an error of settings, which waiting does not end."""
    with store._database.writing() as tx:
        tx.execute(text(statement))
    with pytest.raises(InvalidSettings, match="lacks what Keyturn made there") as caught:
        begin(store, State.KEY_GENERATED)
    assert "from a backup" in shown(caught.value.next_action)

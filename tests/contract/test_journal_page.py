"""The journal as a list: pages in the order of time, filtered, each entry checked."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import text
from support.factories import NOW, a_connection, an_id, begin

from persistence import journal_page
from persistence.journal_page import CheckedEntry, JournalFilter
from persistence.store import Store
from states.errors import InvalidInput, SealBroken
from states.state import State


def change(store: Store, *statements: str) -> None:
    """Change the database behind the store's back."""
    with store._database.writing() as tx:
        for statement in statements:
            tx.execute(text(statement))


@pytest.fixture
def two(store: Store) -> Store:
    """A store with two rotations of one connection and one of another."""
    store.connections.add(a_connection(name="other"))
    for number in (1, 2):
        begin(store, State.COMPLETED, number=number)
    begin(store, State.KEY_GENERATED, number=3, connection="other")
    return store


def places(found: list[CheckedEntry]) -> list[tuple[str, int]]:
    return [(each.entry.rotation_id, each.entry.seq) for each in found]


def everything(store: Store, wanted: JournalFilter, limit: int) -> list[CheckedEntry]:
    """All entries that are wanted, page by page."""
    items: list[CheckedEntry] = []
    after = None
    while True:
        page = store.journal.page(wanted, after=after, limit=limit)
        items += page.items
        after = page.following
        if after is None:
            return items


@pytest.mark.parametrize("limit", [1, 5, 12, 50])
def test_pages_have_each_entry_once(two: Store, limit: int) -> None:
    """All pages together have every entry once, the newest first, with its connection; none of them was changed."""
    found = everything(two, JournalFilter(), limit)
    expected = [(an_id(3), 2), (an_id(3), 1), *((an_id(number), seq) for number in (2, 1) for seq in range(5, 0, -1))]
    assert expected == places(found)
    assert ["other"] * 2 + ["acme"] * 10 == [each.connection for each in found]
    assert {""} == {each.finding for each in found}
    assert two.journal.of(an_id(1)) == [each.entry for each in two.journal.checked(an_id(1))]


FILTERS: dict[str, tuple[JournalFilter, int]] = {
    "of a connection": (JournalFilter(connection="other"), 2),
    "of a rotation": (JournalFilter(rotation=an_id(2)), 5),
    "of a rotation that another connection has": (JournalFilter(rotation=an_id(2), connection="other"), 0),
    "of a person": (JournalFilter(actor="AD"), 3),
    "of one kind": (JournalFilter(event="verify"), 2),
    "of one kind and connection": (JournalFilter(event="request", connection="acme"), 2),
    "since then": (JournalFilter(since=NOW), 12),
    "since later": (JournalFilter(since=NOW + timedelta(seconds=1)), 0),
}


@pytest.mark.parametrize("name", FILTERS)
def test_filters(two: Store, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each filter finds its entries, also where a page looks at few entries at a time."""
    wanted, number = FILTERS[name]
    whole = everything(two, wanted, 50)
    assert number == len(whole)
    monkeypatch.setattr(journal_page, "EXAMINED", 3)
    assert places(whole) == places(everything(two, wanted, 2))


@pytest.mark.parametrize("cursor", ["x", "~~", "2026-11-23~a~b", "2026-11-23T00:00:00+00:00~a"])
def test_a_cursor_that_is_none(store: Store, cursor: str) -> None:
    """What is no place in the journal is refused in words."""
    with pytest.raises(InvalidInput):
        store.journal.page(JournalFilter(), after=cursor)


CHANGES: dict[str, tuple[str, dict[int, str]]] = {
    "edited": ("UPDATE journal SET actor = 'eve' WHERE rotation_id = '{id}' AND seq = 2", {2: "was changed"}),
    "removed": (
        "DELETE FROM journal WHERE rotation_id = '{id}' AND seq = 3",
        {2: "after this one was removed", 4: "before this one was removed"},
    ),
    "cut off": ("DELETE FROM journal WHERE rotation_id = '{id}' AND seq = 5", {4: "after this one was removed"}),
    "another end": (
        "UPDATE rotations SET journal_hash = 'x' WHERE id = '{id}'",
        {5: "names another entry"},
    ),
    "an earlier end": (
        "UPDATE rotations SET journal_seq = 4 WHERE id = '{id}'",
        {4: "names another", 5: "was changed"},
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_shows_at_its_entry(store: Store, name: str) -> None:
    """What was changed outside Keyturn shows at the entry, and at its neighbours where the chain is broken."""
    begin(store, State.COMPLETED)
    statement, expected = CHANGES[name]
    change(store, statement.format(id=an_id(1)))
    found = {each.entry.seq: each.finding for each in store.journal.page(JournalFilter()).items if each.finding}
    assert set(expected) == set(found)
    assert [] == [(seq, found[seq]) for seq, words in expected.items() if words not in str(found[seq])]
    assert found == {each.entry.seq: each.finding for each in store.journal.checked(an_id(1)) if each.finding}


def test_without_the_key_nothing_is_claimed(two: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the key-encryption key the entries are shown, and not said to be checked."""

    def locked() -> None:
        raise SealBroken

    unlock: Callable[[], None] = locked
    monkeypatch.setattr(two.vault, "unlock", unlock)
    assert {None} == {each.finding for each in two.journal.page(JournalFilter()).items}

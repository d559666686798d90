"""The journal of all rotations as a feed: a reader that goes on from its last entry misses none and gets none twice."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection as Transaction
from sqlalchemy import text
from support.factories import NOW, a_connection, an_id, begin
from support.stores import open_store

from persistence.journal_feed import Place
from persistence.store import Store
from states.errors import InvalidInput, Stale
from states.request import Request
from states.state import State

WRITERS, ENTRIES = 6, 10


def request(store: Store, number: int, connection: str) -> None:
    store.rotations.request(Request(id=an_id(number), connection=connection, actor="ada", at=NOW))


def before_commit(monkeypatch: pytest.MonkeyPatch, store: Store, act: Callable[[], object]) -> None:
    """Let each commit of ``store`` be preceded by ``act``."""
    owner = store._database._writes if store._database.is_sqlite else store._database
    commit = owner._commit

    def committing(tx: Transaction) -> None:
        act()
        commit(tx)

    monkeypatch.setattr(owner, "_commit", committing)


@contextmanager
def running(act: Callable[[], object]) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=act)
    thread.start()
    try:
        yield thread
    finally:
        thread.join()


def naive(store: Store, last: int) -> list[int]:
    """The numbers above ``last``, as a reader of `n > last` sees them."""
    with store._database.reading() as tx:
        found = tx.execute(
            text("SELECT commit_number FROM journal WHERE commit_number > :last ORDER BY 1"), {"last": last}
        )
        return [row[0] for row in found]


def test_an_entry_that_is_committed_late_is_read(store: Store, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two entries, the one that was written first is committed last: a reader gets both. On PostgreSQL, a reader of
    `n > last` has passed the first one by then; SQLite lets the second one wait.
    """
    store.connections.add(a_connection(name="beta"))
    late, begun, release = open_store(url), threading.Event(), threading.Event()
    before_commit(monkeypatch, late, lambda: (begun.set(), release.wait(60)))
    late.vault.unlock()
    place = store.journal.end()
    try:
        with running(lambda: request(late, 1, "acme")):
            assert begun.wait(60)
            with running(lambda: request(store, 2, "beta")) as second:
                second.join(0 if store._database.is_sqlite else 60)
                assert [] == store.journal.after(place, 9)
                seen = naive(store, place.number - 1)
                assert (0 if store._database.is_sqlite else 1) == len(seen)
                release.set()
    finally:
        release.set()
        late.close()
    found = store.journal.after(place, 9)
    assert [(an_id(1), "acme"), (an_id(2), "beta")] == [(each.entry.rotation_id, each.connection) for each in found]
    assert [] == store.journal.after(found[-1].place, 9)
    if not store._database.is_sqlite:
        assert [] == naive(store, seen[-1])  # the first entry is lost for it


def test_a_reader_among_many_writers(store: Store, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While writers commit in any order, a reader that goes on from its last entry gets every entry once."""
    names = [f"c{number}" for number in range(WRITERS)]
    for name in names:
        store.connections.add(a_connection(name=name))
    place, read, pauses = store.journal.end(), [], itertools.cycle((0.007, 0.0, 0.004, 0.001, 0.009))

    def write(number: int) -> None:
        writer = open_store(url)
        before_commit(monkeypatch, writer, lambda: time.sleep(next(pauses)))
        request(writer, number + 1, names[number])
        rotation = writer.rotations.get(an_id(number + 1))
        for _ in range(ENTRIES - 1):
            writer.rotations.write(rotation, rotation, event="confirmed_by_person", actor="ada", detail={})
            rotation = writer.rotations.get(rotation.id)
        writer.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for each in threads:
        each.start()
    while True:
        is_last = not any(each.is_alive() for each in threads)
        while found := store.journal.after(place, 7):
            read += [(each.entry.rotation_id, each.entry.seq) for each in found]
            place = found[-1].place
        if is_last:
            break
    assert WRITERS * ENTRIES == len(read) == len(set(read))
    assert [seq for _, seq in sorted(read)] == [*range(1, ENTRIES + 1)] * WRITERS


def test_places_are_text(store: Store) -> None:
    """A place is kept as text and read again; what is none is refused."""
    begin(store, State.COMPLETED)
    places = [each.place for each in store.journal.after(Place(0), 9)]
    assert [1, 2, 3, 4, 5] == [place.seq for place in places]
    assert places == [Place.parse(str(place)) for place in places]
    for wrong in ("", "x", "-1", "1.2", f"1.{an_id(1)}", f"1.{an_id(1)}.x", "1" * 19, "1." + "A" * 25 + ".1"):
        with pytest.raises(InvalidInput):
            Place.parse(wrong)


def test_a_place_of_another_database_is_refused(store: Store) -> None:
    """A place that this database never gave is refused: entries may have been written under lower numbers since."""
    begin(store, State.COMPLETED)
    entry = store.journal.after(Place(0), 9)[-1]
    for right in (Place(0), store.journal.end(), entry.place):
        store.journal.check_place(right)
    number, rotation, seq = entry.place.number, entry.place.rotation, entry.place.seq
    for wrong in (
        Place(10**17),
        Place(number + 1, rotation, seq),
        Place(number, rotation, 99),
        Place(number, an_id(9), 1),
    ):
        with pytest.raises(Stale):
            store.journal.check_place(wrong)


@pytest.mark.postgresql
def test_a_dump_of_another_server(store: Store) -> None:
    """Entries with the numbers of another server come before all others once the database was brought up to date."""
    if store._database.is_sqlite:
        pytest.skip("SQLite's numbers are the file's own")
    begin(store, State.COMPLETED)
    with store._database.writing() as tx:
        tx.execute(text("UPDATE journal SET commit_number = commit_number + 1000000000"))
    assert [] == store.journal.after(Place(0), 9)
    store.migrate()
    place = store.journal.end()
    assert [0] * 5 == [each.place.number for each in store.journal.after(Place(0), 9)]
    assert [] == store.journal.after(place, 9)

"""The read model: pages of rotations and connections, filtered and in order, without what no list shows."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support.factories import NOW, a_connection, a_rotation, add, begin, carry
from support.randomness import FakeRandom

from persistence import read_model
from persistence.read_model import ConnectionFilter, Only, Page, RotationFilter
from persistence.store import Store
from states import ids
from states.connection import Options
from states.rotation import Ending, Rotation
from states.state import State
from states.summary import RotationSummary
from states.table import ABANDON

HOUR = timedelta(hours=1)
RANDOM = FakeRandom()


def fill(store: Store) -> None:
    """Store, hour by hour: two completed rotations of acme, an abandoned and a parked one, and one under way."""
    for hour in (0, 1):
        carry(store, begin_at(store, "acme", hour), State.COMPLETED)
    for hour, name in ((2, "beta"), (3, "beta"), (4, "gamma")):
        if hour != 3:
            store.connections.add(a_connection(name=name))
        claim = begin_at(store, name, hour, reason="Renewal of 100%")
        if hour == 4:
            carry(store, claim, State.UPLOADED_TO_NETSUITE)
            continue
        failed = carry(store, claim, State.FAILED).rotation
        if hour == 2:
            ended = replace(failed, ending=Ending.ABANDONED, updated_at=NOW, closed_at=NOW)
            store.rotations.write(failed, ended, event=ABANDON, actor="ada", detail={})


def begin_at(store: Store, connection: str, hour: int, *, reason: str = "") -> Any:
    """Request and claim a rotation whose id tells the hour, as real ids do."""
    now = NOW + hour * HOUR
    rotation = a_rotation(id=ids.new_id(now, RANDOM), connection=connection, now=now, reason=reason)
    add(store, rotation)
    claim = store.claims.claim("w1", lease=60, now=now, rotation_id=rotation.id)
    assert claim
    return claim


def whole(page: Callable[..., Page[Any]], limit: int = 2) -> list[Any]:
    """Everything on all pages, which hold at most ``limit`` each."""
    found, after = [], None
    while True:
        part = page(after=after, limit=limit)
        assert len(part.items) <= limit
        found += part.items
        if part.following is None:
            return found
        after = part.following


FILTERS: dict[str, tuple[RotationFilter, Callable[[Rotation], bool]]] = {
    "all": (RotationFilter(), lambda _: True),
    "connection": (RotationFilter(connection="beta"), lambda each: each.connection == "beta"),
    "no such connection": (RotationFilter(connection="delta"), lambda _: False),
    "state": (RotationFilter(states=[State.FAILED]), lambda each: each.state is State.FAILED),
    "states": (
        RotationFilter(states=[State.FAILED, State.COMPLETED]),
        lambda each: each.state in (State.FAILED, State.COMPLETED),
    ),
    "connection and state": (
        RotationFilter(connection="acme", states=[State.FAILED]),
        lambda each: each.connection == "acme" and each.state is State.FAILED,
    ),
    "open": (RotationFilter(only=Only.OPEN), lambda each: each.is_open),
    "parked": (RotationFilter(only=Only.PARKED), lambda each: each.is_open and each.state is State.FAILED),
    "open of a connection": (
        RotationFilter(connection="beta", only=Only.OPEN),
        lambda each: each.connection == "beta" and each.is_open,
    ),
    "open in a state": (
        RotationFilter(only=Only.OPEN, states=[State.UPLOADED_TO_NETSUITE]),
        lambda each: each.state is State.UPLOADED_TO_NETSUITE,
    ),
    "since": (RotationFilter(since=NOW + 2 * HOUR), lambda each: each.created_at >= NOW + 2 * HOUR),
    "failed since": (
        RotationFilter(states=[State.FAILED], since=NOW + 3 * HOUR),
        lambda each: each.state is State.FAILED and each.created_at >= NOW + 3 * HOUR,
    ),
    "text of a connection": (RotationFilter(text="GAMM"), lambda each: each.connection == "gamma"),
    "text of a code": (RotationFilter(text="sign"), lambda each: each.state is State.FAILED),
    "text taken literally": (RotationFilter(text="100%"), lambda each: each.connection != "acme"),
    "text of nothing": (RotationFilter(text="1_0"), lambda _: False),
    "text in a state": (
        RotationFilter(text="beta", states=[State.FAILED]),
        lambda each: each.connection == "beta",
    ),
}


@pytest.mark.parametrize("case", FILTERS)
def test_pages_hold_what_the_filter_says(store: Store, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    """Page by page, the newest first, the list is what a look at each rotation finds; however little one examines."""
    fill(store)
    wanted, is_wanted = FILTERS[case]
    expected = [RotationSummary.of(each) for each in store.rotations.newest() if is_wanted(each)]
    for examined in (read_model.EXAMINED, 3, 1):
        monkeypatch.setattr(read_model, "EXAMINED", examined)
        assert expected == whole(lambda **part: store.rotations.page(wanted, **part))


def test_a_page_examines_no_more_than_it_may(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only reading finds a text, a page ends early and says where the next one goes on."""
    fill(store)
    monkeypatch.setattr(read_model, "EXAMINED", 2)
    first = store.rotations.page(RotationFilter(text="acme"))
    assert ([], store.rotations.newest()[1].id) == (first.items, first.following)


def test_a_list_goes_on_where_it_ended(store: Store) -> None:
    """A rotation that begins between two pages is on neither, and none is on both."""
    fill(store)
    before = [each.id for each in store.rotations.newest()]
    first = store.rotations.page(limit=2)
    store.connections.add(a_connection(name="delta"))
    begin_at(store, "delta", 5)
    rest = store.rotations.page(after=first.following)
    assert before == [each.id for each in (*first.items, *rest.items)]
    assert rest.following is None


def test_connections_come_by_name(store: Store) -> None:
    """Page by page; a text is a part of the name, the account or the place in OpenAir."""
    for name in ("zeta", "beta", "gamma"):
        store.connections.add(a_connection(name=name))
    completed = carry(store, begin(store), State.COMPLETED).rotation
    names = ["acme", "beta", "gamma", "zeta"]
    assert names == [each.name for each in whole(store.connections.page, 3)]
    assert names == [each.name for each in store.connections.all()]
    found = whole(lambda **part: store.connections.page(ConnectionFilter(text="ETA"), **part), 1)
    assert ["beta", "zeta"] == [each.name for each in found]
    assert ["acme"] == [each.name for each in store.connections.page(ConnectionFilter(text="1234567_sb1")).items]
    assert ["acme"] == [each.name for each in store.connections.page(ConnectionFilter(text="//acme.app")).items]
    shown, kept = store.connections.page(limit=1).items[0], store.connections.get("acme")
    assert completed.proofs.candidate
    assert shown.current
    assert completed.proofs.candidate.fingerprint == shown.current.fingerprint
    for field in ("netsuite", "openair", "options", "policy", "bundles", "version", "due_at", "is_automatic"):
        assert getattr(kept, field) == getattr(shown, field)


def test_what_no_schedule_rotates_is_looked_at_earlier(store: Store) -> None:
    """A certificate that a schedule renews is none of what comes by then, and one that nothing renews is."""
    store.connections.add(a_connection(name="by-hand", options=Options(oauth2=False)))
    for number, name in enumerate(("acme", "by-hand"), start=1):
        carry(store, begin(store, number=number, connection=name), State.COMPLETED)
    ends = store.connections.get("by-hand").current
    assert ends
    soon, before, after = NOW - HOUR, ends.not_after, ends.not_after + HOUR
    for by_hand, expected in ((before, []), (after, ["by-hand"])):
        assert expected == [each.name for each in store.deadlines.until(soon, by_hand=by_hand)]


def test_what_comes_soon(store: Store) -> None:
    """The connections of which something is due by then, the next automatic rotations, and how many there are."""
    store.connections.add(a_connection(name="beta", due_at=NOW + 10 * HOUR))
    store.connections.add(a_connection(name="gamma", due_at=NOW, options=Options(oauth2=False)))
    carry(store, begin(store), State.COMPLETED)
    deadlines = store.deadlines
    assert [["acme"], ["acme", "beta"], ["acme", "beta"]] == [
        [each.name for each in deadlines.until(NOW + hours * HOUR)] for hours in (1, 11, 366 * 24)
    ]
    assert ([(NOW, "acme"), (NOW + 10 * HOUR, "beta")], [(NOW, "acme")]) == (
        deadlines.coming(10),
        deadlines.coming(1),
    )
    begin(store, number=2)
    assert ([(NOW + 10 * HOUR, "beta")], 3) == (deadlines.coming(10), store.connections.count())


def test_connections_of_some_names(store: Store) -> None:
    """A page can be of some names only, and of those only some."""
    for name in ("beta", "gamma"):
        store.connections.add(a_connection(name=name))
    page = store.connections.page(ConnectionFilter(text="a", names=["gamma", "acme", "unknown"]), limit=1)
    rest = store.connections.page(ConnectionFilter(text="a", names=["gamma", "acme"]), after=page.following)
    assert [["acme"], ["gamma"]] == [[each.name for each in some.items] for some in (page, rest)]

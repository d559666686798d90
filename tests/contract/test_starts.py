"""A program's start of a rotation: asked for again, it starts one only."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from contract.test_journal import tamper
from support.clock import FakeClock

from orchestrator.adapters.system import SystemRandom
from orchestrator.operations.rotations import Rotations
from orchestrator.operations.starts import REMEMBERED, Start, Starts
from persistence.store import Store
from states.connection import OnRefusal
from states.errors import InvalidInput, NotFound, RotationOpen, Stale, Unknown

WANTED = Start(
    connection="acme",
    actor="token:nightly",
    reason="quarterly",
    key="one",
    version=0,
    follows="",
    on_refusal=OnRefusal.RESTORE,
)


@pytest.fixture
def rotations(store: Store) -> Rotations:
    return Rotations(store, FakeClock(), SystemRandom(), worker="tester", lease=60)


@pytest.fixture
def starts(store: Store, rotations: Rotations) -> Starts:
    return Starts(store, rotations)


def test_a_start_makes_what_is_wanted(store: Store, starts: Starts) -> None:
    """The rotation has the actor, reason and policy that were given, and its journal the key."""
    made, is_new = starts.start(WANTED)
    assert ("acme", "token:nightly", "quarterly", OnRefusal.RESTORE, True) == (
        *(made.connection, made.actor, made.reason, made.policy.on_refusal, is_new),
    )
    assert "one" == store.journal.of(made.id)[0].detail["idempotency_key"]


def test_a_repetition_finds_what_was_started(store: Store, starts: Starts, rotations: Rotations) -> None:
    """The same key of the same actor finds its rotation, also after the connection changed and was rotated since."""
    made, _ = starts.start(WANTED)
    rotations.park(made.id, actor="ada")
    store.connections.save(replace(store.connections.get("acme"), bundles={}))
    assert (made.id, False) == _of(starts.start(WANTED))
    assert (made.id, False) == _of(starts.start(replace(WANTED, version=7, follows="other")))
    assert 1 == len(store.rotations.newest())


@pytest.mark.parametrize("other", [{"reason": "another"}, {"on_refusal": OnRefusal.PARK}])
def test_a_key_is_for_one_request(store: Store, starts: Starts, other: dict[str, object]) -> None:
    """The same key with another reason or policy is refused, and names the rotation that it started."""
    made, _ = starts.start(WANTED)
    message = f"^This key was used for another request, which started rotation {made.id}[.]$"
    with pytest.raises(InvalidInput, match=message):
        starts.start(replace(WANTED, **other))  # type: ignore[arg-type]
    assert 1 == len(store.rotations.newest())


@pytest.mark.parametrize("other", [{"key": "two"}, {"actor": "token:other"}])
def test_another_key_or_actor_is_another_request(starts: Starts, other: dict[str, object]) -> None:
    """It does not find the rotation, which is open: a second one is refused."""
    made, _ = starts.start(WANTED)
    with pytest.raises(RotationOpen):
        starts.start(replace(WANTED, follows=made.id, **other))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seen", "error"),
    [({"version": 1}, Stale), ({"follows": "01M8556X"}, Stale), ({"connection": "unknown"}, NotFound)],
)
def test_what_was_seen_is_over(store: Store, starts: Starts, seen: dict[str, object], error: type[Exception]) -> None:
    """Where the connection is not as the program saw it, nothing is requested."""
    with pytest.raises(error):
        starts.start(replace(WANTED, **seen))  # type: ignore[arg-type]
    assert [] == store.rotations.newest()


def test_a_changed_connection_is_named(starts: Starts) -> None:
    """The refusal says which connection was changed, and that nothing was requested."""
    with pytest.raises(Stale, match=r"^Connection acme was changed meanwhile; no rotation was requested\.$"):
        starts.start(replace(WANTED, version=1))


@pytest.mark.parametrize("error", [RotationOpen(), Stale(), Unknown("The database went away.")])
def test_what_was_stored_meanwhile_is_found(
    starts: Starts, rotations: Rotations, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Where another process was first with this request, or its answer was lost, its rotation is found."""
    request, stored = rotations.request, []

    def first(*arguments: object, **options: object) -> None:
        stored.append(request(*arguments, **options))  # type: ignore[arg-type]
        raise error

    monkeypatch.setattr(rotations, "request", first)
    found = starts.start(WANTED)
    assert (stored[0].id, False) == _of(found)


@pytest.mark.parametrize("error", [RotationOpen(), Stale(), Unknown("The database went away.")])
def test_what_was_not_stored_is_an_error(
    starts: Starts, rotations: Rotations, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Where no rotation is found afterwards, the error is raised as it was."""
    monkeypatch.setattr(rotations, "request", _raise(error))
    with pytest.raises(type(error)) as caught:
        starts.start(WANTED)
    assert error is caught.value


def test_a_removed_journal_has_no_key(store: Store, starts: Starts) -> None:
    """Where someone removed a rotation's journal, its key is not found, and the rotation is open all the same."""
    made, _ = starts.start(WANTED)
    tamper(store, "DELETE FROM journal")
    with pytest.raises(RotationOpen):
        starts.start(replace(WANTED, follows=made.id))


def test_so_many_rotations_are_remembered(store: Store, starts: Starts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is looked for in the newest twenty rotations of its connection."""
    asked: list[object] = []
    newest = store.rotations.newest

    def watched(**options: object) -> object:
        asked.append(options)
        return newest(**options)  # type: ignore[arg-type]

    monkeypatch.setattr(store.rotations, "newest", watched)
    starts.start(WANTED)
    assert [{"connection": "acme", "limit": REMEMBERED}] == asked
    assert 20 == REMEMBERED


def _of(found: tuple[object, bool]) -> tuple[object, bool]:
    rotation, is_new = found
    return getattr(rotation, "id", None), is_new


def _raise(error: Exception) -> Callable[..., None]:
    def work(*_: object, **__: object) -> None:
        raise error

    return work

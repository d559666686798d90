"""The console's pages over real HTTP: what the forms of the verbs do."""

import re

import pytest
from integration.fixture_types import Rotate
from support.console import RunningConsole, running_worker
from support.environment import NAME, connect
from support.request_history import installed, saved

from orchestrator.bootstrap import Keyturn
from orchestrator.operations.status import Group
from simulator import Fault, Simulator
from states.connection import OnRefusal, OpenAirKind, OpenAirSettings
from states.rotation import Ending
from states.state import State


def test_a_rotation_from_the_tips_menu(app: Keyturn, console: RunningConsole, simulator: Simulator) -> None:
    """The page rehearses, and sends nothing; the form requests the rotation with its reason, and leads to its page."""
    rehearsed = console.text(f"/connections/{NAME}/rotate")
    assert "Sent to OpenAir a new certificate without a key, once NetSuite has signed with it" in rehearsed
    history = simulator.history.entries()
    assert ([], []) == (installed(history), saved(history))
    fields = {"follows": "", "reason": "a contractor saw the key", "on_refusal": "restore"}
    answer = console.post(f"/connections/{NAME}/rotate", fields)
    requested = app.rotations.show(NAME)
    assert (303, f"/rotations/{requested.id}") == (answer.status_code, answer.headers["location"])
    assert ("ada", "a contractor saw the key", OnRefusal.RESTORE) == (
        requested.actor,
        requested.reason,
        requested.policy.on_refusal,
    )
    assert "No worker is alive" in console.text(answer.headers["location"])
    assert "A rotation of this connection is open." in console.text(f"/connections/{NAME}/rotate")
    with running_worker(app):
        for moved in app.rotations.watch(requested.id):
            assert moved.is_open or State.COMPLETED is moved.state
    again = console.post(f"/connections/{NAME}/rotate", fields)
    assert (412, 1) == (again.status_code, len(list(app.lists.rotations().items)))


def test_a_parked_rotation(app: Keyturn, console: RunningConsole, rotate: Rotate, park: Rotate) -> None:
    """Its page has the outage's clock, the way, the two sides when asked, what happened, and the reason against each
    verb that is not possible.
    """
    rotate()
    parked = park()
    answer = console.get(f"/rotations/{parked.id}")
    assert re.search(r"<title>● [\d.]+ s outage · acme</title>", answer.text)
    assert ["done", "done", "failed", "ahead", "ahead"] == re.findall(
        r'<li class="(done|current|failed|ahead)"', answer.text
    )
    shown = console.text(f"/rotations/{parked.id}?ask=1")
    for words in (
        "Imports are refused since",
        "“quarterly”",
        "OpenAir refused the request (Modify, code 602).",
        "this rotation's certificate",
        "≠",
        "It was not parked because of a foreign certificate.",
        f"keyturn rotation resume {parked.id}",
    ):
        assert words in shown
    sides = app.health.sides(NAME)
    assert ("candidate", "current", False) == (sides.netsuite.role, sides.openair.role, sides.agree)
    assert parked.id in console.text("/rotations?group=parked&q=quarterly")
    assert "No rotation matches." in console.text("/rotations?group=completed&q=quarterly")
    assert "Not possible now The rotation is parked" not in console.text(f"/rotations/{parked.id}/park")
    assert "It is parked already." in console.text(f"/rotations/{parked.id}/park")


@pytest.mark.parametrize("endpoint", ["openair.api", "netsuite.restlet"])
def test_a_side_that_cannot_be_asked(
    app: Keyturn, console: RunningConsole, simulator: Simulator, rotate: Rotate, endpoint: str
) -> None:
    """A side that cannot be asked says so, and it is not said whether the two agree."""
    done = rotate()
    simulator.faults.add(Fault(endpoint, "302", times=None))
    assert app.health.sides(NAME).agree is None
    assert "not known whether they agree" in console.text(f"/rotations/{done.id}?ask=1")


def test_a_rotation_is_restored(app: Keyturn, console: RunningConsole, rotate: Rotate, park: Rotate) -> None:
    """The form of a verb does it as the person, with the reason, once; its page said what cannot be undone."""
    rotate()
    parked = park()
    path = f"/rotations/{parked.id}/restore"
    assert "This cannot be undone: The rotation is closed" in console.text(path)
    fields = {"version": parked.version, "reason": "OpenAir is frozen"}
    assert 303 == console.post(path, fields).status_code
    assert 412 == console.post(path, fields).status_code
    closed = app.rotations.show(parked.id)
    entry = app.rotations.journal(parked.id)[-1]
    assert (Ending.RESTORED, "OpenAir is frozen") == (closed.ending, entry.detail["reason"])
    assert "restored" in console.text(f"/rotations/{parked.id}")


def test_a_postponed_rotation_is_carried_at_once(app: Keyturn, console: RunningConsole, simulator: Simulator) -> None:
    """A person has it tried again now: this process carries it, though no worker runs."""
    simulator.faults.add(Fault("netsuite.restlet", "503", times=None))
    _, claim = app.rotations.request_and_claim(NAME, actor="bob")
    assert claim
    with app.engine() as engine:
        postponed = engine.run(claim)
    assert [NAME] == list(app.status.overview().groups[Group.POSTPONED])
    simulator.faults.clear()
    path = f"/rotations/{postponed.id}/carry"
    assert "The step that is due is done now" in console.text(path)
    assert 303 == console.post(path, {"version": postponed.version}).status_code
    assert State.COMPLETED is [*app.rotations.watch(postponed.id)][-1].state
    assert 412 == console.post(path, {"version": postponed.version}).status_code


def test_a_certificate_is_saved_by_hand(app: Keyturn, console: RunningConsole, simulator: Simulator) -> None:
    """Where a person saves the certificate, the page asks when they are ready, and for what they read in OpenAir."""
    app.connections.remove(app.connections.show(NAME), actor="tester")
    connect(app, simulator.credentials, openair=OpenAirSettings(kind=OpenAirKind.EXPORT))
    asked, claim = app.rotations.request_and_claim(NAME, actor="bob")
    assert claim
    with app.engine() as engine:
        waiting = engine.run(claim)
    begin = f"/rotations/{asked.id}/begin"
    assert begin in console.get(f"/rotations/{asked.id}").text
    assert "imports are refused until you have saved" in console.text(begin)
    assert 303 == console.post(begin, {"version": waiting.version}).status_code
    claim = app.store.claims.claim("test", lease=15, now=app.clock.now(), rotation_id=asked.id)
    assert claim
    with app.engine() as engine:
        waiting = engine.run(claim)
    confirm = f"/rotations/{asked.id}/confirm"
    assert "What OpenAir shows" in console.text(confirm)
    assert waiting.proofs.candidate
    wrong, right = "00" * 32, waiting.proofs.candidate.fingerprint
    assert "but this rotation made" in console.text(f"{confirm}?fingerprint={wrong}")
    assert 422 == console.post(confirm, {"version": waiting.version, "fingerprint": wrong}).status_code
    assert "Do it" in console.text(f"{confirm}?fingerprint={right}")
    assert 303 == console.post(confirm, {"version": waiting.version, "fingerprint": right}).status_code
    assert not app.rotations.show(asked.id).awaits_person

"""Where two people close a rotation, each face asks for the second one, over real HTTP."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.fixture_types import Carry
from integration.recovery.environment import NO_SAVE
from support.api import Program, add_token
from support.console import PASSWORD, RunningConsole, running_console
from support.environment import NAME, connect, keyturn
from support.polling import until
from support.request_history import installed

from orchestrator.bootstrap import Keyturn
from simulator import Simulator
from states.access import Role
from states.certificate import Certificate
from states.rotation import Ending, Rotation


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, simulator: Simulator) -> Iterator[Keyturn]:
    """An installation that asks for two people."""
    with keyturn(tmp_path, monkeypatch, KEYTURN_RECOVERY__SECOND_APPROVAL="true") as running:
        connect(running, simulator.credentials)
        yield running


@pytest.fixture
def console(app: Keyturn) -> Iterator[RunningConsole]:
    with running_console(app) as running:
        yield running


def signed_in(app: Keyturn, console: RunningConsole, name: str, role: Role = Role.OPERATOR) -> RunningConsole:
    """Another browser in which this person is signed in."""
    app.accounts.add(name, role, PASSWORD, actor="root")
    person = console.another()
    person.sign_in_as(name, PASSWORD)
    return person


def press(person: RunningConsole, path: str, reason: str) -> int:
    """Open a verb's page, give the reason, and send its form; return the answer's status."""
    page = person.get(path).text
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    return person.post(path.partition("?")[0], {**fields, "reason": reason}).status_code


def test_two_people_at_the_console(
    app: Keyturn, console: RunningConsole, simulator: Simulator, stuck: Rotation, first: Certificate
) -> None:
    """One person asks; the overview, the list and the rotation's page say so, and lead another one to approve it. The
    first one cannot, nor a viewer, nor can anyone ask for something else meanwhile.
    """
    ada, bob = (signed_in(app, console, name) for name in ("ada", "bob"))
    carol = signed_in(app, console, "carol", Role.VIEWER)
    page = f"/rotations/{stuck.id}"
    before = len(installed(simulator.history.entries()))
    assert "Ask for approval: Restore the previous certificate" in ada.text(f"{page}/restore")
    assert 303 == press(ada, f"{page}/restore", "OpenAir is closed")
    request = app.rotations.show(stuck.id).circumstances.approval
    assert request
    approve = f"{page}/restore?approves={request.number}"
    for where in ("/", page):
        assert "ada asks to restore it: “OpenAir is closed”. Another person has to approve that." in bob.text(where)
        assert f'href="{approve}"' in bob.get(where).text
        assert "Approve: Restore the previous certificate needs the role operator" in carol.text(where)
    assert f"keyturn rotation restore {stuck.id} --approves {request.number}" in bob.text(page)
    assert "ada's request to restore it waits: approve or withdraw that first." in bob.text(page)
    assert f'href="{page}/restore"' not in bob.get(page).text
    assert "ada asked for it, so that someone else has to approve it." in ada.text(approve)
    form = {"version": request.version, "reason": "x", "approves": request.number}
    assert 409 == ada.post(f"{page}/restore", form).status_code
    assert "Not possible now ada asks to restore it" in bob.text(f"{page}/restore")
    for wrong in ("x", "-1", "1" * 20):
        assert 422 == bob.get(f"{page}/restore?approves={wrong}").status_code
    assert before == len(installed(simulator.history.entries()))
    assert "Sent to NetSuite the previous certificate with its private key" in bob.text(approve)
    assert 303 == press(bob, approve, "I looked")
    assert Ending.RESTORED is app.rotations.show(stuck.id).ending
    assert first.fingerprint == installed(simulator.history.entries())[-1]
    shown = bob.text(page)
    assert "restored by bob, as ada had asked" in shown
    assert "“I looked”" in shown
    assert "“OpenAir is closed”" in shown


def test_a_request_is_withdrawn_at_the_console(app: Keyturn, console: RunningConsole, stuck: Rotation) -> None:
    """A request can be taken back from its rotation's page; then the page leads to the ordinary next action."""
    ada = signed_in(app, console, "ada")
    page = f"/rotations/{stuck.id}"
    assert "Withdraw" not in ada.text(page)
    assert 303 == press(ada, f"{page}/restore", "OpenAir is closed")
    assert f'href="{page}/withdraw"' in ada.get(page).text
    assert 303 == press(ada, f"{page}/withdraw", "it is open again")
    assert app.rotations.show(stuck.id).circumstances.approval is None
    shown = ada.text(page)
    assert "asks for approval" not in shown
    assert "request for approval to restore it withdrawn by ada" in shown
    assert "No request waits for approval." in ada.text(f"{page}/withdraw")


def test_two_programs(app: Keyturn, console: RunningConsole, stuck: Rotation) -> None:
    """A program's verb is answered 202 with the request; an approval that is none is 409 with its code, at once."""
    one, other = (Program(console.port, add_token(app, name, Role.OPERATOR)) for name in ("one", "other"))
    path = f"/rotations/{stuck.id}"
    asked = one.ask("POST", f"{path}/restore", {"reason": "closed"}, If_Match=one.tag(path))
    request = asked.json()["approval"]
    assert (202, "token:one", "restore", "closed", False) == (
        *(asked.status_code, request["actor"], request["verb"], request["reason"], request["overwrite"]),
    )
    assert request == other.get(path).json()["rotation"]["approval"]
    number = request["number"]
    refusals = (
        (one, "restore", {"approves": number}, "SAME_PERSON"),
        (other, "restore", {"approves": number + 1}, "APPROVAL_MISSING"),
        (other, "restore", {"approves": number, "overwrite": True}, "APPROVAL_DIFFERS"),
        (other, "restore", {}, "APPROVAL_PENDING"),
    )
    for program, verb, more, code in refusals:
        answer = program.ask("POST", f"{path}/{verb}", {"reason": "x", **more}, If_Match=other.tag(path))
        assert (409, code) == (answer.status_code, answer.json()["code"])
        assert not answer.json()["kept"]["changed"]
    done = other.ask("POST", f"{path}/restore", {"reason": "seen", "approves": number}, If_Match=other.tag(path))
    assert 202 == done.status_code
    until(lambda: app.rotations.show(stuck.id).ending is Ending.RESTORED)
    last = app.rotations.journal(stuck.id)[-1]
    assert ("token:other", "token:one") == (last.actor, last.detail["asked_by"])
    withdrawn = other.ask("POST", f"{path}/withdraw", {"reason": "x"}, If_Match=other.tag(path))
    assert (409, "APPROVAL_MISSING") == (withdrawn.status_code, withdrawn.json()["code"])


def test_no_outage_waits(app: Keyturn, simulator: Simulator, first: Certificate, carry: Carry) -> None:
    """What Keyturn restores by itself needs no approval: the outage of a scheduled rotation ends without a person."""
    simulator.faults.add(NO_SAVE)
    parked = carry(app.rotations.request(NAME, actor="schedule", scheduled=True))
    assert parked.failure
    assert Ending.RESTORED is carry(parked).ending
    assert first.fingerprint == installed(simulator.history.entries())[-1]

"""The verbs of the API over real HTTP: what they do, and that a repeated request starts one rotation."""

import json
import threading
from datetime import timedelta

import pytest
from integration.api.api_calls import BODY, ended, events, park, start
from integration.fixture_types import Rotate
from support.api import Program, add_token
from support.clock import OffsetClock
from support.console import running_worker
from support.environment import NAME
from support.polling import until
from support.request_history import installed, saved

from orchestrator.bootstrap import Keyturn
from simulator import Fault, Simulator
from states.access import Role
from states.next_action import Verb
from states.state import State


def test_a_rotation_is_started_and_followed(app: Keyturn, operator: Program) -> None:
    """A started rotation is carried by a worker to its end; the journal has the token's name and the reason; its events
    come in order, and go on after the last one that a program has.
    """
    status, made = start(operator)
    assert (201, "token:nightly", BODY["reason"]) == (status, made["actor"], made["reason"])
    with running_worker(app):
        stream = events(operator, str(made["id"]))
    seqs = [each["seq"] for each in stream]
    assert (list(range(1, len(seqs) + 1)), State.COMPLETED) == (seqs, stream[-1]["to"])
    assert ("token:nightly", BODY["reason"]) == (stream[0]["actor"], stream[0]["detail"]["reason"])
    assert stream[2:] == events(operator, str(made["id"]), last="2")
    assert 204 == operator.get(f"/events?rotation={made['id']}", Last_Event_ID=str(seqs[-1])).status_code


def test_a_repeated_start_starts_one(app: Keyturn, operator: Program) -> None:
    """A start that is repeated, also with an older ETag or at the same moment, finds the rotation that it started; the
    same key for another request is refused.
    """
    tag = operator.tag(f"/connections/{NAME}")
    answers: list[tuple[int, str]] = []

    def ask() -> None:
        program = Program(operator.port, operator.secret)
        headers = {"If_Match": tag, "Idempotency_Key": "one"}
        answer = program.ask("POST", f"/connections/{NAME}/rotations", BODY, **headers)
        answers.append((answer.status_code, str(answer.json().get("id"))))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    ask()
    assert ([200, 200, 200, 200, 201], 1) == (sorted(each for each, _ in answers), len({each for _, each in answers}))
    assert 1 == len(list(app.lists.rotations().items))
    headers = {"If_Match": tag, "Idempotency_Key": "one"}
    other = operator.ask("POST", f"/connections/{NAME}/rotations", {"reason": "another"}, **headers)
    assert (422, "INVALID_INPUT") == (other.status_code, other.json()["code"])


def test_a_start_on_what_is_over(app: Keyturn, operator: Program, rotate: Rotate) -> None:
    """A start that names what was seen before another rotation is refused by the store."""
    tag = operator.tag(f"/connections/{NAME}")
    done = rotate()
    headers = {"If_Match": tag, "Idempotency_Key": "one"}
    answer = operator.ask("POST", f"/connections/{NAME}/rotations", BODY, **headers)
    assert (412, "STALE") == (answer.status_code, answer.json()["code"])
    assert done.id == answer.json()["kept"]["rotation"]["id"] == next(iter(app.lists.rotations().items)).id


@pytest.mark.parametrize("verb", ["resume", "restore"])
def test_a_parked_rotation_is_recovered(
    app: Keyturn, simulator: Simulator, operator: Program, rotate: Rotate, verb: str
) -> None:
    """A rehearsal says what would be sent and changes nothing; the verb does it, once, with who and why."""
    rotate()
    parked = park(app, simulator)
    path = f"/rotations/{parked.id}"
    rehearsed = operator.ask("POST", f"{path}/{verb}?dry_run=true", BODY)
    assert 200 == rehearsed.status_code, rehearsed.text
    assert (True, verb) == (rehearsed.json()["dry_run"], rehearsed.json()["verb"])
    assert parked == app.rotations.show(parked.id)
    before = len(installed(simulator.history.entries()))
    tag = operator.tag(path)
    answer = operator.ask("POST", f"{path}/{verb}", BODY, If_Match=tag)
    assert (200 if verb == "resume" else 202) == answer.status_code, answer.text
    assert f"/api/v1{path}" == answer.headers["location"]
    until(lambda: operator.tag(path) != tag and ended(operator, parked.id))
    assert 412 == operator.ask("POST", f"{path}/{verb}", BODY, If_Match=tag).status_code
    entry = app.rotations.journal(parked.id)[-1]
    assert "token:nightly" in {each.actor for each in app.rotations.journal(parked.id)}
    assert BODY["reason"] == entry.detail["reason"]
    assert (1 if verb == "restore" else 0) == len(installed(simulator.history.entries())) - before


def test_a_verb_that_asks_other_systems_goes_on(
    app: Keyturn, simulator: Simulator, operator: Program, rotate: Rotate
) -> None:
    """It is accepted, and its end is an event, with why it was not done, which the rotation shows too; the rotation is
    as it was.
    """
    rotate()
    parked = park(app, simulator)
    path = f"/rotations/{parked.id}"
    with operator.stream(f"/events?rotation={parked.id}") as answer:
        lines = answer.iter_lines(decode_unicode=True)
        simulator.faults.add(Fault("netsuite.restlet", "302", times=None))
        accepted = operator.ask("POST", f"{path}/restore", BODY, If_Match=operator.tag(path))
        assert (202, f"/api/v1{path}") == (accepted.status_code, accepted.headers["location"])
        assert "event: verb" in lines
        work = json.loads(next(lines).removeprefix("data: "))
    assert (parked.id, "restore", "token:nightly") == (work["rotation"], work["verb"], work["actor"])
    simulator.faults.clear()
    assert "verb" in work["problem"]["next_action"], work
    assert work == operator.get(path).json()["work"]
    assert (State.FAILED, None) == (app.rotations.show(parked.id).state, app.rotations.show(parked.id).ending)
    assert 202 == operator.ask("POST", f"{path}/restore", BODY, If_Match=operator.tag(path)).status_code
    until(lambda: not app.rotations.show(parked.id).is_open)


def test_every_other_verb(app: Keyturn, simulator: Simulator, operator: Program) -> None:
    """Park and resume store a decision, carry is accepted and goes on by itself; a verb that is not possible is refused
    with the reason, and the answer says that the rotation is as it was seen.
    """
    _, made = start(operator)
    path = f"/rotations/{made['id']}"
    refused = operator.ask("POST", f"{path}/abandon", BODY, If_Match=operator.tag(path))
    assert (409, "ILLEGAL_MOVE", False) == (
        refused.status_code,
        refused.json()["code"],
        refused.json()["kept"]["changed"],
    )
    for verb in (Verb.PARK, Verb.RESUME):
        assert 200 == operator.ask("POST", f"{path}/{verb.value}", BODY, If_Match=operator.tag(path)).status_code
    assert 202 == operator.ask("POST", f"{path}/carry", BODY, If_Match=operator.tag(path)).status_code
    until(lambda: app.rotations.show(str(made["id"])).state is State.COMPLETED)
    assert 1 == len(saved(simulator.history.entries()))


def test_a_scheduler_starts_what_is_due(app: Keyturn, operator: Program, rotate: Rotate) -> None:
    """The trigger starts what is due and says what it started; a rehearsal says what that would be; again, it starts
    nothing.
    """
    rotate()
    assert {"started": [], "failed": [], "quiet": []} == operator.ask("POST", "/trigger").json()
    assert isinstance(app.clock, OffsetClock)
    app.clock.ahead = timedelta(days=364)
    operator.secret = add_token(app, "later", Role.OPERATOR)
    assert {"dry_run": True, "due": [NAME]} == operator.ask("POST", "/trigger?dry_run=true").json()
    started = operator.ask("POST", "/trigger").json()
    assert [NAME] == [each["connection"] for each in started["started"]]
    assert "token:later" == app.rotations.show(NAME).actor
    assert [] == operator.ask("POST", "/trigger").json()["started"]

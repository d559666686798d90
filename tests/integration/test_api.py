"""The API over real HTTP: what it shows, what its verbs do, and that a repeated request starts one rotation."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from integration.fixture_types import Rotate
from support import postgresql as postgres
from support.api import Program, add_token
from support.clock import OffsetClock
from support.console import running_console, running_worker
from support.database_writer import EVIL, setting, write
from support.environment import NAME, connect, described, keyturn, secrets
from support.polling import until
from support.request_history import installed, saved

from orchestrator.bootstrap import Keyturn
from orchestrator.secrets import SecretName
from simulator import Fault, Simulator
from states.access import Role
from states.connection import OnRefusal
from states.next_action import Verb
from states.rotation import Rotation
from states.state import State

REFUSED = [Fault("openair.api", "error", action=action, code="602", times=None) for action in ("Add", "Modify")]
BODY = {"reason": "the key was seen"}


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Path]:
    """One PostgreSQL server for the tests of this module."""
    with postgres.server() as socket:
        yield socket


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def app(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, simulator: Simulator
) -> Iterator[Keyturn]:
    """A connected Keyturn on each database."""
    is_local = request.param == "sqlite"
    url = {} if is_local else {"KEYTURN_STORE__URL": postgres.new_database(request.getfixturevalue("postgresql"))}
    with keyturn(tmp_path, monkeypatch, **url) as running:
        assert is_local == running.settings.store_url.startswith("sqlite")
        connect(running, simulator.credentials)
        yield running


@pytest.fixture
def operator(app: Keyturn) -> Iterator[Program]:
    with running_console(app) as running:
        yield Program(running.port, add_token(app, "nightly", Role.OPERATOR))


def park(app: Keyturn, simulator: Simulator) -> Rotation:
    """A rotation that OpenAir refused, with imports refused."""
    simulator.faults.add(*REFUSED)
    _, claim = app.rotations.request_and_claim(NAME, actor="bob", reason="quarterly", on_refusal=OnRefusal.PARK)
    assert claim
    with app.engine() as engine:
        parked = engine.run(claim)
    simulator.faults.clear()
    return parked


def start(operator: Program, key: str = "one", **more: str) -> tuple[int, dict[str, object]]:
    tag = operator.tag(f"/connections/{NAME}")
    headers = {"If_Match": tag, "Idempotency_Key": key, **more}
    answer = operator.ask("POST", f"/connections/{NAME}/rotations", BODY, **headers)
    return answer.status_code, answer.json()


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


def test_a_connection_that_was_changed(app: Keyturn, operator: Program) -> None:
    """The list, the connection and the status say which one someone wrote outside Keyturn."""
    assert [(True, None)] == [
        (each["checked"], each["broken"]) for each in operator.get("/connections").json()["items"]
    ]
    write(app, setting("openair", "url", EVIL))
    changed = f"Connection {NAME} was changed outside Keyturn"
    listed = operator.get("/connections").json()["items"]
    for shown in (*listed, operator.get(f"/connections/{NAME}").json()):
        assert shown["broken"].startswith(changed)
    (concern,) = operator.get("/status").json()["concerns"]
    assert ("TAMPERED", True) == (concern["code"], concern["message"].startswith(changed))


def events(operator: Program, rotation: str, last: str = "0") -> list[dict[str, object]]:
    """Every event of a rotation, until its stream ends."""
    answer = operator.get(f"/events?rotation={rotation}", Last_Event_ID=last)
    assert "text/event-stream; charset=utf-8" == answer.headers["content-type"]
    found = list(fed(answer))
    assert [str(entry["seq"]) for _, entry in found] == [place for place, _ in found]
    return [entry for _, entry in found]


def fed(answer: requests.Response) -> Iterator[tuple[str, dict[str, object]]]:
    """The events of an answer while they come, each with its id."""
    place = ""
    for line in answer.iter_lines(decode_unicode=True):
        name, _, value = line.partition(": ")
        if name == "id":
            place = value
        elif name == "data":
            yield place, json.loads(value)


def test_all_rotations_are_followed(app: Keyturn, operator: Program, rotate: Rotate) -> None:
    """A stream of all rotations begins with what is written from now on, or after the last event that a program has;
    it sends each entry once, with its connection, while it is written.
    """
    before = rotate()
    whole = list(fed(operator.get("/events?follow=false", Last_Event_ID="0")))
    assert [each.seq for each in app.rotations.journal(before.id)] == [entry["seq"] for _, entry in whole]
    assert [] == list(fed(operator.get("/events?follow=false")))
    assert whole[2:] == list(fed(operator.get("/events?follow=false", Last_Event_ID=whole[1][0])))
    with operator.stream("/events") as answer:
        stream = fed(answer)
        done = rotate()
        expected = app.rotations.journal(done.id)
        found = list(islice(stream, len(expected)))
    assert [(NAME, done.id, each.seq) for each in expected] == [
        (entry["connection"], entry["rotation"], entry["seq"]) for _, entry in found
    ]
    assert found[3:] == list(fed(operator.get("/events?follow=false", Last_Event_ID=found[2][0])))


def test_a_stream_begins_at_a_place_of_this_journal(app: Keyturn, operator: Program, rotate: Rotate) -> None:
    """A place that the journal never had is refused: what follows it is not known."""
    rotate()
    for wrong, status in (("x", 422), ("1.2", 422), (f"{10**17}", 412), (f"1.{app.rotations.show(NAME).id}.99", 412)):
        answer = operator.get("/events", Last_Event_ID=wrong)
        assert status == answer.status_code, answer.text


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


def ended(operator: Program, rotation: str) -> bool:
    """Whether nothing goes on in the console's process that a program had begun with the rotation."""
    work = operator.get(f"/rotations/{rotation}").json()["work"]
    return work is None or work["ended_at"] is not None


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
    assert {"started": [], "failed": []} == operator.ask("POST", "/trigger").json()
    assert isinstance(app.clock, OffsetClock)
    app.clock.ahead = timedelta(days=364)
    operator.secret = add_token(app, "later", Role.OPERATOR)
    assert {"dry_run": True, "due": [NAME]} == operator.ask("POST", "/trigger?dry_run=true").json()
    started = operator.ask("POST", "/trigger").json()
    assert [NAME] == [each["connection"] for each in started["started"]]
    assert "token:later" == app.rotations.show(NAME).actor
    assert [] == operator.ask("POST", "/trigger").json()["started"]


def test_what_is_read(app: Keyturn, operator: Program, rotate: Rotate) -> None:
    """Lists come in pages that follow from each other and miss nothing; everything else is what the command line's JSON
    has.
    """
    ids = [rotate().id for _ in range(3)]
    assert ids[::-1] == [each["id"] for each in pages(operator, "/rotations?limit=1")]
    assert [ids[0]] == [each["id"] for each in operator.get(f"/rotations?q={ids[0]}").json()["items"]]
    entries = [entry for each in ids for entry in app.rotations.journal(each)]
    whole = pages(operator, "/journal?limit=2")
    assert [(each.rotation_id, each.seq) for each in reversed(entries)] == [
        (each["rotation"], each["seq"]) for each in whole
    ]
    assert {""} == {each["finding"] for each in whole}
    first = pages(operator, f"/rotations/{ids[0]}/journal?limit=1")
    assert [each.seq for each in app.rotations.journal(ids[0])] == [each["seq"] for each in first]
    assert [NAME] == [each["name"] for each in pages(operator, "/connections?limit=1")]
    one = operator.get(f"/rotations/{ids[0]}").json()
    assert (ids[0], State.COMPLETED) == (one["rotation"]["id"], one["rotation"]["state"])
    assert [] == operator.get(f"/connections/{NAME}/health").json()["problems"]
    assert {"alive": True} == operator.get("/health").json()
    assert {"ready": True} == operator.get("/ready").json()
    assert NAME == operator.get(f"/connections/{NAME}").json()["name"]
    assert 1 == operator.get("/status").json()["connections"]


def pages(operator: Program, path: str) -> list[dict[str, object]]:
    """All items of a list, page after page."""
    found: list[dict[str, object]] = []
    after = ""
    while True:
        page = operator.get(path + after).json()
        found += page["items"]
        if page["next"] is None:
            return found
        after = f"&after={quote(page['next'])}"


def test_drawings(operator: Program, rotate: Rotate) -> None:
    """The states are drawn as SVG and as Mermaid; of a rotation with its state lit."""
    done = rotate()
    assert "image/svg+xml" == operator.get("/diagram").headers["content-type"]
    lit = operator.get(f"/rotations/{done.id}/diagram?format=mermaid").text
    assert ("stateDiagram-v2" in lit, "class Completed lit" in lit) == (True, True)
    assert 422 == operator.get("/diagram?format=png").status_code


def test_the_description(operator: Program) -> None:
    """The API describes itself as OpenAPI 3.1, with an example of each verb's answer and the role of each route."""
    described = operator.get("/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    resume = described["paths"]["/api/v1/rotations/{rotation}/resume"]["post"]
    assert ("operator", True) == (
        resume["x-role"],
        "example" in resume["responses"]["200"]["content"]["application/json"],
    )


def test_a_connection_is_added_changed_and_removed(
    app: Keyturn, simulator: Simulator, operator: Program, rotate: Rotate, caplog: pytest.LogCaptureFixture
) -> None:
    """An administrator's program adds a connection, with which Keyturn signs in to both systems, changes it and removes
    it, each time as it was seen; no answer and no log has a secret.
    """
    wanted, given = described(simulator.credentials), secrets(simulator.credentials)
    app.connections.remove(app.connections.show(NAME), actor="ada")
    administrator = Program(operator.port, add_token(app, "terraform", Role.ADMINISTRATOR))
    body = {
        "name": NAME,
        "netsuite": {
            name: getattr(wanted.netsuite, name)
            for name in ("account", "client_id", "certificate_id", "restlet_url", "token_url")
        },
        "openair": {name: getattr(wanted.openair, name) for name in ("url", "client_id", "namespace")},
        "policy": {"algorithm": "ec-p256"},
        "bundles": dict(wanted.bundles),
        "secrets": {name.name.lower(): value for name, value in given.items()},
    }
    answers = [administrator.ask("POST", "/connections", body)]
    assert (201, f"/api/v1/connections/{NAME}") == (answers[0].status_code, answers[0].headers["location"])
    assert given.keys() == {name for name in SecretName if answers[0].json()["secrets"][name.name.lower()]}
    assert State.COMPLETED is rotate().state
    answers.append(administrator.ask("POST", "/connections", body))
    old, tag = answers[0].headers["etag"], administrator.tag(f"/connections/{NAME}")
    change = {"policy": {"days": 90}, "bundles": {"369637": ""}}
    answers += [administrator.ask("PATCH", f"/connections/{NAME}", change, If_Match=each) for each in (old, tag, tag)]
    answers.append(administrator.ask("DELETE", f"/connections/{NAME}", If_Match=tag))
    assert [201, 409, 412, 200, 412, 412] == [each.status_code for each in answers], [each.text for each in answers]
    changed = app.connections.show(NAME)
    assert (90, {"369630": "4.02"}, wanted.netsuite) == (changed.policy.days, changed.bundles, changed.netsuite)
    assert State.COMPLETED is rotate().state
    tag = administrator.tag(f"/connections/{NAME}")
    assert 204 == administrator.ask("DELETE", f"/connections/{NAME}", If_Match=tag).status_code
    assert 404 == administrator.get(f"/connections/{NAME}").status_code
    said = "".join(each.text for each in answers) + caplog.text
    assert [] == [name for name, value in given.items() if value in said or repr(value)[1:-1] in said]

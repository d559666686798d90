"""The console's pages across connections and rotations: the journal, the workers, expiries and bulk rotations."""

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape

import pytest
from integration.fixture_types import Rotate
from sqlalchemy import text as sql
from support.console import RunningConsole
from support.database_writer import EVIL, setting, write
from support.environment import NAME, netsuite

from orchestrator.bootstrap import Keyturn
from orchestrator.operations.workers import Condition, Role
from simulator import Fault, Simulator
from states.connection import Algorithm, Connection, OpenAirKind, OpenAirSettings, Options, Policy
from states.rotation import Rotation


def following(console: RunningConsole, path: str) -> str:
    """The address of the next page."""
    return unescape(re.findall(r'rel="next" href="([^"]*)"', console.get(path).text)[0])


def test_the_journal(app: Keyturn, console: RunningConsole, rotate: Rotate, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal has every entry with its check, filters and pages by its address, and says what was changed."""
    assert "Nothing has happened yet." in console.text("/journal")
    done = rotate()
    shown = console.text("/journal")
    for words in ("Requested initial, asked by", "SavedToOpenAir", "as written", NAME):
        assert words in shown
    assert f'id="entry-{done.id}-5"' in console.get(f"/journal?connection={NAME}&event=verify&since=1h").text
    assert f'id="entry-{done.id}-4"' not in console.get("/journal?event=verify").text
    assert "No entry matches." in console.text(f"/journal?rotation={NAME}&actor=unknown")
    monkeypatch.setattr("orchestrator.console.journal_page._PAGE", 3)
    older = console.get(following(console, f"/journal?rotation={NAME}")).text
    assert [f"{done.id}-2", f"{done.id}-1"] == re.findall(r'id="entry-([^"]+)"', older)
    for wrong in ("event=x", "since=x", "after=x"):
        assert 422 == console.get(f"/journal?{wrong}").status_code
    for unknown in ("connection=unknown", "rotation=unknown"):
        assert 404 == console.get(f"/journal?{unknown}").status_code
    with app.store._database.writing() as tx:
        tx.execute(sql("UPDATE journal SET actor = 'eve' WHERE seq = 4"))
    assert "1 entry on this page is not as Keyturn wrote it." in console.text(f"/journal?rotation={NAME}")
    assert "Entry 4 of this journal is not as Keyturn wrote it." in console.text(f"/rotations/{done.id}")


def test_a_list_is_kept(app: Keyturn, console: RunningConsole) -> None:
    """A person keeps a search under a name, finds it on that list only, and forgets it; another page is not kept."""
    assert "Keep this view" not in console.text("/rotations")
    page = console.get("/rotations?group=open&q=<acme>&after=").text
    address = unescape(re.findall(r'name="address" value="([^"]*)"', page)[0])
    assert 303 == console.post("/views", {"name": "<mine>", "address": address}).status_code
    assert [("<mine>", "/rotations?group=open&q=%3Cacme%3E")] == [
        (each.name, each.address) for each in app.saved_views.of("ada")
    ]
    shown = console.get(address).text
    assert ("&lt;mine&gt;</a>" in shown, 'aria-current="true">&lt;mine' in shown, "Keep this view" in shown) == (
        *(True, True, False),
    )
    assert "mine" not in console.text("/journal")
    for wrong in ({"name": "x", "address": "https://evil.example"}, {"name": "", "address": address}):
        assert 422 == console.post("/views", wrong).status_code
    assert 409 == console.post("/views", {"name": "<mine>", "address": address}).status_code
    gone = console.post("/views/remove", {"name": "<mine>", "path": "https://evil.example"})
    assert (303, "/", []) == (gone.status_code, gone.headers["location"], app.saved_views.of("ada"))


def test_a_connection_that_was_changed(app: Keyturn, console: RunningConsole, rotate: Rotate) -> None:
    """The list and its page name a connection that someone wrote outside Keyturn, though nothing is due of it."""
    rotate()
    write(app, setting("openair", "url", EVIL))
    assert "Tampered" in console.text("/connections")
    assert f"Connection {NAME} was changed outside Keyturn" in console.text(f"/connections/{NAME}")


def test_the_workers(app: Keyturn, console: RunningConsole) -> None:
    """The page has every process with its condition and what it carries, and since when there is no worker."""
    assert "No worker was seen within a week." in console.text("/workers")
    app.rotations.request(NAME, actor="bob")
    with app.presence(Role.WORKER):
        claim = app.store.claims.claim(f"{app.worker_name}/1", lease=60, now=app.clock.now())
        assert claim
        shown = console.text("/workers")
        for words in (app.worker_name, "alive", f"{NAME} Requested", "1 thread"):
            assert words in shown
        assert "No worker for" not in shown
        app.store.claims.release(claim)
        assert [[]] == [list(each.held) for each in app.workers.seen().processes]
    ended = console.text("/workers")
    assert re.search(r"No worker for [\d.]+ s\.", ended)
    assert "ended" in ended
    with app.store._of_workers.writing() as tx:
        tx.execute(sql("UPDATE workers SET ended_at = NULL, seen_at = '2020-01-01 00:00:00.000000'"))
    assert [Condition.SILENT] == [each.condition for each in app.workers.seen().processes]


def park_without_record(simulator: Simulator, rotate: Rotate) -> Rotation:
    """A rotation that was parked because NetSuite has no record."""
    simulator.netsuite.record.reset("missing")
    parked = rotate()
    assert parked.failure
    assert "CERTIFICATE_NOT_FOUND" == parked.failure.code
    return parked


def test_the_repair_of_a_missing_record(console: RunningConsole, simulator: Simulator, rotate: Rotate) -> None:
    """Each step is checked against NetSuite; Keyturn offers to create the record, and once it is there to resume."""
    assert "nothing is to be repaired" not in console.text(f"/repair/{NAME}")  # the placeholder
    parked = park_without_record(simulator, rotate)
    assert f'href="/repair/{NAME}"' in console.get(f"/rotations/{parked.id}").text
    page = console.get(f"/repair/{NAME}").text
    assert f'href="/rotations/{parked.id}/resume?create_record=1"' in page
    shown = console.text(f"/repair/{NAME}")
    for words in ("Recreate the certificate record to do", 'Certificate "custcertificate_oa_realtime" not found'):
        assert words in shown
    simulator.netsuite.record.reset("placeholder")
    shown, page = console.text(f"/repair/{NAME}"), console.get(f"/repair/{NAME}").text
    assert "Recreate the certificate record done" in shown
    assert "which is not valid" in shown
    assert f'href="/rotations/{parked.id}/resume"' in page
    resume = {"version": parked.version, "reason": "the record is back"}
    assert 303 == console.post(f"/rotations/{parked.id}/resume", resume).status_code
    assert "was not parked because of the record" in console.text(f"/repair/{NAME}")
    assert 404 == console.get("/repair/unknown").status_code


def test_the_repair_without_a_rotation(
    app: Keyturn, console: RunningConsole, simulator: Simulator, rotate: Rotate
) -> None:
    """Without a rotation one is offered, where it would help; and nothing where NetSuite cannot be asked."""
    simulator.netsuite.record.reset("missing")
    assert f'href="/connections/{NAME}/rotate"' in console.get(f"/repair/{NAME}").text
    simulator.netsuite.record.reset("placeholder")
    rotate()
    assert "nothing is to be repaired" in console.text(f"/repair/{NAME}")
    simulator.faults.add(Fault("netsuite.restlet", "302", times=None))
    shown = console.text(f"/repair/{NAME}")
    assert "NetSuite could not be asked" in shown
    assert "Nothing is offered" in shown
    assert app.rotations.open_for(NAME) is None


def add_others(app: Keyturn, simulator: Simulator) -> None:
    """Three more connections: one that can be rotated, one whose form hides the entry, one that a person saves."""
    others = {
        "bolt": {},
        "hidden": {"options": Options(oauth2=False)},
        "person": {"openair": OpenAirSettings(kind=OpenAirKind.EXPORT, url="https://person.app.openair.com")},
    }
    for number, (name, changes) in enumerate(others.items()):
        openair = OpenAirSettings(url=f"https://{name}.app.openair.com", client_id="x")
        account = replace(netsuite(simulator.credentials), account=f"90{number}")
        added = Connection(**{"name": name, "netsuite": account, "openair": openair, **changes})
        app.connections.add(added, {}, actor="tester")


def test_all_that_match_are_rotated(app: Keyturn, console: RunningConsole, simulator: Simulator) -> None:
    """The page says which of those that match are rotated, and why others are not; each gets its result, once."""
    add_others(app, simulator)
    assert 'href="/rotate?"' in console.get("/connections").text
    shown = console.text("/rotate")
    for words in (
        "2 connections get a new certificate, 2 of those that match do not",
        "A person saves its certificate",
    ):
        assert words in shown
    seen = re.findall(r'name="seen" value="(\w+)"', console.get("/rotate").text)[0]
    form = {"seen": seen, "reason": "a new rule", "on_refusal": "restore"}
    for wrong in ({"reason": ""}, {"on_refusal": ""}, {"group": "wrong"}, {"week": "x"}):
        assert 422 == console.post("/rotate", {**form, **wrong}).status_code
    assert 412 == console.post("/rotate", {**form, "q": "bolt"}).status_code
    assert [] == app.rotations.unfinished()
    with app.store._database.writing() as tx:
        tx.execute(sql("UPDATE connections SET code = 'x' WHERE name = 'bolt'"))
    answer = console.post("/rotate", form)
    assert (200, True) == (answer.status_code, "1 of 2 rotations requested" in answer.text)
    assert "TAMPERED" in answer.text
    requested = app.rotations.show(NAME)
    assert ("ada", "a new rule") == (requested.actor, requested.reason)
    assert (412, 1) == (console.post("/rotate", form).status_code, len(app.rotations.unfinished()))
    assert "A rotation of this connection is open." in console.text(f"/rotate?q={NAME}")


def test_a_bulk_rotation_is_bounded(
    app: Keyturn, console: RunningConsole, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where more match than are rotated at once, the page says so."""
    add_others(app, simulator)
    monkeypatch.setattr("orchestrator.operations.bulk.MOST", 2)
    assert "More match" in console.text("/rotate")
    assert [NAME, "bolt"] == [each.connection.name for each in app.bulk.select().chosen]


def test_expiries_by_week(app: Keyturn, console: RunningConsole, simulator: Simulator, rotate: Rotate) -> None:
    """A list says how many certificates expire in which week, and shows those of one week."""
    assert "week by week" not in console.text("/connections")
    brief = replace(app.connections.show(NAME), policy=Policy(algorithm=Algorithm.EC_P256, days=20))
    app.connections.edit(brief, {}, actor="tester")
    rotate()
    add_others(app, simulator)
    current = app.connections.show(NAME).current
    assert current
    monday = current.not_after - timedelta(days=current.not_after.weekday())
    page = console.get(f"/connections?week={monday:%Y-%m-%d}").text
    assert ["acme"] == re.findall(r'id="row-([^"]+)"', page)
    assert f'href="/rotate?week={monday:%Y-%m-%d}"' in page
    assert "No connection matches." in console.text("/connections?week=expired")
    assert [NAME] == [each.connection.name for each in app.bulk.select(names=[NAME]).candidates]
    for wrong in ("x", "2026-13-01"):
        assert 422 == console.get(f"/connections?week={wrong}").status_code

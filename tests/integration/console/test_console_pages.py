"""The console's pages over real HTTP: what they show, and what the forms of the verbs do."""

import re
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from html import unescape

import pytest
from integration.fixture_types import Rotate
from support.clock import OffsetClock
from support.console import RunningConsole, running_console, running_worker
from support.environment import NAME, netsuite
from support.polling import until

from orchestrator.bootstrap import Keyturn
from orchestrator.cli.demo.browser import DemoFaults
from orchestrator.console import context
from orchestrator.operations.status import Group, Overview
from orchestrator.operations.workers import Role
from simulator import Simulator
from states.alert import Kind
from states.connection import Connection, OpenAirSettings, Options


def test_the_first_page(app: Keyturn, console: RunningConsole, rotate: Rotate, park: Rotate) -> None:
    """The first page says that all is well and what comes next; or what needs a person, with its one button."""
    rotate()
    well = console.text("/")
    for words in (
        "0 outages running",
        "0 need a person",
        "Nothing that Keyturn has stored",
        "None. Without one",
        NAME,
    ):
        assert words in well
    parked = park()
    needs = console.get("/").text
    for words in (
        "1</b> outage running",
        "OpenAir refused the request",
        f"/rotations/{parked.id}/resume",
        "(1) Keyturn",
    ):
        assert words in needs
    with running_worker(app):
        assert app.worker_name in console.text("/")


def test_what_is_silenced_stays_on_the_pages(app: Keyturn, console: RunningConsole, park: Rotate) -> None:
    """The first page and the connection's say until when, by whom and why; a reason is shown as text."""
    park()
    until_then = app.clock.now() + timedelta(days=2)
    silenced = app.silences.preview(NAME, Kind.OUTAGE, until=until_then, reason="<b>moved</b>", actor="ada")
    app.silences.add(silenced)
    for address in ("/", f"/connections/{NAME}"):
        page = console.get(address).text
        assert "Silenced until" in page, address
        assert "by ada: &lt;b&gt;moved&lt;/b&gt;" in page, address


def test_a_worker_that_runs_needs_no_second_one(app: Keyturn, console: RunningConsole) -> None:
    """The page of a rotation that goes on says how to start a worker, unless one is alive."""
    app.rotations.request(NAME, actor="bob")
    assert "keyturn worker" in console.text(f"/rotations/{NAME}")
    with app.presence(Role.WORKER):
        shown = console.text(f"/rotations/{NAME}")
    assert ("A worker carries the rotation on." in shown, "keyturn worker" in shown) == (True, False)


def test_no_connections_yet(app: Keyturn, console: RunningConsole) -> None:
    """Where there is nothing, a page says the first step."""
    app.connections.remove(app.connections.show(NAME), actor="tester")
    for path in ("/", "/connections"):
        assert "Set up the first one on a terminal: keyturn setup NAME" in console.text(path)
    assert "begin one from its Tips menu" in console.text("/rotations")


def test_the_list_of_connections(
    app: Keyturn, console: RunningConsole, simulator: Simulator, rotate: Rotate, park: Rotate
) -> None:
    """The groups count over all connections; search, group and place in the list are in the address."""
    rotate()
    park()
    names = [f"c{number:03}" for number in range(60)]
    for number, name in enumerate(names):
        connection = Connection(
            name=name,
            netsuite=replace(netsuite(simulator.credentials), account=f"90{number}"),
            openair=OpenAirSettings(url=f"https://{name}.app.openair.com", client_id="x"),
            options=Options(oauth2=False),
        )
        app.connections.add(connection, {}, actor="tester")
    shown = console.text("/connections")
    for words in (
        "All 61",
        "Needs you 1",
        "Rotating 0",
        "Postponed 0",
        "Due in 14 days 0",
        "Imports are refused since",
    ):
        assert words in shown
    needs = console.text("/connections?group=needs-person")
    assert NAME in needs
    assert "c001" not in needs
    first = console.get("/connections?q=c0")
    following = unescape(re.findall(r'rel="next" href="([^"]*)"', first.text)[0])
    pages = [re.findall(r'id="row-(c\d+)"', each.text) for each in (first, console.get(following))]
    assert [names[:50], names[50:]] == pages
    assert "No connection matches." in console.text("/connections?q=nothing&group=due")
    assert 422 == console.get("/connections?group=wrong").status_code
    groups = app.status.overview().groups
    assert [NAME] == list(groups[Group.NEEDS_PERSON])
    page = app.lists.connection_page(names=[*names, NAME], limit=2)
    assert ([NAME, "c000"], "c000") == ([each.name for each in page.items], page.following)
    last = app.lists.connection_page(names=names, after=names[-2], limit=1)
    assert ([names[-1]], None) == ([each.name for each in last.items], last.following)


def test_the_tips_menu(app: Keyturn, console: RunningConsole) -> None:
    """The entry shows under OpenAir's own conditions, and otherwise why not; then the form is refused as well."""
    shown = console.get(f"/connections/{NAME}").text
    assert f'href="/connections/{NAME}/rotate"' in shown
    assert "No valid certificate available for real-time import" in shown
    app.connections.edit(replace(app.connections.show(NAME), options=Options(oauth2=False)), {}, actor="tester")
    hidden = console.text(f"/connections/{NAME}")
    assert "OpenAir's form does not show this entry. OAuth 2.0 is not ticked." in hidden
    assert "Not offered" in console.text(f"/connections/{NAME}/rotate")
    fields = {"follows": "", "reason": "x", "on_refusal": "park"}
    assert 409 == console.post(f"/connections/{NAME}/rotate", fields).status_code
    assert "does not show the health check's line" in console.text(f"/connections/{NAME}?ask=1")
    assert [] == list(app.lists.rotations().items)
    assert (
        404 == console.get("/connections/unknown").status_code == console.get("/live/connections/unknown").status_code
    )


def test_keyturns_own_credentials(app: Keyturn, console: RunningConsole) -> None:
    """A connection's page has what Keyturn signs in with: what ends when, what is not known, and what replaces it."""
    shown = console.text(f"/connections/{NAME}")
    assert "The certificate with which Keyturn signs in to NetSuite" in shown
    assert f"keyturn connection edit {NAME} --certificate-until" in shown
    assert f"keyturn connection authorize {NAME}" in shown
    acme = app.connections.show(NAME)
    ending = replace(acme.netsuite, certificate_until="2028-11-26")
    app.connections.edit(replace(acme, netsuite=ending), {}, actor="tester")
    shown = console.text(f"/connections/{NAME}")
    assert "2028-11-26 00:00:00 UTC" in shown
    assert f"keyturn setup {NAME} --new-certificate" in shown


def test_a_page_follows_the_store(app: Keyturn, console: RunningConsole) -> None:
    """A page's stream sends at once what the page has missed, then each change; a page that is up to date waits."""
    page = console.get(f"/connections/{NAME}").text
    address = unescape(re.findall(r'hx-sse:connect="([^"]*)"', page)[0])
    app.rotations.request(NAME, actor="bob")
    with closing(console.http.get(console.url + address, stream=True, timeout=60)) as answer:
        lines = answer.iter_lines(decode_unicode=True)
        assert "text/event-stream" in answer.headers["content-type"]
        assert any("Watch the rotation that is open" in line for line in lines)
        app.rotations.park(NAME, actor="bob", reason="later")
        assert any("bob parked it: later." in line for line in lines)
    assert 404 == console.get("/live/rotations/unknown").status_code


def test_an_error_that_no_one_foresaw(
    app: Keyturn, console: RunningConsole, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug is a page without the error's own text, which may hold a secret, and a traceback in the log."""

    def fail() -> None:
        raise ZeroDivisionError("sesame")

    monkeypatch.setattr(app.status, "overview", fail)
    answer = console.get("/")
    assert (500, True, False) == (answer.status_code, "ZeroDivisionError" in answer.text, "sesame" in answer.text)
    until(lambda: ["request failed"] == [each.message for each in caplog.records if each.name == "keyturn.console"])
    assert 200 == console.get("/rotations").status_code


def test_an_overview_is_made_once_while_nothing_changes(app: Keyturn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that need the same overview share it; the first one after a change has the change, however soon."""
    made: list[Overview] = []
    overview = app.status.overview

    def counted() -> Overview:
        made.append(overview())
        return made[-1]

    monkeypatch.setattr(app.status, "overview", counted)
    monkeypatch.setattr(context, "_FRESH", 60.0)
    overviews = context.Overviews(app)
    assert overviews.get() is overviews.get() is made[0]
    app.rotations.request(NAME, actor="bob")
    assert [NAME] == list(overviews.get().groups[Group.ROTATING])
    assert 2 == len(made)
    overviews.close()


def test_what_needs_a_person_of_many(app: Keyturn, simulator: Simulator, rotate: Rotate, park: Rotate) -> None:
    """The status of all is that of each: only what can need a person is read, and all of that."""
    rotate()
    expiring = replace(netsuite(simulator.credentials), account="91")
    for name, options in (("by-hand", Options(oauth2=False)), ("soon", Options())):
        account = replace(expiring, account=name.replace("-", ""))
        openair = OpenAirSettings(url=f"https://{name}.app.openair.com", client_id="x")
        bundles = app.connections.show(NAME).bundles
        added = Connection(name=name, netsuite=account, openair=openair, options=options, bundles=bundles)
        app.connections.add(added, {}, actor="tester")
    park()
    assert isinstance(app.clock, OffsetClock)
    for days in (0, 2, 352, 360, 366):
        app.clock.ahead = timedelta(days=days)
        every = app.status.report()
        each = [app.status.report(name) for name in (NAME, "by-hand", "soon")]
        alone = sorted(
            (found.harm, found.connection) for report in each for found in report.concerns if found.connection
        )
        assert alone == sorted((found.harm, found.connection) for found in every.concerns if found.connection)
        coming = sorted(moment for report in each for moment in report.coming)
        assert (3, coming) == (every.connections, list(every.coming))


def test_the_demos_page(app: Keyturn, simulator: Simulator) -> None:
    """The demo's page breaks the simulated systems and repairs them; no other console has it."""
    faults = DemoFaults(simulator)
    with running_console(app, faults=faults) as console:
        assert [401, 401] == [console.get("/demo").status_code, console.post("/demo").status_code]
        console.sign_in()
        assert "Now: nothing" in console.text("/demo")
        for name in faults.names:
            assert 303 == console.post("/demo", {"fault": name}).status_code
            assert (f"Now: {name}", name) == (re.findall(f"Now: {name}", console.text("/demo"))[0], faults.now)
        assert 422 == console.post("/demo", {"fault": "wrong"}).status_code
        assert 403 == console.post("/demo", {"fault": ""}, Sec_Fetch_Site="cross-site").status_code
        assert 303 == console.post("/demo", {"fault": ""}).status_code
        assert ("", []) == (faults.now, simulator.faults.pending())
    with running_console(app) as console:
        console.sign_in()
        assert [404, False] == [console.get("/demo").status_code, "Demo" in console.text("/")]


def test_a_failing_import_is_explained(
    console: RunningConsole, simulator: Simulator, rotate: Rotate, park: Rotate
) -> None:
    """A pasted request says which certificate it was signed with, and what follows; nothing is sent or kept."""
    assert f'value="{NAME}"' in console.get(f"/request?connection={NAME}").text
    rotate()
    park()
    simulator.import_requests.send()
    url = simulator.import_requests.counts().last_url
    assert url
    history = len(simulator.history.entries())
    answer = console.post("/request", {"connection": NAME, "url": url})
    assert (200, True) == (answer.status_code, "Signed with the candidate certificate" in answer.text)
    assert "See the open rotation" in answer.text
    wrong = console.post("/request", {"connection": NAME, "url": url.replace("ns_id=", "ns_id=1")})
    assert "a key that Keyturn does not know" in wrong.text
    for fields in ({"connection": NAME, "url": "https://example.com"}, {"connection": "unknown", "url": url}):
        refused = console.post("/request", fields)
        assert (422, True) == (refused.status_code, 'class="note"' in refused.text)
    assert history == len(simulator.history.entries())


def test_a_rotation_is_downloaded(app: Keyturn, console: RunningConsole, rotate: Rotate) -> None:
    """A rotation with its journal is a file in the command line's shape."""
    done = rotate()
    answer = console.get(f"/rotations/{done.id}/json")
    found = answer.json()
    assert (done.id, len(app.rotations.journal(done.id))) == (found["rotation"]["id"], len(found["journal"]))
    assert f'attachment; filename="rotation-{done.id}.json"' == answer.headers["content-disposition"]
    assert 404 == console.get("/rotations/unknown/json").status_code

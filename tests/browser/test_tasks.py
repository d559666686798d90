"""Whole tasks of people in a browser, from the first page to the last."""

import pytest
from browser.person import WAIT, Person
from playwright.sync_api import Browser, Route, expect
from support.console import PASSWORD, RunningConsole, running_worker
from support.environment import NAME

from orchestrator.bootstrap import Keyturn
from simulator import Fault, Simulator
from states.access import Role
from states.connection import OnRefusal
from states.rotation import Rotation
from states.state import State


def park(app: Keyturn, simulator: Simulator) -> Rotation:
    """A rotation that OpenAir refused after the upload, so that imports are refused."""
    for action in ("Add", "Modify"):
        simulator.faults.add(Fault("openair.api", "error", action=action, code="602", times=None))
    _, claim = app.rotations.request_and_claim(NAME, actor="bob", on_refusal=OnRefusal.PARK)
    assert claim
    with app.engine() as engine:
        return engine.run(claim)


def test_an_administrator_generates_a_certificate(app: Keyturn, ada: Person) -> None:
    """From the Tips menu a certificate is generated, and the page of its rotation shows each state by itself."""
    ada.press("Connections")
    ada.press(NAME)
    ada.reads("The initial set-up is due now")
    ada.press("Generate new real-time import certificate")
    ada.reads("Only reads were made so far")
    ada.page.get_by_label("Why").fill("the first one")
    ada.press("Generate")
    ada.reads("No worker is alive")
    ada.page.evaluate("window.notLoadedAgain = true")
    with running_worker(app):
        expect(ada.page.locator("h1")).to_contain_text("Completed", timeout=60_000)
        expect(ada.page).to_have_title(f"{NAME}: Completed · Keyturn")
    assert ada.page.evaluate("window.notLoadedAgain")
    ada.press("Ask both systems now")
    ada.reads("the current certificate")
    expect(ada.page.locator("#sides .sign")).to_contain_text("=")
    done = app.rotations.show(NAME)
    assert (State.COMPLETED, "ada", "the first one") == (done.state, done.actor, done.reason)
    ada.press(NAME)
    ada.press("Health check")
    ada.reads("Current real-time import certificate is valid until")


def test_an_operator_resumes_a_parked_rotation(app: Keyturn, simulator: Simulator, ada: Person) -> None:
    """The first page leads to the parked rotation, which says why; once the cause is corrected, it is resumed."""
    parked = park(app, simulator)
    ada.open("/")
    ada.reads("Imports are refused")
    ada.press("See what happened")
    assert ada.page.title().startswith("● ")
    assert ada.page.title().endswith(f" outage · {NAME}")
    ada.reads("code 602")
    ada.reads("It was not parked because of a foreign certificate.")
    ada.press("Ask both systems now")
    expect(ada.page.locator("#sides .sign")).to_contain_text("≠")
    simulator.faults.clear()
    other = ada.second_tab()
    other.open(f"/rotations/{parked.id}")
    ada.press("Resume")
    ada.reads("this rotation's certificate without a key, once NetSuite has signed with it")
    ada.page.get_by_label("Why").fill("OpenAir's filter was corrected")
    ada.press("Resume")
    expect(other.page.locator("h1")).to_contain_text("UploadedToNetSuite", timeout=60_000)
    with running_worker(app):
        for each in (ada, other):
            expect(each.page.locator("h1")).to_contain_text("Completed", timeout=60_000)
    resumed = next(each for each in app.rotations.journal(parked.id) if each.event == "resume")
    assert ("ada", "OpenAir's filter was corrected") == (resumed.actor, resumed.detail["reason"])
    assert State.COMPLETED is app.rotations.show(parked.id).state


def test_an_engineer_follows_in_two_tabs(app: Keyturn, simulator: Simulator, ada: Person) -> None:
    """A tab that is paused stays as it is and says that something has changed; the other one follows by itself."""
    parked = park(app, simulator)
    paused = ada.second_tab()
    for tab in (ada, paused):
        tab.open(f"/rotations/{parked.id}")
        expect(tab.page.locator("#freshness-text")).to_have_text("Live")
    paused.press("Pause")
    ada.page.locator("details summary").first.click()
    app.rotations.resume(parked.id, actor="bob", reason="elsewhere")
    ada.reads("resume by bob")
    expect(ada.page.locator("details[open]").first).to_be_visible()
    expect(paused.page.locator("#freshness-text")).to_have_text("Paused: something has changed", timeout=60_000)
    expect(paused.page.locator("h1")).to_contain_text("Failed from UploadedToNetSuite")
    paused.press("Rotations")
    expect(paused.page.locator("#freshness-text")).to_have_text("Paused")
    paused.page.go_back()
    paused.press("Go on")
    paused.reads("resume by bob")
    expect(paused.page.locator("#freshness-text")).to_have_text("Live")


def test_a_page_is_live_though_its_scripts_arrive_late(ada: Person) -> None:
    """Between two scripts of a page can lie any time: nothing begins before all of them are there."""
    late: list[Route] = []
    ada.page.route("**/hx-sse*", lambda route: late.append(route))  # noqa: PLW0108 - Playwright reads its signature
    ada.page.goto(ada.address("/connections"), wait_until="commit")
    ada.page.evaluate("""async () => {
        const pause = (ms) => new Promise((done) => setTimeout(done, ms));
        while (!window.htmx) await pause(5);
        await pause(50);  // what htmx does by itself has begun
    }""")
    late.pop().continue_()
    expect(ada.page.locator("#freshness-text")).to_have_text("Live", timeout=WAIT)


@pytest.mark.parametrize("failure", ["away", "busy"])
def test_a_page_whose_first_connection_failed_is_live_later(
    app: Keyturn, simulator: Simulator, ada: Person, failure: str
) -> None:
    """A network or a server that is away for a moment while a page opens does not leave that page as it was."""
    parked = park(app, simulator)

    def fail(route: Route) -> None:
        if failure == "away":
            route.abort()
        else:
            route.fulfill(status=503, body="")

    ada.page.route("**/live/**", fail, times=2)
    ada.open(f"/rotations/{parked.id}")
    app.rotations.resume(parked.id, actor="bob", reason="elsewhere")
    ada.reads("resume by bob")
    expect(ada.page.locator("#freshness-text")).to_have_text("Live")
    assert ada.complaints  # the browser notes each try that failed
    ada.complaints.clear()


def test_a_page_says_that_it_is_not_live(ada: Person) -> None:
    """Where nothing was heard for a while, the page says since when it is not live."""
    ada.page.clock.install()
    ada.open("/")
    expect(ada.page.locator("#freshness-text")).to_have_text("Live")
    ada.page.context.set_offline(True)
    ada.page.clock.fast_forward(30_000)
    expect(ada.page.locator("#freshness-text")).to_contain_text("Not live since")
    ada.complaints.clear()  # the browser notes each try to connect that fails


def test_a_viewer_is_refused(app: Keyturn, simulator: Simulator, browser: Browser, console: RunningConsole) -> None:
    """A viewer signs in with a password, and reads why a rotation is parked and which role its next action needs. There
    is no button for it, also not in what the stream sends; its address is refused in words.
    """
    parked = park(app, simulator)
    app.accounts.add("carol", Role.VIEWER, PASSWORD, actor="root")
    context = browser.new_context()
    carol = Person(context, console.url)
    carol.open("/sign-in")
    carol.page.get_by_label("Name").fill("carol")
    carol.page.get_by_label("Password").fill("wrong horse battery")
    carol.press("Sign in")
    carol.reads("The name or the password is wrong.")
    carol.complaints.clear()  # the browser notes an answer that is 401
    carol.page.get_by_label("Name").fill("carol")
    carol.page.get_by_label("Password").fill(PASSWORD)
    carol.press("Sign in")
    carol.reads("Imports are refused")
    carol.press("See what happened")
    carol.reads("code 602")
    carol.reads("Resume needs the role operator")
    carol.reads(f"keyturn rotation resume {parked.id}")
    expect(carol.page.get_by_role("link", name="Resume")).to_have_count(0)
    carol.check_access()
    app.rotations.resume(parked.id, actor="bob", reason="elsewhere")
    again = app.rotations.park(parked.id, actor="bob", reason="not yet")
    carol.reads("bob parked it: not yet.")  # the stream's fragment, which is a viewer's
    carol.reads("Resume needs the role operator")
    expect(carol.page.get_by_role("link", name="Resume")).to_have_count(0)
    carol.open(f"/rotations/{parked.id}/resume")
    carol.reads("this needs the role operator, and carol is signed in with the role viewer")
    carol.check_access()
    carol.complaints.clear()  # 403
    carol.press("Sign out")
    carol.reads("Password")
    context.close()
    assert [] == carol.complaints
    assert again == app.rotations.show(NAME)


def test_keys(ada: Person) -> None:
    """A person gets about by keys: to each list, to the search, to the list of keys."""
    keyboard = ada.page.keyboard
    places = {"gc": "Connections", "gr": "Rotations", "gj": "Journal", "gw": "Workers", "go": "Overview"}
    for keys, heading in places.items():
        keyboard.type(keys)
        expect(ada.page.locator("h1")).to_have_text(heading)
        expect(ada.page.locator("#times")).to_be_visible()  # the page's script runs: it hears the next key
    keyboard.type("gc")
    expect(ada.page.locator("h1")).to_have_text("Connections")
    expect(ada.page.locator("#times")).to_be_visible()
    keyboard.type("/x")
    expect(ada.page.get_by_role("searchbox")).to_have_value("x")
    ada.page.locator("h1").click()
    keyboard.type("?")
    expect(ada.page.get_by_role("dialog")).to_contain_text("Overview")


def test_an_operator_repairs_a_record(app: Keyturn, simulator: Simulator, ada: Person) -> None:
    """A rotation that NetSuite's missing record parked leads to the repair, where Keyturn is let create the record."""
    simulator.netsuite.record.reset("missing")
    _, claim = app.rotations.request_and_claim(NAME, actor="bob")
    assert claim
    with app.engine() as engine:
        engine.run(claim)
    ada.open("/")
    ada.press("See what happened")
    ada.press("Repair the record step by step")
    ada.reads('Certificate "custcertificate_oa_realtime" not found.')
    ada.press("Resume and create the certificate record")
    ada.page.get_by_label("Why").fill("deleted by accident")
    ada.press("Resume")
    with running_worker(app):
        expect(ada.page.locator("h1")).to_contain_text("Completed", timeout=60_000)
    ada.open(f"/journal?connection={NAME}&event=resume")
    ada.reads("“deleted by accident”")
    ada.reads("as written")


def test_an_administrator_rotates_all_that_match(app: Keyturn, ada: Person) -> None:
    """From the list, all that match are rotated, with a result for each, and times are read as a person likes."""
    ada.open("/connections")
    ada.press("Rotate all that match")
    ada.reads("1 connection gets a new certificate.")
    ada.page.get_by_label("Why").fill("a new rule")
    ada.press("Generate 1 certificate")
    ada.reads("1 of 1 rotation requested")
    ada.press("requested")
    ada.reads("“a new rule”")
    asked = ada.page.locator(".timeline time").first
    ada.page.keyboard.type("tt")
    expect(asked).to_contain_text("ago")
    ada.page.reload()
    expect(asked).to_contain_text("ago")
    ada.page.keyboard.type("t")
    expect(asked).to_contain_text("UTC")
    with running_worker(app):
        expect(ada.page.locator("h1")).to_contain_text("Completed", timeout=60_000)

"""How pages look: readable by everyone, on a phone, in the dark, and without scripts."""

import pytest
from browser.person import Person
from browser.test_tasks import park
from playwright.sync_api import Browser, expect
from support.console import PASSWORD, RunningConsole
from support.environment import NAME

from orchestrator.bootstrap import Keyturn
from simulator import Simulator
from states.access import Role


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_is_accessible(app: Keyturn, simulator: Simulator, ada: Person, width: int, scheme: str) -> None:
    """axe-core finds nothing in any page, light and dark, at both widths; no page is wider than its window."""
    parked = park(app, simulator)
    app.accounts.add("bob", Role.VIEWER, PASSWORD, actor="ada")
    app.tokens.add("nightly", Role.VIEWER, days=1, actor="ada")
    ada.page.set_viewport_size({"width": width, "height": 900})
    ada.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    for path in (
        *("/", "/connections", f"/connections/{NAME}?ask=1", f"/connections/{NAME}/rotate", "/rotations"),
        *(f"/rotations/{parked.id}?ask=1", f"/rotations/{parked.id}/resume", f"/rotations/{parked.id}/adopt"),
        *("/workers", f"/repair/{NAME}", "/rotate", "/journal", f"/journal?connection={NAME}&event=fail"),
        *("/settings/people", "/settings/people/bob", "/settings/tokens", "/settings/tokens/nightly/revoke"),
        *("/settings/password", "/sign-in", "/sign-in?token=x", f"/request?connection={NAME}", "/nowhere"),
    ):
        ada.open(path)
        ada.check_access()
        assert not ada.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"), path
    ada.complaints[:] = [each for each in ada.complaints if "404 (Not Found)" not in each]  # the page that is not there


def test_reading_needs_no_scripts(
    app: Keyturn, simulator: Simulator, browser: Browser, console: RunningConsole
) -> None:
    """With scripts switched off, a person signs in, finds the parked rotation, reads why, and resumes it."""
    parked = park(app, simulator)
    context = browser.new_context(java_script_enabled=False)
    bob = Person(context, console.url)
    bob.open(console.link.removeprefix(console.url))
    bob.press("Sign in")
    bob.reads("Imports are refused")
    bob.press("See what happened")
    bob.reads("OpenAir refused the request")
    expect(bob.page.locator("#freshness")).to_be_hidden()
    bob.press("Resume")
    bob.page.get_by_label("Why").fill("corrected")
    bob.press("Resume")
    bob.reads("resume by ada")
    bob.reads("“corrected”")
    assert app.rotations.show(parked.id).failure is None
    context.close()
    assert [] == bob.complaints

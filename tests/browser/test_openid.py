"""A person signs in by OpenID Connect in a real browser, which has rules of its own for cookies and pages."""

from pathlib import Path

import pytest
from browser.person import Person
from playwright.sync_api import Browser
from support.console import PASSWORD, running_console
from support.environment import keyturn
from support.openid import rsa_key, running_provider, signed, use

from states.access import Role


def test_a_person_signs_in_by_openid(browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The button leads to the provider and back to the overview; signed out, the person is refused once the provider
    lies, reads why next to the form for passwords, and the page is readable by everyone.
    """
    with running_provider() as provider:
        use(monkeypatch, tmp_path, provider, label="Acme")
        with keyturn(tmp_path, monkeypatch) as app, running_console(app) as console:
            app.accounts.add("bob", Role.VIEWER, PASSWORD, actor="root")
            context = browser.new_context(service_workers="block")
            ada = Person(context, console.url)
            ada.open("/")
            ada.complaints.clear()  # of the status 401
            ada.press("Sign in")
            ada.reads("Or with a password")
            ada.check_access()
            ada.press("Sign in with Acme")
            ada.reads("Overview")
            assert f"{console.url}/" == ada.page.url
            names = {cookie["name"] for cookie in context.cookies()}
            assert {f"__Host-keyturn-{console.port}"} == names
            ada.press("Sign out")
            provider.sign = lambda claims: signed(claims, rsa_key(2))
            ada.press("Sign in with Acme")
            ada.reads("its signature is not by a key of the provider")
            assert ["403" in each for each in ada.complaints] == [True]
            ada.complaints.clear()
            ada.check_access()
            ada.page.set_viewport_size({"width": 390, "height": 900})
            assert not ada.page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
            assert [] == ada.complaints
            context.close()

"""A person at a browser: what they open, read and press, and what the browser complains of."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect

WAIT = 60_000
"""Milliseconds for what a page is to show: long, so that a busy machine fails no test."""


class Person:
    """One tab."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self._url = url
        self.context = context
        self.complaints: list[str] = []
        self.page = self._watched(context.new_page())

    def second_tab(self) -> "Person":
        """The same person's other tab."""
        other = Person(self.context, self._url)
        other.complaints = self.complaints
        return other

    def address(self, path: str) -> str:
        """The URL of a page."""
        return f"{self._url}{path}"

    def open(self, path: str) -> None:
        self.page.goto(self.address(path))

    def press(self, name: str) -> None:
        """Press the first button or link of this name."""
        button = self.page.get_by_role("button", name=name).or_(self.page.get_by_role("link", name=name))
        button.first.click(timeout=WAIT)

    def reads(self, text: str) -> None:
        """Wait until the page shows this text."""
        expect(self.page.get_by_role("main")).to_contain_text(text, timeout=WAIT)

    def check_access(self) -> None:
        """Judge the page by axe-core's rules."""
        found = Axe().run(self.page).response["violations"]
        assert [] == [(each["id"], [node["html"] for node in each["nodes"]]) for each in found]

    def _watched(self, page: Page) -> Page:
        def heard(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                self.complaints.append(message.text)

        page.on("console", heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        return page

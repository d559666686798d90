"""The first page: what needs a person, what goes on, what comes next, what was done."""

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from orchestrator.console.context import Console
from orchestrator.console.forms import Form
from orchestrator.console.rendering import Shown
from orchestrator.operations.lists import RotationFilter

if TYPE_CHECKING:
    from orchestrator.console.pages import Pages

_LATELY: Final = timedelta(days=1)
_MOST: Final = 20


def add(pages: "Pages") -> None:
    """Add the page."""
    pages.add("/", home)


def home(console: Console, _subject: str, _query: Form) -> Shown:
    """Make the page."""
    keyturn = console.keyturn
    overview = console.overviews.get()
    report = overview.report
    outages = sum(each.outage is not None for each in report.concerns)
    lately = keyturn.lists.rotation_page(RotationFilter(since=report.at - _LATELY), limit=_MOST)
    number = len(report.concerns)
    title = f"({number}) Keyturn" if number else "Keyturn"
    values = {"report": report, "outages": outages, "lately": lately, "now": report.at, "most": _MOST}
    return Shown("home.html", title, values)

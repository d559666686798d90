"""The page of the workers: which processes carry rotations, and when each was last heard of."""

from typing import TYPE_CHECKING

from orchestrator.console.context import Console
from orchestrator.console.forms import Form
from orchestrator.console.rendering import Shown

if TYPE_CHECKING:
    from orchestrator.console.pages import Pages


def add(pages: "Pages") -> None:
    """Add the page."""
    pages.add("/workers", workers)


def workers(console: Console, _subject: str, _query: Form) -> Shown:
    """Make the page with every process that was seen within a week."""
    keyturn = console.keyturn
    seen = keyturn.workers.seen()
    values = {
        "seen": seen,
        "report": console.overviews.get().report,
        "version": keyturn.workers.version,
    }
    return Shown("workers.html", "Workers · Keyturn", values)

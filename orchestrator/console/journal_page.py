"""The page of the journal: what happened to all rotations, each entry checked as it is read."""

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from orchestrator.console.context import Console
from orchestrator.console.forms import Form
from orchestrator.console.rendering import Shown
from orchestrator.operations.lists import EVENTS, CheckedEntry, JournalFilter
from orchestrator.views import formatting, timeline
from states.errors import InvalidInput
from states.state import State

if TYPE_CHECKING:
    from orchestrator.console.pages import Pages

_PAGE: Final = 50
_LONGEST: Final = 200
_FIELDS: Final = ("connection", "rotation", "event", "actor", "since")
SPANS: Final = {"": "Any time", "1h": "Last hour", "1d": "Last day", "7d": "Last 7 days", "30d": "Last 30 days"}


def add(pages: "Pages") -> None:
    """Add the page."""
    pages.add("/journal", journal)


def journal(console: Console, _subject: str, query: Form) -> Shown:
    """Make the page with the newest entries, or with those that its address asks for."""
    keyturn = console.keyturn
    given = {name: query.text(name, _LONGEST) for name in _FIELDS}
    now, after = keyturn.rotations.now(), query.text("after", _LONGEST)
    if given["event"] not in ("", *EVENTS):
        raise InvalidInput(f"There is no event {given['event']!r} in a journal.")
    wanted = JournalFilter(
        connection=given["connection"] or None,
        rotation=given["rotation"] or None,
        event=given["event"],
        actor=given["actor"],
        since=formatting.to_moment(given["since"], now) if given["since"] else None,
    )
    page = keyturn.lists.journal_page(wanted, after=after or None, limit=_PAGE)
    kept = urlencode({name: each for name, each in given.items() if each})
    values = {
        "entries": [_entry(each) for each in page.items],
        "given": given,
        "is_filtered": bool(kept),
        "address": f"/journal?{kept}",
        "following": page.following,
        "is_full": len(page.items) == _PAGE,
        "is_first": not after,
        "events": EVENTS,
        "spans": SPANS if given["since"] in SPANS else {**SPANS, given["since"]: f"Since {given['since']}"},
        "is_checked": all(each.finding is not None for each in page.items),
        "changed": sum(bool(each.finding) for each in page.items),
    }
    return Shown("journal.html", "Journal · Keyturn", values)


def _entry(each: CheckedEntry) -> dict[str, Any]:
    entry = each.entry
    return {
        "connection": each.connection,
        "entry": entry,
        "text": timeline.describe(entry, None),
        "tone": "bad" if each.finding or (entry.target is State.FAILED and not entry.detail.get("reason")) else "good",
        "reason": entry.detail.get("reason") or "",
        "finding": each.finding,
    }

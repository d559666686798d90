"""The pages on connections: the list, and one connection as OpenAir's form shows it."""

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from orchestrator.console import connection_filter
from orchestrator.console.connection_filter import LABELS, ConnectionQuery
from orchestrator.console.context import Console
from orchestrator.console.expiry_bar import WIDTH, bar
from orchestrator.console.forms import Form
from orchestrator.console.rendering import Shown
from orchestrator.operations.lists import RotationFilter
from orchestrator.operations.status import Overview
from states import due, health
from states.concern import Concern
from states.connection import Connection, missing_conditions
from states.outage import outage_on
from states.rotation import Rotation
from states.summary import CertificateSummary, ConnectionSummary

if TYPE_CHECKING:
    from orchestrator.console.pages import Pages

_PAGE: Final = 50
_HISTORY: Final = 20
_LONGEST: Final = 200


def add(pages: "Pages") -> None:
    """Add the pages."""
    pages.add("/connections", connections)
    pages.add("/connections/{name}", connection, subject="name", pace=0.2)


def connections(console: Console, _subject: str, query: Form) -> Shown:
    """Make the page with all connections, or with those that its address asks for."""
    keyturn = console.keyturn
    overview = console.overviews.get()
    asked, after = ConnectionQuery.of(query), query.text("after", _LONGEST)
    page = keyturn.lists.connection_page(text=asked.text, names=asked.names(console), after=after or None, limit=_PAGE)
    chips = [("", "All", overview.report.connections)]
    chips += [(each.value, label, len(overview.groups[each])) for each, label in LABELS.items()]
    weeks = connection_filter.weeks(console, overview.report.at)
    changed = keyturn.status.changed([each.name for each in page.items])
    concerns = {each.connection: each for each in (*changed.values(), *overview.report.concerns)}
    values = {
        "rows": [_row(each, overview, concerns.get(each.name)) for each in page.items],
        "following": page.following,
        "chips": chips,
        "group": asked.group.value if asked.group else "",
        "text": asked.text,
        "week": asked.week,
        "query": urlencode(asked.fields),
        "weeks": weeks,
        "most": max(each.number for each in weeks),
        "is_first": not after,
        "width": WIDTH,
        "total": overview.report.connections,
    }
    return Shown("connections.html", "Connections · Keyturn", values)


def _row(shown: ConnectionSummary, overview: Overview, concern: Concern | None) -> dict[str, Any]:
    """What a line of the list shows: the condition in the vendor's words, unless something more harmful is so."""
    now, rotation = overview.report.at, overview.rotations.get(shown.name)
    outage = outage_on(shown, rotation, now)
    return {
        "connection": shown,
        "rotation": rotation,
        "outage": outage,
        "concern": concern,
        "sentence": _sentence(shown.current, overview),
        "is_valid": shown.current is not None and now <= shown.current.not_after,
        "bar": bar(shown.current, now),
        "begins": shown.due_at if shown.is_automatic and rotation is None else None,
        "is_automatic": shown.is_automatic,
        "now": now,
    }


def _sentence(current: CertificateSummary | None, overview: Overview) -> str:
    """The vendor's sentence, by the certificate that was put in place last."""
    if current is None or overview.report.at > current.not_after:
        return health.NO_VALID_CERTIFICATE
    return health.VALID_UNTIL.format(expiry=f"{current.not_after:%Y-%m-%d}")


def connection(console: Console, name: str, query: Form) -> Shown:
    """Make the page of one connection. With ``ask``, both systems are asked now: the health check."""
    keyturn = console.keyturn
    found = keyturn.connections.show(name)
    report = keyturn.status.report(name)
    rotation = keyturn.rotations.open_for(name)
    history = keyturn.lists.rotation_page(RotationFilter(connection=name), limit=_HISTORY)
    current = CertificateSummary.of(found.current) if found.current else None
    values = {
        "connection": found,
        "rotation": rotation,
        "report": report,
        "history": history,
        "current": current,
        "bar": bar(current, report.at),
        "width": WIDTH,
        "need": due.need(found.current, found.due_at, report.at),
        "hidden": found.options.hides_certificate,
        "tips": _tips(found, rotation),
        "missing": missing_conditions(found.options, found.bundles),
        "now": report.at,
        "credentials": keyturn.credentials.all(name),
        "health": keyturn.health.report(name) if query.is_ticked("ask") else None,
    }
    return Shown("connection.html", f"{name} · Keyturn", values)


def _tips(found: Connection, rotation: Rotation | None) -> str:
    """Why the Tips menu does not offer a new certificate now; empty where it does."""
    if found.options.hides_certificate:
        return "OpenAir's form does not show this entry. " + " ".join(found.options.hides_certificate)
    return "A rotation of this connection is open." if rotation else ""

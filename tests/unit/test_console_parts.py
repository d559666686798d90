"""The console's parts that need no server: forms, sessions, the bar, buttons, and escaping."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from fastapi import Request
from support import coroutines
from support.clock import FakeClock
from support.factories import NOW

from orchestrator.console import actions, assets, forms
from orchestrator.console.expiry_bar import WIDTH, bar
from orchestrator.console.forms import Form
from orchestrator.console.rendering import Renderer, Shown
from orchestrator.console.sessions import LINK_LIFE, Session, Sessions
from orchestrator.operations.sign_in import LIFE
from orchestrator.views.problem import status_of
from states.access import Role
from states.errors import (
    AwaitingPerson,
    IllegalMove,
    InternalError,
    InvalidInput,
    KeyturnError,
    NotFound,
    Refused,
    RestoreUnfinished,
    Stale,
    TryLater,
)
from states.next_action import NextAction, Verb, by_hand
from states.preconditions import PRECONDITIONS
from states.summary import CertificateSummary

DAY = timedelta(days=1)


class NoPeople:
    """No one has an account."""

    def begin(self, name: str, password: str, address: str) -> None:
        del name, password, address

    def find(self, secret: str) -> None:
        del secret

    def end(self, secret: str) -> None:
        del secret


def test_a_link_signs_in_once_and_a_session_ends() -> None:
    """A link is used up by signing in, or by its time; a session ends by its time, or by signing out."""
    clock = FakeClock()
    sessions = Sessions(clock.now, NoPeople())
    link, late = sessions.make_link("ada"), sessions.make_link("bob")
    token = sessions.use_link(link)
    assert token
    found = sessions.find(token)
    assert found
    assert ("ada", None, None) == (found.actor, sessions.use_link(link), sessions.find(link))
    clock.advance(LINK_LIFE.total_seconds())
    assert sessions.use_link(late) is None
    clock.advance((LIFE - LINK_LIFE).total_seconds())
    assert sessions.find(token) is None
    again = sessions.use_link(sessions.make_link("ada"))
    assert again
    for _ in range(2):
        sessions.sign_out(again)
    assert sessions.find(again) is None


def test_sessions_are_bounded() -> None:
    """The oldest session ends where there are too many."""
    sessions = Sessions(FakeClock().now, NoPeople())
    tokens = [sessions.use_link(sessions.make_link("ada")) for _ in range(101)]
    assert [False, True, True] == [bool(token and sessions.find(token)) for token in (*tokens[:2], tokens[-1])]


@pytest.mark.parametrize(
    ("days", "left", "today", "window"),
    [
        (365, 365, 0, (153.3, 176.7)),
        (365, 30, 100, (153.3, 176.7)),
        (365, 10, 166.7, (153.3, 176.7)),
        (365, -3, 200, (153.3, 176.7)),
        (20, 10, 100, (60, 130)),
    ],
)
def test_the_bar(days: int, left: int, today: float, window: tuple[float, float]) -> None:
    """The last 30 days have half of the bar, and a shorter life has one scale; what is over is at the end."""
    held = CertificateSummary("ab", NOW - (days - left) * DAY, NOW + left * DAY)
    shown = bar(held, NOW)
    assert shown
    assert (today, *window) == (shown.today, shown.window_from, shown.window_to)
    assert (200, left * DAY, None) == (WIDTH, shown.left, bar(None, NOW))


def test_the_buttons_of_a_next_action() -> None:
    """Each step has its sentence, its page with the options that the verb has, and its command line.

    What replaces another party's certificate is never the one button.
    """
    action = by_hand(
        "Correct it.",
        NextAction(Verb.RESUME, {"rotation": "R1", "overwrite": True}),
        alternatives=(NextAction(Verb.ROTATE, {"connection": "acme"}), NextAction(Verb.WORKER)),
    )
    plain = NextAction(Verb.RESUME, {"rotation": "R1"}, alternatives=(action,))
    first, second = actions.steps(action)
    assert ("Correct it.", "", "") == (first.text, first.href, first.command)
    assert (
        "Resume and replace the foreign certificate",
        "/rotations/R1/resume?overwrite=1",
        "keyturn rotation resume R1 --overwrite",
    ) == (second.label, second.href, second.command)
    assert (None, "Resume") == (actions.button(action), getattr(actions.button(plain), "label", ""))
    assert ["/connections/acme/rotate", ""] == [steps[0].href for steps in actions.alternatives(action)]
    assert ["Nothing to do."] == [each.text for each in actions.steps(NextAction(Verb.WAIT))]


def test_every_verb_on_a_rotation_has_its_page() -> None:
    """All that a person can do with a rotation has a button, except to watch it, which its page does."""
    assert set(PRECONDITIONS) - {Verb.WATCH} == set(actions.OF_ROTATION)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound("x"), 404),
        (InvalidInput("x"), 422),
        (Stale("x"), 412),
        (IllegalMove("x"), 409),
        (TryLater("x"), 503),
        (InternalError("x"), 500),
        (RestoreUnfinished("x"), 502),
        (Refused("x"), 502),
        (AwaitingPerson("x"), 409),
    ],
)
def test_the_status_of_an_error(error: KeyturnError, status: int) -> None:
    """Each kind of error has its status."""
    assert status == status_of(error)


def test_what_others_named_is_shown_and_not_interpreted() -> None:
    """Markup is escaped, and characters that hide or turn what follows are shown as what they are."""
    renderer = Renderer(assets.load()[1])
    evil = "<script>alert(1)</script>\u202eabc"
    page = renderer.page(
        Shown("problem.html", evil, {"code": "X", "message": evil, "action": None, "back": "/", "label": "Back"}),
        session=Session(evil, Role.VIEWER, NOW),
        live=None,
        path="",
    )
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert 4 == page.count("&lt;script&gt;alert(1)&lt;/script&gt;\\u202eabc")


def a_request(body: bytes, *, kind: str = "application/x-www-form-urlencoded", query: bytes = b"") -> Request:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", kind.encode())]
    return Request({"type": "http", "method": "POST", "headers": headers, "query_string": query}, receive)


def test_a_form_is_read() -> None:
    """A form's fields are its text, decoded; blanks at the ends do not count."""
    body = urlencode({"reason": " für \u20ac ", "version": "12", "overwrite": "1", "fingerprint": "AB:CD"}).encode()
    form = coroutines.run(forms.read_form(a_request(body)))
    assert ("für \u20ac", 12, "AB:CD") == (form.reason, form.version, form.fingerprint)
    assert (True, False) == (form.is_ticked("overwrite"), form.is_ticked("create_record"))
    assert {"a": "b"} == forms.read_query(a_request(b"", query=b"a=b")).fields


@pytest.mark.parametrize(
    "body",
    [b"a=%ff", b"\xff", b"a=1&a=2", b"&".join(b"f%d=1" % number for number in range(30)), b"a=%00", b"a=%ed%a0%80"],
)
def test_a_form_that_cannot_be_read(body: bytes) -> None:
    """What is not a form of a few fields in UTF-8, each once, is refused."""
    with pytest.raises(InvalidInput):
        coroutines.run(forms.read_form(a_request(body)))
    with pytest.raises(InvalidInput):
        forms.read_query(a_request(b"", query=body))


def test_what_is_no_form() -> None:
    """JSON and files are not read."""
    with pytest.raises(InvalidInput):
        coroutines.run(forms.read_form(a_request(b"{}", kind="application/json")))


@pytest.mark.parametrize("given", ["", "-1", "1.0", "\u0661", "99999999999", "x"])
def test_a_form_says_which_version_was_seen(given: str) -> None:
    """Without a version that is a number, nothing is done."""
    with pytest.raises(InvalidInput):
        _ = Form({"version": given}).version


def test_a_reason_is_given() -> None:
    """A reason is asked for, and has an end."""
    for given in ("", " ", "x" * 501):
        with pytest.raises(InvalidInput):
            _ = Form({"reason": given}).reason

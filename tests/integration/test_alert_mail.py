"""Messages about alerts by mail, to a mail server over real connections."""

import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import trustme
from integration.fixture_types import Rotate
from pydantic import ValidationError
from support.clock import OffsetClock
from support.environment import NAME
from support.factories import NOW
from support.mail_server import MailBox, mail_server

from orchestrator.adapters.mail import Mail, MailServer, read_password
from orchestrator.alert_settings import AlertSettings, RouteSettings
from orchestrator.bootstrap import Keyturn
from simulator import Fault, Simulator
from states.alert import Finding, Kind, Message, Phase
from states.errors import AlertRefused, InvalidSettings, KeyturnError, TryLater, Unknown
from states.next_action import NextAction, Verb

NO_SAVE = Fault("openair.api", "401", action="Add", when="before", times=None)
MESSAGE = Message(
    alert="01ALERT",
    seq=2,
    phase=Phase.LASTS,
    finding=Finding(
        kind=Kind.OUTAGE,
        connection=NAME,
        rotation=None,
        code="UNAUTHORIZED",
        message="Imports are refused since 12:00 UTC.",
        since=NOW,
        next_action=NextAction(Verb.EXPLAIN, {"rotation": NAME}),
    ),
    at=NOW,
)
ADDRESSES = ("ada@example.com", "bob@example.com")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def context(authority: trustme.CA) -> ssl.SSLContext:
    """What a mail server with a certificate for 127.0.0.1 encrypts with."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(made)
    return made


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> str:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return str(file)


@pytest.fixture
def box() -> Iterator[MailBox]:
    """A mail server in clear."""
    with mail_server() as running:
        yield running


def server(box: MailBox, **changes: object) -> MailServer:
    """The server as the settings would name it."""
    plain = MailServer(
        host="127.0.0.1",
        port=box.port,
        is_tls=False,
        is_local=True,
        user="",
        password="",
        ca_bundle=None,
        answer_within=10.0,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_a_mail_is_complete(box: MailBox) -> None:
    """The most harmful fact first, the next command, one thread for each alert, and one id for each message."""
    Mail(server(box), "keyturn@example.com", ADDRESSES).send(MESSAGE)
    (mail,) = box.mails
    headers = {
        "From": "keyturn@example.com",
        "To": "ada@example.com, bob@example.com",
        "Subject": f"[critical] Still: {NAME}: Imports are refused, or may be",
        "Message-ID": "<01ALERT.2@example.com>",
        "In-Reply-To": "<01ALERT.1@example.com>",
        "References": "<01ALERT.1@example.com>",
        "Auto-Submitted": "auto-generated",
    }
    assert headers == {name: mail[name] for name in headers}
    lines = mail.get_content().splitlines()
    assert "Imports are refused since 12:00 UTC." == lines[0]
    assert f"`keyturn rotation explain {NAME}`" in lines[2]
    assert ["TO:<ada@example.com>", "TO:<bob@example.com>"] == box.recipients


@pytest.mark.parametrize("is_tls", [True, False], ids=["smtps", "starttls"])
def test_a_mail_goes_over_tls(context: ssl.SSLContext, bundle: str, *, is_tls: bool) -> None:
    """With TLS from the start or by STARTTLS, and signed in to."""
    with mail_server(context, is_tls=is_tls) as box:
        box.password = "pass word"
        there = server(box, is_tls=is_tls, is_local=False, user="keyturn", password="pass word", ca_bundle=bundle)
        Mail(there, "keyturn@example.com", ADDRESSES).send(MESSAGE)
        assert [True] == box.was_encrypted


@pytest.mark.parametrize("is_tls", [True, False], ids=["smtps", "starttls"])
def test_a_server_with_another_certificate_gets_nothing(context: ssl.SSLContext, *, is_tls: bool) -> None:
    """Neither a mail nor the password is sent to a server that is not the one that is meant."""
    with mail_server(context, is_tls=is_tls) as box:
        there = server(box, is_tls=is_tls, is_local=False, user="keyturn", password="secret")
        with pytest.raises(AlertRefused, match="TLS certificate is not acceptable"):
            Mail(there, "keyturn@example.com", ADDRESSES).send(MESSAGE)
        assert [] == box.mails


def test_a_server_without_tls_gets_nothing(box: MailBox) -> None:
    """A server elsewhere that offers no STARTTLS is not spoken to in clear."""
    with pytest.raises(AlertRefused, match="offers no TLS"):
        Mail(server(box, is_local=False), "keyturn@example.com", ADDRESSES).send(MESSAGE)
    assert [] == box.mails


@pytest.mark.parametrize(
    ("command", "reply", "error", "words"),
    [
        ("MAIL", "451 later", TryLater, "cannot take the sender now (451)"),
        ("MAIL", "550 no", AlertRefused, "refuses the sender (550)"),
        ("RCPT", "450 greylisted", TryLater, "cannot take every recipient now (450)"),
        ("RCPT", "550 unknown", AlertRefused, "refuses every recipient (550)"),
        ("DATA", "452 full", TryLater, "cannot take the mail now (452)"),
        ("END", "554 spam", AlertRefused, "refuses the mail (554)"),
        ("END", "", Unknown, "answer was lost"),
    ],
)
def test_what_the_server_replies(box: MailBox, command: str, reply: str, error: type[KeyturnError], words: str) -> None:
    """A reply of 4xx is tried again, one of 5xx is a refusal, and a lost one is unknown."""
    box.replies[command] = reply
    with pytest.raises(error) as found:
        Mail(server(box), "keyturn@example.com", ADDRESSES).send(MESSAGE)
    assert words in str(found.value)


@pytest.mark.parametrize("reply", ["421 no", ""])
def test_a_mail_that_was_taken_is_sent(box: MailBox, reply: str) -> None:
    """However the server answers to the end of the session: the mail is not sent again."""
    box.replies["QUIT"] = reply
    Mail(server(box), "keyturn@example.com", ADDRESSES).send(MESSAGE)
    assert 1 == len(box.mails)


def test_a_wrong_password(context: ssl.SSLContext, bundle: str) -> None:
    """It is said, without the password."""
    with mail_server(context) as box:
        box.password = "right"
        there = server(box, is_local=False, user="keyturn", password="not-that-one", ca_bundle=bundle)
        with pytest.raises(AlertRefused, match=r"refuses the sign-in \(535\)") as found:
            Mail(there, "keyturn@example.com", ADDRESSES).send(MESSAGE)
    assert "not-that-one" not in f"{found.value!r} {there!r}"


def test_a_server_that_is_away() -> None:
    """Nothing was sent, so it is tried again."""
    with mail_server() as box:
        pass
    with pytest.raises(TryLater, match=r"127\.0\.0\.1 could not be reached"):
        Mail(server(box), "keyturn@example.com", ADDRESSES).send(MESSAGE)


@pytest.mark.parametrize("content", ["", "\n", "two\nlines", "\x00"])
def test_a_file_without_a_password(tmp_path: Path, content: str) -> None:
    """It is refused, with the setting and without the content."""
    file = tmp_path / "password"
    file.write_text(content)
    with pytest.raises(InvalidSettings, match=r"alerts\.routes\.ops\.secret_file"):
        read_password("ops", file)


MAIL = {"mail_server": "smtps://mail.example.com", "sender": "k@example.com", "recipients": ("a@example.com",)}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"recipients": ("a@example.com\nBcc: m@example.com",)}, "One of them is no mail address"),
        ({"sender": "a@example.com, b@example.com"}, "One of them is no mail address"),
        ({"mail_server": "http://mail.example.com"}, "smtps://HOST"),
        ({"mail_server": "smtps://u:p@mail.example.com"}, "the password belongs in secret_file"),
        ({"mail_server": "smtps://u@mail.example.com"}, "needs a secret_file"),
        ({"mail_server": "smtps://usér@mail.example.com", "secret_file": "/x"}, "smtps://HOST"),
        ({"sender": ""}, "Mail needs"),
        ({"webhook": "https://alerts.example.com"}, "either a webhook, or"),
    ],
)
def test_settings_that_are_refused(changes: dict[str, object], words: str) -> None:
    """What could add a header, leak a password or send nothing is refused when the settings are read."""
    RouteSettings(**MAIL)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match=words):
        RouteSettings(**{**MAIL, **changes})  # type: ignore[arg-type]


def test_an_outage_is_mailed(app: Keyturn, simulator: Simulator, rotate: Rotate, box: MailBox) -> None:
    """From the settings to the mail: once, however often it is looked."""
    route = RouteSettings(mail_server=f"smtp://127.0.0.1:{box.port}", sender="k@example.com", recipients=ADDRESSES)
    app.settings = app.settings.model_copy(update={"alerts": AlertSettings(routes={"ops": route})})
    simulator.faults.add(NO_SAVE)
    rotate()
    assert not app.alerts.send()
    app.alerts.look()
    assert not app.alerts.send()
    (mail,) = box.mails
    assert mail.get_content().startswith("Imports are refused since")


def test_a_refused_message_is_not_sent_every_moment(
    app: Keyturn, simulator: Simulator, rotate: Rotate, box: MailBox
) -> None:
    """A server that refuses a message is asked again after seconds, then minutes; others are not held up."""
    app.clock = clock = OffsetClock()
    route = RouteSettings(mail_server=f"smtp://127.0.0.1:{box.port}", sender="k@example.com", recipients=ADDRESSES)
    app.settings = app.settings.model_copy(update={"alerts": AlertSettings(routes={"ops": route})})
    simulator.faults.add(NO_SAVE)
    rotate()
    box.replies["END"] = "554 spam"
    for _ in range(3):
        assert app.alerts.send()
    assert 1 == len(box.mails)
    clock.ahead = timedelta(seconds=11)
    assert app.alerts.send()
    assert 2 == len(box.mails)
    del box.replies["END"]
    clock.ahead = timedelta(minutes=1)
    assert not app.alerts.send()
    assert 3 == len(box.mails)

"""Sends the messages about alerts by mail: over TLS, except to this computer."""

import logging
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Final

from orchestrator.views.alert import text, title
from states.alert import Message
from states.errors import AlertRefused, InvalidSettings, KeyturnError, TryLater, Unknown
from states.shortage import shortage

_log = logging.getLogger("keyturn.alerts")

WITHIN: Final = 10.0
"""Seconds for each answer of the server."""
_LATER: Final = range(400, 500)
"""Replies after which the same mail may be taken later (RFC 5321, 4.2.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where mails are handed in."""

    host: str
    port: int
    is_tls: bool
    """Whether TLS comes first. Otherwise the server is asked for it (STARTTLS), and without it gets nothing."""
    is_local: bool
    """Whether it is on this computer, where no TLS is needed."""
    user: str
    password: str = field(repr=False)
    ca_bundle: str | None
    answer_within: float


class Mail:
    """Receivers of mail. They may get a mail more than once, always with the same Message-ID."""

    def __init__(self, server: MailServer, sender: str, recipients: Sequence[str]) -> None:
        self._server = server
        self._sender = sender
        self._recipients = tuple(recipients)

    def send(self, message: Message) -> None:
        """Hand ``message`` in. Safe to repeat: mail programs tell a repetition by the Message-ID.

        A mail that the server takes for some recipients alone is sent; the log names the others.

        Raises:
            TryLater: The server is away, or says that it has no time now; nothing was sent.
            Unknown: Its answer to the mail was lost.
            AlertRefused: It refuses the sign-in, the sender, every recipient, or TLS.
        """
        mail = _mail(message, self._sender, self._recipients)
        server = self._opened()
        try:
            refused = server.send_message(mail, self._sender, self._recipients)
        except (smtplib.SMTPException, OSError) as error:
            raise _known(error, Unknown("The mail server's answer was lost; the mail may be sent.")) from error
        finally:
            _leave(server)
        if refused:
            _log.warning("mail refused for some recipients", extra={"recipients": sorted(refused), "id": message.id})

    def _opened(self) -> smtplib.SMTP:
        """Return the server, signed in to."""
        server = self._server
        away = TryLater(f"The mail server {server.host} could not be reached; nothing was sent.")
        where, within = (server.host, server.port), server.answer_within
        try:
            if server.is_tls:
                opened: smtplib.SMTP = smtplib.SMTP_SSL(*where, timeout=within, context=self._tls())
            else:
                opened = smtplib.SMTP(*where, timeout=within)
        except (smtplib.SMTPException, OSError) as error:
            raise _known(error, away) from error
        try:
            if not (server.is_tls or server.is_local):
                opened.starttls(context=self._tls())
            if server.user:
                opened.login(server.user, server.password)
        except (smtplib.SMTPException, OSError) as error:
            opened.close()
            raise _known(error, away) from error
        return opened

    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._server.ca_bundle)


def _leave(server: smtplib.SMTP) -> None:
    """End the session. Whether the server is content with that changes nothing: it has taken the mail, or has not."""
    try:
        server.quit()
    except (smtplib.SMTPException, OSError):
        server.close()


def read_password(name: str, file: Path) -> str:
    """Read the password of the route ``name``. Raises InvalidSettings where the file has none; Exhausted."""
    setting = f"The file alerts.routes.{name}.secret_file, {file},"
    try:
        password = file.read_text(encoding="ascii").strip("\r\n")  # smtplib sends no other
    except UnicodeDecodeError:
        password = ""
    except OSError as error:
        if lacking := shortage(error):
            raise lacking from error
        raise InvalidSettings(f"{setting} cannot be read: {error.strerror}.") from error
    if not password or not password.isprintable():
        raise InvalidSettings(f"{setting} has no password of one line in ASCII.")
    return password


def _mail(message: Message, sender: str, recipients: Sequence[str]) -> EmailMessage:
    domain = sender.rpartition("@")[2]
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"] = sender, ", ".join(recipients)
    mail["Subject"] = f"[{message.severity.name.lower()}] {title(message)}"
    mail["Date"] = message.at
    mail["Message-ID"] = f"<{message.id}@{domain}>"
    if message.seq > 1:  # one thread for each alert
        mail["In-Reply-To"] = mail["References"] = f"<{message.alert}.1@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"  # no answer of an absent person comes back (RFC 3834)
    mail.set_content(text(message))
    return mail


def _known(error: Exception, otherwise: KeyturnError) -> KeyturnError:
    """Our own error for one of smtplib's; ``otherwise`` where the server has not said what is wrong."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
        return _replied(max(codes), "every recipient")
    if isinstance(error, smtplib.SMTPResponseException):
        return _replied(error.smtp_code, _refused_what(error))
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return AlertRefused("The mail server offers no TLS, or no way to sign in that Keyturn knows.")
    if isinstance(error, ssl.SSLCertVerificationError):
        return AlertRefused(f"The mail server's TLS certificate is not acceptable: {error.verify_message}.")
    return shortage(error) or otherwise


def _refused_what(error: smtplib.SMTPResponseException) -> str:
    kinds = {smtplib.SMTPAuthenticationError: "the sign-in", smtplib.SMTPSenderRefused: "the sender"}
    return next((what for kind, what in kinds.items() if isinstance(error, kind)), "the mail")


def _replied(code: int, what: str) -> KeyturnError:
    if code in _LATER:
        return TryLater(f"The mail server cannot take {what} now ({code}).")
    return AlertRefused(f"The mail server refuses {what} ({code}).")

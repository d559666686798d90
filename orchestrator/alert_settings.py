"""The settings of alerts: who gets them, how, and which."""

import re
from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from orchestrator.settings_table import SafeUrl, Table, from_json
from states.alert import Severity
from states.timing import EXPIRING_DAYS

_ADDRESS: Final = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w.-]+\Z", re.ASCII)
"""A mail address of the usual form (RFC 5321's Dot-string, or nearly)."""


class RouteSettings(Table):
    """One receiver of alerts: a webhook, or recipients of mail."""

    webhook: SafeUrl = ""
    mail_server: str = ""
    sender: str = ""
    recipients: tuple[str, ...] = ()
    secret_file: Path | None = None
    connections: tuple[str, ...] = ()
    least: Severity = Severity.WARNING

    @field_validator("least", mode="before")
    @classmethod
    def _as_severity(cls, given: object) -> object:
        """Return the severity of a name; raise ValueError for any other."""
        if isinstance(given, str) and given.upper() in Severity.__members__:
            return Severity[given.upper()]
        raise ValueError("It is not warning, error or critical.")

    @field_validator("mail_server")
    @classmethod
    def _is_mail_server(cls, url: str) -> str:
        """Return ``url``; raise ValueError if it is not smtp:// or smtps:// with a host."""
        try:
            parts = urlsplit(url)
            is_one = not url or bool(parts.scheme in ("smtp", "smtps") and parts.hostname and parts.port != 0)
            is_one = is_one and (parts.username or "").isascii()  # smtplib signs in with no other
            has_more = any((parts.password is not None, parts.path.strip("/"), parts.query, parts.fragment))
        except ValueError:  # its text would repeat what is given
            is_one = has_more = False
        if not is_one:
            raise ValueError("It is not smtps://HOST or smtp://HOST.")
        if has_more:
            raise ValueError("It has more than a user, a host and a port; the password belongs in secret_file.")
        return url

    @field_validator("sender", "recipients")
    @classmethod
    def _are_addresses(cls, given: str | tuple[str, ...]) -> str | tuple[str, ...]:
        """Return what is given; raise ValueError if one is no plain address, which could add a header to a mail."""
        addresses = [given] if isinstance(given, str) else given
        if not all(_ADDRESS.match(each) for each in addresses if each):
            raise ValueError("One of them is no mail address, such as ada@example.com.")
        return given

    @model_validator(mode="after")
    def _is_one_receiver(self) -> Self:
        """Raise ValueError unless it has a webhook, or all that mails need."""
        by_mail = self.mail_server or self.sender or self.recipients
        if bool(self.webhook) is bool(by_mail):
            raise ValueError("It needs either a webhook, or a mail_server with sender and recipients.")
        if self.webhook and not self.secret_file:
            raise ValueError("A webhook needs a secret_file.")
        if by_mail and not (self.mail_server and self.sender and self.recipients):
            raise ValueError("Mail needs mail_server, sender and recipients.")
        if by_mail and bool(urlsplit(self.mail_server).username) is not bool(self.secret_file):
            raise ValueError("A user of the mail_server needs a secret_file with the password, and a password a user.")
        return self


class AlertSettings(Table):
    """Who gets alerts about what needs a person. Without a route, no one does."""

    routes: dict[str, RouteSettings] = Field(
        default_factory=dict,
        description="A table for each receiver, such as [alerts.routes.operators]. `webhook`: an https URL that "
        "messages are posted to; `secret_file`: a file that has nothing but the secret by which they are signed. Or "
        "`mail_server`, such as smtps://user@mail.example.com (smtp:// for STARTTLS), `sender` and `recipients`; "
        "`secret_file` has the user's password then. "
        "`connections`: names or patterns such as acme*; without any, all connections and what is about no connection. "
        "`least`: warning, error or critical; default: warning.",
    )

    expiring: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = Field(
        default=EXPIRING_DAYS,
        description="Days before the certificate in use ends at which that is reported, once each, where no automatic "
        "rotation renews it in time, and before one of Keyturn's own credentials ends. `[]`: not by steps.",
    )

    @field_validator("routes", mode="before")
    @classmethod
    def _as_tables(cls, given: object) -> object:
        """Return what an environment variable means as tables: JSON."""
        return from_json(given or "{}") if isinstance(given, str) else given

    @field_validator("expiring", mode="before")
    @classmethod
    def _as_list(cls, given: object) -> object:
        """Return what an environment variable means as a list: JSON."""
        return from_json(given or "[]") if isinstance(given, str) else given

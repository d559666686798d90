"""Reads and writes NetSuite's certificate record through Keyturn's RESTlet.

The RESTlet is in suitescript/; suitescript/schema/restlet.schema.json describes its requests and replies.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final, TypeVar

from orchestrator.adapters import netsuite_errors
from orchestrator.adapters.answer_guard import guarded
from orchestrator.adapters.http import Http
from orchestrator.adapters.netsuite_token import NetSuiteTokens
from orchestrator.adapters.quoting import quote
from states.certificate import Certificate, Challenge
from states.connection import NetSuiteSettings
from states.ports import Clock, Record, Report
from states.rotation import PrivateKey
from states.timing import READ_BACK_DELAY

_log = logging.getLogger("keyturn.netsuite")

PATH: Final = "/app/site/hosting/restlet.nl"

_Content = TypeVar("_Content")


class NetSuiteAdapter:
    """One NetSuite account (states.ports.NetSuite). Safe to share between threads.

    ``NetSuiteAdapter(settings, tokens, http, clock)``: ``http`` has ``settings.restlet_url`` as its base.
    """

    def __init__(self, settings: NetSuiteSettings, tokens: NetSuiteTokens, http: Http, clock: Clock) -> None:
        self._account = settings.account
        self._query = {"script": settings.script, "deploy": settings.deployment}
        self._tokens = tokens
        self._http = http
        self._clock = clock

    def report(self) -> Report:
        """Return what NetSuite reports of the certificate record and the account. Changes nothing; safe to repeat."""
        return self._call({"action": "report"}, writes=False, parse=_parse_report)

    def sign(self, challenge: Challenge) -> str:
        """Sign ``challenge`` with the record's key and return the signature in standard Base64.

        Changes nothing; safe to repeat. Raises CertificateRecordMissing, CannotSign.
        """
        return self._call({"action": "sign", "challenge": challenge.nonce}, writes=False, parse=_parse_signature)

    def install(
        self,
        certificate: Certificate,
        key: PrivateKey,
        challenge: Challenge,
        *,
        deadline: datetime,
        create: bool,
        warn: Callable[[str], None],
    ) -> str:
        """Save certificate and key in the record, sign ``challenge`` with it, and return the signature in Base64.

        Not safe to repeat blindly: read back first after Unknown.

        Args:
            certificate: The certificate to save.
            key: Its private key.
            challenge: The data to sign with the record after saving.
            deadline: The RESTlet changes nothing if the request reaches it after this moment, rounded down to the
                second. So a request that was lost on the way cannot take effect later (the hold-off).
            create: Whether the RESTlet may create the record if it is missing.
            warn: Called with each thing that the RESTlet could not do, such as remove the key's file, safe to show.

        Raises:
            Unknown: The answer was lost, or NetSuite saved the certificate but then failed to sign with it.
        """
        request = {
            "action": "install",
            "account": self._account,
            "challenge": challenge.nonce,
            "pem": certificate.pem + key.reveal().decode(),
            "deadline": f"{deadline.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "create": create,
        }
        return self._call(request, writes=True, parse=_parse_signature, key=key, warn=warn)

    def _call(
        self,
        request: Mapping[str, object],
        *,
        writes: bool,
        parse: Callable[[Mapping[str, Any]], _Content],
        key: PrivateKey | None = None,
        warn: Callable[[str], None] = lambda _: None,
    ) -> _Content:
        """Call the RESTlet and return the parsed content of its answer.

        ``key`` is the private key in the request, if any: an error message that quotes it is withheld. ``warn`` is
        called with each warning of the RESTlet; the log has it in any case.
        """
        body = json.dumps(request).encode()
        token = self._tokens.token()
        reply = self._post(body, token, writes=writes, key=key)
        if reply.status == HTTPStatus.UNAUTHORIZED and reply.oauth_error == "invalid_token":
            # NetSuite refuses the token before the script runs, so this is safe also for a write. The token was revoked
            # or has expired early. A second refusal has another cause, so only one new token is tried.
            token = self._tokens.token(rejected=token)
            reply = self._post(body, token, writes=writes, key=key)
        elif reply.is_bare_401 and not writes:
            # Reported when too many requests sign in at once. A write is not repeated: the step looks first.
            self._clock.sleep(READ_BACK_DELAY)
            reply = self._post(body, token, writes=writes, key=key)
        for shown in self._shown(reply):
            # Such as a key file that could not be removed. The RESTlet tries again at the next report or install.
            _log.warning("NetSuite warns", extra={"account": self._account, "warning": shown})
            warn(shown)
        with guarded("NetSuite", lambda: netsuite_errors.unusable(reply.status, writes=writes)):
            if reply.done is None:
                raise netsuite_errors.error_of(reply)
            try:
                return parse(reply.done)
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
                # "Done" with content of another form: the write happened or not, so its outcome is unknown.
                # Not chained: a parser's message may quote its input.
                raise netsuite_errors.unclear(reply) from None

    @staticmethod
    def _shown(reply: netsuite_errors.Reply) -> Sequence[str]:
        with guarded("NetSuite", lambda: netsuite_errors.unusable(reply.status, writes=reply.writes)):
            return [quote(warning.message, reply.sent) for warning in reply.warnings]

    def _post(self, body: bytes, token: str, *, writes: bool, key: PrivateKey | None) -> netsuite_errors.Reply:
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }
        answer = self._http.post(PATH, body, headers, writes=writes, query=self._query)
        sent = [token, key.reveal().decode() if key else ""]
        with guarded("NetSuite", lambda: netsuite_errors.unusable(answer.status, writes=writes)):
            return netsuite_errors.read(answer, writes=writes, sent=sent)


def _parse_signature(done: Mapping[str, Any]) -> str:
    return _parse_text(done["signature"])


def _parse_report(done: Mapping[str, Any]) -> Report:
    environment = done["environment"]
    return Report(
        record=_parse_record(done["record"]),
        server_time=_parse_time(environment["serverTime"]),
        account=_parse_text(environment["accountId"]),
        key_files=tuple(quote(each.message) for each in netsuite_errors.warnings_in(done) if each.is_about_key_file),
        bundles={
            _parse_text(bundle["id"]): None if bundle["version"] is None else _parse_text(bundle["version"])
            for bundle in environment["bundles"]
            if bundle["installed"]
        },
        missing_bundles=tuple(
            _parse_text(bundle["id"]) for bundle in environment["bundles"] if bundle["installed"] is False
        ),
    )


def _parse_record(found: Mapping[str, Any] | None) -> Record | None:
    if found is None:
        return None
    return Record(
        name=_parse_text(found["name"]),
        file_name=_parse_text(found["fileName"]),
        valid_from=_parse_time(found["validFrom"]) if found["validFrom"] else None,
        valid_to=_parse_time(found["validTo"]) if found["validTo"] else None,
    )


def _parse_text(value: object) -> str:
    """Return ``value``, which is a text that can be stored and printed. Raises TypeError, ValueError."""
    if not isinstance(value, str):
        raise TypeError(type(value).__name__)
    if b"\0" in value.encode():  # which fails for half of a character
        raise ValueError("a NUL")
    return value


def _parse_time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)

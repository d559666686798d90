"""The certificate record in NetSuite, through the RESTlet of suitescript/ (its schema/restlet.schema.json)."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final, TypeVar

from orchestrator.adapters import netsuite_errors
from orchestrator.adapters.http import Http
from orchestrator.adapters.netsuite_token import NetSuiteTokens
from states.certificate import Certificate, Challenge
from states.connection import NetSuiteSettings
from states.ports import Record, Report
from states.rotation import PrivateKey

PATH: Final = "/app/site/hosting/restlet.nl"

_Meaning = TypeVar("_Meaning")


class NetSuiteAdapter:
    """One NetSuite account (states.ports.NetSuite). Safe to share between threads.

    ``NetSuiteAdapter(settings, tokens, http)``: ``http`` has ``settings.restlet_url`` as its base.
    """

    def __init__(self, settings: NetSuiteSettings, tokens: NetSuiteTokens, http: Http) -> None:
        self._query = {"script": settings.script, "deploy": settings.deployment}
        self._tokens = tokens
        self._http = http

    def report(self) -> Report:
        """Tell what the record looks like. Changes nothing."""
        return self._call({"action": "report"}, writes=False, meaning=_report)

    def sign(self, challenge: Challenge) -> str:
        """Sign the challenge with the record's key; return standard Base64. Changes nothing.

        Raises CertificateRecordMissing, CannotSign.
        """
        return self._call({"action": "sign", "challenge": challenge.nonce}, writes=False, meaning=_signature)

    def install(
        self,
        certificate: Certificate,
        key: PrivateKey,
        challenge: Challenge,
        *,
        deadline: datetime,
        create: bool,
    ) -> str:
        """Put certificate and key into the record and sign the challenge with it; return standard Base64.

        Raises Unknown also where NetSuite took the certificate but then failed to sign with it.
        """
        request = {
            "action": "install",
            "challenge": challenge.nonce,
            "pem": certificate.pem + key.reveal().decode(),
            "deadline": f"{deadline.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "create": create,
        }
        return self._call(request, writes=True, meaning=_signature, key=key)

    def _call(
        self,
        request: Mapping[str, object],
        *,
        writes: bool,
        meaning: Callable[[Mapping[str, Any]], _Meaning],
        key: PrivateKey | None = None,
    ) -> _Meaning:
        """Call the RESTlet and return the meaning of its answer; ``key`` is the one that the request carries."""
        body = json.dumps(request).encode()
        token = self._tokens.token()
        reply = self._ask(body, token, writes=writes, key=key)
        if reply.status == HTTPStatus.UNAUTHORIZED and reply.oauth_error == "invalid_token":
            # The script did not run. The token was revoked or has expired early; one new token is worth a try.
            token = self._tokens.token(rejected=token)
            reply = self._ask(body, token, writes=writes, key=key)
        if reply.done is None:
            raise netsuite_errors.error_of(reply)
        try:
            return meaning(reply.done)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            # Not chained: a parser's message may quote what it could not read.
            raise netsuite_errors.unclear(reply) from None

    def _ask(self, body: bytes, token: str, *, writes: bool, key: PrivateKey | None) -> netsuite_errors.Reply:
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }
        answer = self._http.post(PATH, body, headers, writes=writes, query=self._query)
        return netsuite_errors.read(answer, writes=writes, sent=[token, key.reveal().decode() if key else ""])


def _signature(done: Mapping[str, Any]) -> str:
    signature = done["signature"]
    if not isinstance(signature, str):
        raise TypeError("signature")
    return signature


def _report(done: Mapping[str, Any]) -> Report:
    environment = done["environment"]
    return Report(
        record=_record(done["record"]),
        server_time=_moment(environment["serverTime"]),
        bundles={bundle["id"]: bundle["version"] for bundle in environment["bundles"] if bundle["installed"]},
    )


def _record(found: Mapping[str, Any] | None) -> Record | None:
    if found is None:
        return None
    return Record(
        name=found["name"],
        file_name=found["fileName"],
        valid_from=_moment(found["validFrom"]) if found["validFrom"] else None,
        valid_to=_moment(found["validTo"]) if found["validTo"] else None,
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)

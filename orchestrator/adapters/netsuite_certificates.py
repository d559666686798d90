"""Lists, maps and revokes the certificates with which Keyturn signs in to NetSuite, by NetSuite's endpoint for them.

https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/article_92130837826.html (the endpoint: it needs the
permission "Manage own OAuth 2.0 Client Credentials certificates", and a token with the scope of REST web services);
article_0209112025.html (the request that maps one). Assumptions: the list is an array, or has one in ``items``, of
objects with ``certificateId`` and ``revoked``. Nothing rests on the answers to an upload or a revocation: the list
shows their result, and a sign-in proves which certificate is ours.
"""

import base64
import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from orchestrator.adapters import netsuite_errors
from orchestrator.adapters.answer_guard import guarded
from orchestrator.adapters.decision_table import Rule, first_match
from orchestrator.adapters.http import Answer, Http
from orchestrator.adapters.netsuite_errors import (
    AT_ONCE_WITH_OTHERS,
    PERMISSIONS,
    THROTTLES,
    UNCLEAR,
    WRONG_ADDRESS,
    Reply,
    unclear,
)
from orchestrator.adapters.netsuite_token import NetSuiteTokens
from orchestrator.adapters.oauth import CLIENT_ERRORS
from states.errors import NotPermitted, Refused, SignInRefused, Throttled
from states.ports import NetSuite, SignInCertificate
from states.rotation import PrivateKey

PATH: Final = "/services/rest/auth/oauth2/v1/clients/{}/certificates"
_SUCCESS: Final = range(200, 300)
_TRUE: Final = (True, "T", "true")
"""How NetSuite writes that something is so."""

RULES: Final[tuple[Rule[Reply], ...]] = (
    WRONG_ADDRESS,
    Rule(
        "throttled",
        lambda it: it.code in THROTTLES or it.status == HTTPStatus.TOO_MANY_REQUESTS,
        lambda it: Throttled(f"NetSuite asks for fewer requests ({it.summary}).", retry_after=it.retry_after),
    ),
    AT_ONCE_WITH_OTHERS,
    Rule(
        "sign-in refused",
        lambda it: (
            it.status == HTTPStatus.UNAUTHORIZED or (it.status == HTTPStatus.BAD_REQUEST and it.oauth_error != "")
        ),
        lambda it: SignInRefused(f"NetSuite does not accept the access token ({it.oauth_error or it.summary})."),
    ),
    Rule(
        "permission missing",
        lambda it: it.status == HTTPStatus.FORBIDDEN or it.code in PERMISSIONS,
        lambda it: NotPermitted(
            f"NetSuite does not permit the role that Keyturn signs in with to manage its certificates ({it.summary})."
        ),
    ),
    Rule(
        "refused",
        lambda it: it.status in CLIENT_ERRORS and it.code != "",
        lambda it: Refused(f"NetSuite refused the request about the sign-in certificate ({it.summary})."),
    ),
    # The rest: 5xx, an error without a code, a page instead of JSON.
    UNCLEAR,
)
"""Decides what an answer without success means. The order matters: the first rule that applies decides."""


class NetSuiteCertificates:
    """One integration's certificates (states.ports.SignInCertificates)."""

    def __init__(
        self, client_id: str, tokens: NetSuiteTokens, http: Http, sign_in: Callable[[PrivateKey, str], NetSuite]
    ) -> None:
        """Prepare the requests; nothing is sent yet.

        Args:
            client_id: The integration's.
            tokens: Tokens with the scope of REST web services.
            http: A client whose base URL is the RESTlets' domain: Oracle shows the endpoint there.
            sign_in: Builds the RESTlet's adapter that signs in with a key and the certificate of an id.
        """
        self._path = PATH.format(quote(client_id, safe=""))
        self._tokens = tokens
        self._http = http
        self._sign_in = sign_in

    def held(self) -> list[SignInCertificate]:
        """Return what NetSuite lists. Changes nothing; safe to repeat. Raises NotPermitted."""
        token = self._tokens.token()
        answer = self._http.get(self._path, _headers(token))
        with guarded("NetSuite", lambda: netsuite_errors.unusable(answer.status, writes=False)):
            reply = _ensure_success(answer, token, writes=False)
            try:
                return _parse_list(answer)
            except (KeyError, TypeError, ValueError, RecursionError):
                raise unclear(reply) from None

    def upload(self, certificate: str) -> None:
        """Give NetSuite another ``certificate`` (PEM), for the role and the user of the token. Look before repeating.

        Raises Unknown, Refused.
        """
        token = self._tokens.token()
        role, entity = _role_and_entity(token)
        self._post(self._path, {"fileContent": certificate, "role": role, "entity": entity}, token)

    def revoke(self, certificate_id: str) -> None:
        """Revoke a certificate, for good. Safe to repeat. Raises Unknown, Refused."""
        self._post(f"{self._path}/{quote(certificate_id, safe='')}/revoke", {}, self._tokens.token())

    def proves(self, key: PrivateKey, certificate_id: str) -> bool:
        """Whether NetSuite signs in with ``key`` and that certificate, and its RESTlet answers. Changes nothing."""
        try:
            self._sign_in(key, certificate_id).report()
        except SignInRefused:
            return False
        return True

    def _post(self, path: str, content: Mapping[str, object], token: str) -> None:
        answer = self._http.post(path, json.dumps(content).encode(), _headers(token), writes=True)
        with guarded("NetSuite", lambda: netsuite_errors.unusable(answer.status, writes=True)):
            _ensure_success(answer, token, writes=True)


def _headers(token: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Accept": "application/json"}


def _ensure_success(answer: Answer, token: str, *, writes: bool) -> Reply:
    reply = netsuite_errors.read(answer, writes=writes, sent=[token])
    if answer.status not in _SUCCESS:
        raise first_match(RULES, reply).error(reply)
    return reply


def _parse_list(answer: Answer) -> list[SignInCertificate]:
    content = json.loads(answer.body)
    listed = content["items"] if isinstance(content, dict) else content
    if not isinstance(listed, list):
        raise TypeError(type(listed).__name__)
    return [_parse_certificate(each) for each in listed]


def _parse_certificate(content: Any) -> SignInCertificate:
    found = content["certificateId"]
    if not (isinstance(found, str) and found.isascii() and found.isprintable() and found):
        raise TypeError(type(found).__name__)
    return SignInCertificate(found, is_revoked=content.get("revoked") in _TRUE)


def _role_and_entity(token: str) -> tuple[int, int]:
    """Return the role and the user that ``token`` was issued for: a new certificate is mapped to the same ones.

    https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_158255317571.html (``sub``: both, separated by
    a semicolon). Raises Refused.
    """
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        role, entity = claims["sub"].split(";")
        return int(role), int(entity)
    except (IndexError, KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise Refused("NetSuite's access token does not name the role and the user that Keyturn signs in as.") from None

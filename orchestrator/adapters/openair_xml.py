"""OpenAir's XML API: the certificate is kept in a Preference, which is saved and read back by name.

OpenAir documents no place of its own for the real-time certificate; a Preference is a documented general store, and
that the connector reads it there is an assumption (states.connection.OpenAirSettings.preference).
"""

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final, Protocol
from xml.etree.ElementTree import Element, ParseError, SubElement, tostring

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from orchestrator.adapters import openair_errors
from orchestrator.adapters.http import Answer, Http, retry_after
from orchestrator.adapters.openair_errors import NO_SUCH_RECORD, SUCCESS, TOKEN_REFUSED, Reply
from states.certificate import Certificate
from states.connection import OpenAirSettings
from states.errors import InvalidInput, TryLater, Unknown
from states.rotation import Confirmation

PATH: Final = "/api.pl"

MOST_FOUND: Final = "100"
"""How many Preferences of one name are looked for; there should be one."""

_CODE: Final = re.compile(r"\d{1,6}")


class SignIn(Protocol):
    """How Keyturn signs in to the XML API; orchestrator/adapters/openair_auth.py has both ways."""

    def fields(self) -> Mapping[str, str]:
        """The elements of `<Login>`, by name. Raises TryLater, SignInRefused, WrongBaseUrl."""
        ...

    def renewed(self, rejected: Mapping[str, str]) -> Mapping[str, str] | None:
        """Other elements in place of those that were just rejected, or None where there are no others."""
        ...


class OpenAirXml:
    """One OpenAir company (states.ports.OpenAir). Safe to share between threads.

    ``OpenAirXml(settings, sign_in, http, api_key=…)``: ``http`` has ``settings.url`` as its base; ``api_key`` is the
    key that OpenAir gave for ``settings.namespace``.
    """

    def __init__(self, settings: OpenAirSettings, sign_in: SignIn, http: Http, *, api_key: str) -> None:
        self._preference = settings.preference
        self._envelope = {
            "API_version": "1.0",
            "client": "Keyturn",
            "client_ver": "1.0",
            "namespace": settings.namespace,
            "key": api_key,
        }
        self._sign_in = sign_in
        self._http = http

    def read(self) -> Certificate | None:
        """The certificate in the Preference; None where it is missing, empty, or no certificate. Changes nothing.

        None as well where there are several of that name which differ: nobody knows which one counts.
        """
        found = {_fingerprint(it): it for it in self._find()}
        return _certificate(found.popitem()[1]) if len(found) == 1 else None

    def save(self, confirmation: Confirmation, check: Callable[[], None]) -> None:
        """Save the confirmed certificate: modify the Preference, or add it where it is missing.

        An Add that landed late may have left a second one, so each of that name gets the certificate. Safe to repeat:
        where it is there already, nothing is written. ``check`` is called right before each write: reading and signing
        in may have taken minutes. Raises Unknown, also where only some of them were saved to.
        """
        certificate, found = confirmation.certificate, self._find()
        if not found:
            self._run("Add", self._new_preference(certificate), check=check)
        others = [it for it in found if _fingerprint(it) != certificate.fingerprint]
        for number, preference in enumerate(others):
            try:
                self._run("Modify", _changed_preference(preference, certificate), check=check)
            except TryLater as error:
                if number:
                    told = f"OpenAir saved the certificate in {number} of {len(others)} Preferences of that name."
                    raise Unknown(f"{told} {error.message}") from error
                raise

    def _find(self) -> list[Element]:
        criterion = Element("Preference")
        SubElement(criterion, "name").text = self._preference
        returned = Element("_Return")
        for name in ("id", "name", "setting"):
            SubElement(returned, name)
        answer = self._run("Read", criterion, returned, method="equal to", limit=MOST_FOUND)
        return [it for it in answer.findall("Preference") if it.findtext("name") == self._preference]

    def _new_preference(self, certificate: Certificate) -> Element:
        preference = Element("Preference")
        SubElement(preference, "name").text = self._preference
        SubElement(preference, "setting").text = certificate.pem
        return preference

    # --- one command, one request -------------------------------------------------------------------------------------

    def _run(
        self, command: str, *content: Element, check: Callable[[], None] | None = None, **attributes: str
    ) -> Element:
        """Send one command; return its element of the answer. A command that is refused was not carried out.

        One that writes has a ``check``, which each request for it has to pass.
        """
        login = self._sign_in.fields()
        reply, element = self._send(login, command, content, attributes, check)
        if reply.code in TOKEN_REFUSED:
            renewed = self._sign_in.renewed(login)
            if renewed:
                reply, element = self._send(renewed, command, content, attributes, check)
        if element is not None and (reply.code == SUCCESS or (reply.code == NO_SUCH_RECORD and command == "Read")):
            return element
        raise openair_errors.error_of(reply)

    def _send(
        self,
        login: Mapping[str, str],
        command: str,
        content: tuple[Element, ...],
        attributes: Mapping[str, str],
        check: Callable[[], None] | None,
    ) -> tuple[Reply, Element | None]:
        request = Element("request", self._envelope)
        sign_in = SubElement(SubElement(request, "Auth"), "Login")
        for name, value in login.items():
            SubElement(sign_in, name).text = value
        SubElement(request, command, {"type": "Preference", **attributes}).extend(content)
        body: bytes = tostring(request, encoding="utf-8", xml_declaration=True)
        headers = {"Content-Type": "application/xml", "Accept": "application/xml"}
        if check:
            check()
        answer = self._http.post(PATH, body, headers, writes=check is not None)
        return _taken_apart(answer, command)


def _taken_apart(answer: Answer, command: str) -> tuple[Reply, Element | None]:
    """The answer for the checks, and the command's element where there is one. Never fails."""
    auth, element = None, None
    if answer.status == HTTPStatus.OK:
        try:
            response = fromstring(answer.body, forbid_dtd=True)
        except (ParseError, DefusedXmlException, ValueError):
            response = Element("unreadable")
        auth, element = response.find("Auth"), response.find(command)
    codes = [_code(found) for found in (auth, element) if found is not None]
    both = auth is not None and element is not None
    code = next((code for code in codes if code != SUCCESS), SUCCESS if both else "")
    return Reply(status=answer.status, command=command, code=code, retry_after=retry_after(answer)), element


def _code(element: Element) -> str:
    status = element.get("status", "")
    return status if _CODE.fullmatch(status) else ""


def _changed_preference(found: Element, certificate: Certificate) -> Element:
    preference = Element("Preference")
    SubElement(preference, "id").text = found.findtext("id")
    SubElement(preference, "setting").text = certificate.pem
    return preference


def _certificate(preference: Element) -> Certificate | None:
    try:
        return Certificate.parse(preference.findtext("setting") or "")
    except InvalidInput:
        return None


def _fingerprint(preference: Element) -> str:
    held = _certificate(preference)
    return held.fingerprint if held else ""

"""Saves the certificate in an OpenAir Preference, and reads it back by the Preference's name, through the XML API.

OpenAir documents no place for the real-time certificate. A Preference is a documented store for any setting. That the
connector reads the certificate there is an assumption (states.connection.OpenAirSettings.preference).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Final, Protocol
from xml.etree.ElementTree import Element, ParseError, SubElement, tostring

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from orchestrator.adapters import openair_errors
from orchestrator.adapters.answer_guard import guarded
from orchestrator.adapters.http import Answer, Http, redirect_target, retry_after
from orchestrator.adapters.openair_errors import NO_SUCH_RECORD, SUCCESS, TOKEN_REFUSED, Reply
from states.certificate import Certificate
from states.connection import OpenAirSettings
from states.errors import CutOff, InvalidInput, KeyturnError, Refused, TryLater, Unknown, UnreadableCertificate
from states.ports import Rehearsal
from states.rotation import Confirmation

PATH: Final = "/api.pl"

MAX_PREFERENCES: Final = "100"
"""The most Preferences of one name that a Read returns. There should be one; a lost Add may have left a second."""

PROBE: Final = "keyturn_probe"
"""The Preference that a rehearsal adds and removes. Its name is fixed, so that the next one finds what was left. That
OpenAir deletes Preferences is an assumption: where it does not, the rehearsal says what it left."""

_CODE: Final = re.compile(r"0|[1-9][0-9]{0,5}")
"""Not `\\d`, which is any script's digits: a code that OpenAir does not have would park the rotation."""


class SignIn(Protocol):
    """Signs in to the XML API. openair_auth.py implements it with a password and with OAuth 2.0."""

    def fields(self) -> Mapping[str, str]:
        """Return the elements of `<Login>`, by name. Raises TryLater, SignInRefused, WrongBaseUrl."""
        ...

    def renew(self, rejected: Mapping[str, str]) -> Mapping[str, str] | None:
        """Return other elements than those that OpenAir just rejected, or None if there are no others."""
        ...


class OpenAirXml:
    """One OpenAir company (states.ports.OpenAir). Safe to share between threads.

    The base URL of ``http`` must be ``settings.url``; ``api_key`` is the key that OpenAir issued for
    ``settings.namespace``.
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
        """Return the certificate in the Preference; None if the Preference is missing or empty.

        Changes nothing; safe to repeat. Raises UnreadableCertificate where the Preference holds another text, and where
        several Preferences of that name differ: OpenAir does not document which of them the connector reads.
        """
        settings = {it.findtext("setting") or "" for it in self._find_preferences(self._preference)}
        if not any(text.strip() for text in settings):
            return None
        held = {certificate.fingerprint if certificate else "": certificate for certificate in map(_parsed, settings)}
        if len(held) > 1:
            raise UnreadableCertificate(f"OpenAir has several Preferences {self._preference}, which differ.")
        certificate = held.popitem()[1]
        if certificate is None:
            text = max(settings, key=len)
            raise UnreadableCertificate(f"OpenAir's Preference {self._preference} holds {_form(text)}.", text=text)
        return certificate

    def save(self, confirmation: Confirmation, check: Callable[[], None]) -> None:
        """Save the confirmed certificate: modify the Preference, or add it if it is missing.

        A lost Add that took effect late may have left a second Preference, so this saves to every one of that name.
        Safe to repeat: a Preference that holds the certificate already is not written.

        Args:
            confirmation: The certificate, with the proof that NetSuite signs with its key.
            check: Called right before each write is sent. It raises if this worker no longer holds the rotation:
                the Read and the sign-in before it may have taken minutes.

        Raises:
            Unknown: The answer to a write was lost, or only some of the Preferences were saved.
        """
        certificate, found = confirmation.certificate, self._find_preferences(self._preference)
        if not found:
            self._run("Add", _new_preference(self._preference, certificate), check=check)
        others = [it for it in found if _fingerprint_in(it) != certificate.fingerprint]
        for number, preference in enumerate(others):
            try:
                self._run("Modify", _changed_preference(preference, certificate), check=check)
            except TryLater as error:
                # TryLater means that nothing was changed. That is no longer true after the first Preference.
                if number:
                    progress = f"OpenAir saved the certificate in {number} of {len(others)} Preferences of that name."
                    raise Unknown(f"{progress} {error.message}") from error
                raise

    def rehearse(self, certificate: Certificate, wait: Callable[[], None]) -> Rehearsal:
        """Save ``certificate`` in the throw-away Preference PROBE, read it back, and remove it.

        No other Preference is written. One that an earlier rehearsal left is removed, too. ``certificate`` is no
        rotation's: the connector reads another Preference. ``wait`` is called before the second look, where the first
        one does not show it. Safe to repeat. Raises as ``read`` where nothing was written.
        """
        if self._preference == PROBE:
            raise Refused(f"The connection's own Preference is {PROBE}: there is none to rehearse with.")
        self._remove(PROBE)
        error: KeyturnError | None = None
        try:
            self._run("Add", _new_preference(PROBE, certificate), check=_anyone)
            self._check_kept(certificate, wait)
        except KeyturnError as failed:
            error = failed
        left = self._left()
        if isinstance(error, Unknown):
            left = left or "it may still be added, as the answer was lost."
        return Rehearsal(preference=PROBE, characters=len(certificate.pem), error=error, left=left)

    def _check_kept(self, certificate: Certificate, wait: Callable[[], None]) -> None:
        """Raise CutOff or Refused where OpenAir does not show the whole ``certificate`` in PROBE, after two looks."""
        found = self._find_preferences(PROBE)
        if not found:
            wait()
            found = self._find_preferences(PROBE)
        if not found:
            raise Refused("OpenAir accepted the Preference, and does not show it.")
        if _fingerprint_in(found[0]) == certificate.fingerprint:
            return
        text = found[0].findtext("setting") or ""
        if UnreadableCertificate(text=text).is_cut_from(certificate.pem):
            raise CutOff(f"OpenAir kept only the first {len(text)} characters of a certificate.")
        raise Refused("OpenAir shows another text than the one that it accepted.")

    def _left(self) -> str:
        """Remove PROBE; return why it may still be there, or nothing."""
        try:
            self._remove(PROBE)
            return "OpenAir accepted its removal, and still shows it." if self._find_preferences(PROBE) else ""
        except KeyturnError as error:
            return error.message

    def _remove(self, name: str) -> None:
        assert name != self._preference, "the certificate's own Preference is never removed"
        for preference in self._find_preferences(name):
            removed = Element("Preference")
            SubElement(removed, "id").text = preference.findtext("id")
            self._run("Delete", removed, check=_anyone)

    def _find_preferences(self, wanted: str) -> list[Element]:
        criterion = Element("Preference")
        SubElement(criterion, "name").text = wanted
        returned = Element("_Return")
        for name in ("id", "name", "setting", "userid"):
            SubElement(returned, name)
        answer = self._run("Read", criterion, returned, method="equal to", limit=MAX_PREFERENCES)
        # Compared again: another Preference must never be overwritten, even if OpenAir's filter is broader than ours.
        named = [it for it in answer.findall("Preference") if it.findtext("name") == wanted]
        # One with a `userid` is a user's own, no setting of the company (Oracle's help, article_93114516715). That a
        # company's shows none, or 0, is an assumption.
        return [it for it in named if (it.findtext("userid") or "").strip() in ("", "0")]

    # --- one command, one request -------------------------------------------------------------------------------------

    def _run(
        self, command: str, *content: Element, check: Callable[[], None] | None = None, **attributes: str
    ) -> Element:
        """Send one command and return its element of the answer.

        A command that writes has a ``check``, which is called right before each request for it.
        """
        login = self._sign_in.fields()
        reply, element = self._send(login, command, content, attributes, check)
        # OpenAir carries out no command after a refused sign-in, so even a write can be sent again.
        if reply.code in TOKEN_REFUSED:
            renew = self._sign_in.renew(login)
            if renew:
                reply, element = self._send(renew, command, content, attributes, check)
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
        with guarded("OpenAir", lambda: openair_errors.unclear(Reply(status=answer.status, command=command))):
            sent = [login.get("password", ""), login.get("access_token", ""), self._envelope["key"]]
            return _parse_answer(answer, command, sent, by_token="access_token" in login)


def _parse_answer(answer: Answer, command: str, sent: Sequence[str], *, by_token: bool) -> tuple[Reply, Element | None]:
    """Return the answer for the rules, and the command's element if there is one. Never fails.

    ``sent`` are the secrets in the request, which no message may show.
    """
    whole, auth, element = None, None, None
    if answer.status == HTTPStatus.OK:
        try:
            # Without DTDs, an answer can neither expand entities without limit nor name files of this machine.
            response = fromstring(answer.body, forbid_dtd=True)
        except (ParseError, DefusedXmlException, ValueError, LookupError):  # LookupError: an encoding without a codec
            response = Element("unreadable")
        auth, element = response.find("Auth"), response.find(command)
        if response.get("status") is not None:  # a request that OpenAir could not read is answered so
            whole = response
    codes = [_status_code(found) for found in (whole, auth, element) if found is not None]
    both = auth is not None and element is not None
    code = next((code for code in codes if code != SUCCESS), SUCCESS if both else "")
    reply = Reply(
        status=answer.status,
        command=command,
        code=code,
        location=redirect_target(answer, sent),
        by_token=by_token,
        retry_after=retry_after(answer),
    )
    return reply, element


def _status_code(element: Element) -> str:
    status = element.get("status", "")
    return status if _CODE.fullmatch(status) else ""


def _anyone() -> None:
    """No rotation is held for a rehearsal: anyone may write to the throw-away Preference."""


def _new_preference(name: str, certificate: Certificate) -> Element:
    preference = Element("Preference")
    SubElement(preference, "name").text = name
    SubElement(preference, "setting").text = certificate.pem
    return preference


def _changed_preference(found: Element, certificate: Certificate) -> Element:
    preference = Element("Preference")
    SubElement(preference, "id").text = found.findtext("id")
    SubElement(preference, "setting").text = certificate.pem
    return preference


def _parsed(text: str) -> Certificate | None:
    try:
        return Certificate.parse(text)
    except InvalidInput:
        return None


def _fingerprint_in(preference: Element) -> str:
    held = _parsed(preference.findtext("setting") or "")
    return held.fingerprint if held else ""


def _form(text: str) -> str:
    """Return in a few words what ``text`` is, which is no certificate that Keyturn can read; never the text itself."""
    characters = f"{len(text)} characters"
    if "-----BEGIN CERTIFICATE-----" not in text:
        is_der = re.fullmatch(r"MI[A-Za-z0-9+/=\s]{100,}", text.strip())
        return (
            f"a certificate as DER in Base64, not as PEM ({characters})" if is_der else f"no certificate ({characters})"
        )
    if "\\n" in text:
        return f"a PEM certificate whose line breaks are written as \\n ({characters})"
    if "-----END CERTIFICATE-----" not in text:
        return f"a PEM certificate that is cut off after {characters}"
    return f"a PEM certificate that cannot be read ({characters})"

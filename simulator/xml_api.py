"""OpenAir's XML API: the commands that preferences need, Auth, Read, Add, Modify and Delete.

The HTTP status is always 200; each command has its own status. Sources: Oracle's help, article_31122801293 (call and
response), article_7091542749 (Auth), article_1120124924 (read methods), article_1127034536 (error codes).
Three statuses are assumptions from public clients: 601 for a Read without a match, 505 for a wrong key, 420 for a wrong
token.
"""

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from xml.etree.ElementTree import Element, ParseError, SubElement, tostring

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from simulator.credentials import Credentials
from simulator.history import Call
from simulator.preferences import CompanySettings, Preference

LIMIT = re.compile(r"(?:(\d+),\s*)?(\d+)")
"""`count` or `offset,count`."""
COMMANDS = ("Auth", "Read", "Add", "Modify", "Delete")
SUCCESS = "0"
UNKNOWN_ERROR = "1"
NOT_LOGGED_IN = "2"
TOO_FEW_ARGUMENTS = "4"
UNKNOWN_COMMAND = "5"
WRONG_COMPANY_OR_USER = "401"
WRONG_NAMESPACE_OR_KEY = "505"
WRONG_BEARER = "420"
NO_SUCH_RECORD = "601"


@dataclass(frozen=True)
class Answer:
    """The response document, and the first status other than success."""

    body: bytes
    code: str | None


def parse(body: bytes) -> Element | None:
    """Parse a request. Returns None if it is not well-formed, has a DTD, or its root is not `request`."""
    try:
        root = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError):
        return None
    return root if isinstance(root, Element) and root.tag == "request" else None


def commands(request: Element | None) -> tuple[str, ...]:
    """Return the known commands of a request, in order."""
    return () if request is None else tuple(command.tag for command in request if command.tag in COMMANDS)


def wrong_sign_in(request: Element | None) -> str:
    """Return the status of a failed Auth. It depends on how the request signs in."""
    by_token = request is not None and request.find("Auth/Login/access_token") is not None
    return WRONG_BEARER if by_token else WRONG_COMPANY_OR_USER


def refuse(request: Element | None, failing: str, code: str) -> Answer:
    """Build an answer in which the command `failing` fails with `code`. Applies nothing."""
    response = Element("response")
    signed_in = True
    for command in request if request is not None else ():
        status = code if command.tag == failing else SUCCESS if signed_in else NOT_LOGGED_IN
        signed_in = signed_in and not (command.tag == "Auth" and status != SUCCESS)
        SubElement(response, command.tag, status=status)
    return _answer(response)


class XmlApi:
    """Executes requests against one company. `accepts_token` returns whether an access token is valid."""

    def __init__(
        self, credentials: Credentials, settings: CompanySettings, accepts_token: Callable[[str], bool]
    ) -> None:
        self._credentials = credentials
        self._settings = settings
        self._accepts_token = accepts_token

    def execute(self, request: Element | None, call: Call) -> Answer:
        """Run the commands of a request in order. Every command after a failed or missing Auth gets status 2."""
        response = Element("response")
        if request is None:
            response.set("status", UNKNOWN_ERROR)
            return Answer(tostring(response), UNKNOWN_ERROR)
        signed_in = False
        for command in request:
            reply = SubElement(response, command.tag)
            if command.tag == "Auth":
                status = self._authenticate(request, command)
                signed_in = status == SUCCESS
            elif not signed_in:
                status = NOT_LOGGED_IN
            else:
                status = self._run(command, reply, call)
            reply.set("status", status)
        return _answer(response)

    def _authenticate(self, request: Element, command: Element) -> str:
        expected = self._credentials
        if not (
            _same(request.get("namespace", ""), expected.api_namespace)
            and _same(request.get("key", ""), expected.api_key)
        ):
            return WRONG_NAMESPACE_OR_KEY
        # A valid password does not help if the token is invalid: the token "has priority" (Oracle's help on Auth).
        token = command.findtext("Login/access_token")
        if token is not None:
            return SUCCESS if self._accepts_token(token.strip()) else wrong_sign_in(request)
        given = [command.findtext(f"Login/{name}", "") for name in ("company", "user", "password")]
        known = [expected.company, expected.user, expected.password]
        return SUCCESS if all(map(_same, given, known)) else wrong_sign_in(request)

    def _run(self, command: Element, reply: Element, call: Call) -> str:
        if command.tag not in COMMANDS or command.get("type") != "Preference":
            return UNKNOWN_COMMAND
        wanted = command.find("Preference")
        if command.tag == "Read":
            return self._read(command, wanted, reply)
        if wanted is None:
            return TOO_FEW_ARGUMENTS
        if command.tag == "Add":
            return self._add(wanted, reply, call)
        if command.tag == "Delete":
            return self._delete(wanted, call)
        return self._modify(wanted, reply, call)

    def _read(self, command: Element, wanted: Element | None, reply: Element) -> str:
        method, limit = command.get("method"), command.get("limit")
        if limit is None or method not in ("all", "equal to") or (method == "equal to" and wanted is None):
            return TOO_FEW_ARGUMENTS
        page = LIMIT.fullmatch(limit)
        if page is None:
            return UNKNOWN_ERROR
        criteria = {} if wanted is None or method == "all" else {field.tag: field.text or "" for field in wanted}
        found = [each for each in self._settings.preferences() if _fields(each).items() >= criteria.items()]
        first = int(page[1] or 0)
        shown = found[first : first + int(page[2])]
        for preference in shown:
            _describe(preference, reply)
        return SUCCESS if shown else NO_SUCH_RECORD

    def _add(self, wanted: Element, reply: Element, call: Call) -> str:
        name = wanted.findtext("name")
        if not name:
            return TOO_FEW_ARGUMENTS
        _describe(self._settings.add(call, name, wanted.findtext("setting", "")), reply)
        return SUCCESS

    def _modify(self, wanted: Element, reply: Element, call: Call) -> str:
        identifier = wanted.findtext("id", "").strip()
        if not identifier.isdigit():
            return NO_SUCH_RECORD
        name, setting = wanted.findtext("name"), wanted.findtext("setting")
        changed = self._settings.modify(call, int(identifier), name=name, setting=setting)
        if changed is None:
            return NO_SUCH_RECORD
        _describe(changed, reply)
        return SUCCESS

    def _delete(self, wanted: Element, call: Call) -> str:
        identifier = wanted.findtext("id", "").strip()
        if not identifier.isdigit() or not self._settings.remove(call, int(identifier)):
            return NO_SUCH_RECORD
        return SUCCESS


def _same(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode(), known.encode())


def _fields(preference: Preference) -> dict[str, str]:
    return {"id": str(preference.id), "name": preference.name, "setting": preference.setting}


def _describe(preference: Preference, reply: Element) -> None:
    element = SubElement(reply, "Preference")
    for name, value in _fields(preference).items():
        SubElement(element, name).text = value
    for name, moment in (("created", preference.created), ("updated", preference.updated)):
        _date(SubElement(SubElement(element, name), "Date"), moment)


def _date(element: Element, moment: datetime) -> None:
    for part in ("year", "month", "day", "hour", "minute", "second"):
        SubElement(element, part).text = f"{getattr(moment, part):02d}"


def _answer(response: Element) -> Answer:
    statuses = (command.get("status", SUCCESS) for command in response)
    code = next((status for status in statuses if status != SUCCESS), None)
    return Answer(tostring(response, encoding="utf-8", xml_declaration=True), code)

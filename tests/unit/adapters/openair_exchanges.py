"""OpenAir's XML API without HTTP: answers from a list, and the requests that were made."""

from collections.abc import Mapping
from xml.etree.ElementTree import Element, SubElement, tostring

from defusedxml.ElementTree import fromstring
from support.factories import a_candidate, a_confirmation, a_rotation

from orchestrator.adapters.http import Answer
from orchestrator.adapters.openair_xml import OpenAirXml
from states.connection import OpenAirSettings
from states.rotation import Confirmation

NAME = "oa_realtime_certificate"
EMPTY = '<response><Auth status="0"/><Read status="601"/></response>'
BILLION_LAUGHS = '<!DOCTYPE response [<!ENTITY a "60"><!ENTITY b "&a;1">]>' + EMPTY.replace("601", "&b;")
OUTSIDE = '<!DOCTYPE response SYSTEM "file:///etc/passwd">' + EMPTY


class FakeHttp:
    """Returns answers from a list and records the requests."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[Element, bool]] = []

    def post(
        self,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        writes: bool,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        assert ("/api.pl", None, "application/xml") == (path, query, headers["Content-Type"])
        self.requests.append((fromstring(body), writes))
        return Answer(200, {}, self.answers.pop(0).encode())

    @property
    def commands(self) -> list[tuple[str, bool]]:
        return [(request[1].tag, writes) for request, writes in self.requests]


class FakeSignIn:
    def __init__(self, *, renews: bool = False) -> None:
        self.renews = renews

    def fields(self) -> Mapping[str, str]:
        return {"access_token": "first"}

    def renew(self, rejected: Mapping[str, str]) -> Mapping[str, str] | None:
        assert {"access_token": "first"} == rejected
        return {"access_token": "second"} if self.renews else None


def openair(http: FakeHttp, *, renews: bool = False) -> OpenAirXml:
    settings = OpenAirSettings(url="https://acme.app.openair.com", company="acme", user="keyturn", namespace="ns")
    return OpenAirXml(settings, FakeSignIn(renews=renews), http, api_key="a<b&c")


def confirmation() -> Confirmation:
    return a_confirmation(a_rotation(candidate=a_candidate()))


def found(*settings: str, name: str = NAME) -> str:
    response = Element("response")
    SubElement(response, "Auth", status="0")
    read = SubElement(response, "Read", status="0")
    for number, setting in enumerate(settings, 41):
        preference = SubElement(read, "Preference")
        SubElement(preference, "id").text = str(number)
        SubElement(preference, "name").text = name
        SubElement(preference, "setting").text = setting
    return tostring(response, encoding="unicode")


def done(command: str, auth: str = "0", status: str = "0") -> str:
    return f'<response><Auth status="{auth}"/><{command} status="{status}"/></response>'

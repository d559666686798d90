"""The requests that the XML adapter sends, and how it reads the answers. Without HTTP."""

from collections.abc import Mapping
from xml.etree.ElementTree import Element, SubElement, tostring

import pytest
from defusedxml.ElementTree import fromstring
from support.factories import a_candidate, a_confirmation, a_rotation, at_will
from unit.states.rotations import unreadable

from orchestrator.adapters.http import Answer
from orchestrator.adapters.openair_xml import OpenAirXml
from states.certificate import Certificate
from states.connection import OpenAirSettings
from states.errors import SignInRefused, Stale, Throttled, TryLater, Unknown, UnreadableCertificate
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


def test_read_request() -> None:
    """A Read signs in, names the Preference and the fields to return, and escapes its values."""
    http = FakeHttp(EMPTY)
    assert openair(http).read() is None
    request, writes = http.requests[0]
    expected = (
        "<request><Auth><Login><access_token>first</access_token></Login></Auth>"
        '<Read type="Preference" method="equal to" limit="100">'
        f"<Preference><name>{NAME}</name></Preference>"
        "<_Return><id /><name /><setting /><userid /></_Return></Read></request>"
    )
    envelope = {"API_version": "1.0", "client": "Keyturn", "client_ver": "1.0", "namespace": "ns", "key": "a<b&c"}
    assert envelope == request.attrib
    request.attrib.clear()
    assert expected == tostring(request, encoding="unicode")
    assert writes is False


def test_read() -> None:
    """The adapter reads the certificate that is in the Preference."""
    certificate = confirmation().certificate
    assert certificate == openair(FakeHttp(found(certificate.pem))).read()


@pytest.mark.parametrize(
    "answer",
    [
        EMPTY,
        done("Read"),
        found(""),
        found("text", name="another"),
    ],
)
def test_read_finds_none(answer: str) -> None:
    """A Preference that is missing or empty counts as no certificate."""
    assert openair(FakeHttp(answer)).read() is None


PEM = confirmation().certificate.pem
DER = "".join(PEM.splitlines()[1:-1])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no certificate", r"no certificate \(14 characters\)"),
        (DER, "as DER in Base64"),
        (PEM.replace("\n", "\\n"), r"line breaks are written as \\n"),
        (PEM[:255], "cut off after 255 characters"),
        *(
            pytest.param(text, "cannot be read|no certificate|cut off", id=wrong)
            for wrong, text in unreadable().items()
        ),
    ],
)
def test_what_cannot_be_read_is_not_none(text: str, expected: str) -> None:
    """A Preference that holds something else than a certificate is named, and its text is not shown."""
    with pytest.raises(UnreadableCertificate, match=expected) as caught:
        openair(FakeHttp(found(text))).read()
    assert text[:40] not in caught.value.message or len(text) < 40


def test_a_cut_text_is_recognized() -> None:
    """The beginning of a certificate is known as such, with any line breaks; nothing and others are not."""
    cut = UnreadableCertificate(text=PEM[:255].replace("\n", "\r\n"))
    others = (UnreadableCertificate(text="text"), UnreadableCertificate(text=" "))
    assert [True, False, False] == [each.is_cut_from(PEM) for each in (cut, *others)]


@pytest.mark.parametrize("user", ["17", "0", ""])
def test_a_users_preference_is_neither_read_nor_written(user: str) -> None:
    """A Preference with a user's id is that user's own; the company's has none."""
    proof, answer = confirmation(), found(PEM).replace("</Preference>", f"<userid>{user}</userid></Preference>")
    assert (None if user == "17" else PEM) == ((held := openair(FakeHttp(answer)).read()) and held.pem)
    http = FakeHttp(answer, done("Add" if user == "17" else "Modify"))
    openair(http).save(proof, at_will)
    assert ("Add" if user == "17" else "Modify", True) == http.commands[1]


@pytest.mark.parametrize("encoding", ["x-unknown", "hex", "rot13"])
def test_an_unknown_encoding_is_no_answer(encoding: str) -> None:
    """An answer in an encoding that cannot be read is retried, or read back, like any other that is unclear."""
    strange = f'<?xml version="1.0" encoding="{encoding}"?>' + EMPTY
    with pytest.raises(TryLater):
        openair(FakeHttp(strange)).read()
    with pytest.raises(Unknown):
        openair(FakeHttp(EMPTY, strange)).save(confirmation(), at_will)


def test_a_status_of_the_whole_response_is_read() -> None:
    """A request that OpenAir could not read is answered with a status on the response itself."""
    with pytest.raises(Throttled, match="code 556"):
        openair(FakeHttp('<response status="556">Too many requests.</response>')).read()


def test_save_adds() -> None:
    """If there is no Preference, the adapter adds one, which counts as a write."""
    proof, http = confirmation(), FakeHttp(EMPTY, done("Add"))
    openair(http).save(proof, at_will)
    assert [("Read", False), ("Add", True)] == http.commands
    preference = http.requests[1][0][1][0]
    assert {"name": NAME, "setting": proof.certificate.pem} == {field.tag: field.text for field in preference}


@pytest.mark.parametrize("before", ["", "no certificate", "another"])
def test_save_modifies(before: str) -> None:
    """If there is a Preference, the adapter modifies it by its id, which counts as a write."""
    proof = confirmation()
    setting = confirmation().certificate.pem if before == "another" else before
    http = FakeHttp(found(setting), done("Modify"))
    openair(http).save(proof, at_will)
    assert [("Read", False), ("Modify", True)] == http.commands
    preference = http.requests[1][0][1][0]
    assert {"id": "41", "setting": proof.certificate.pem} == {field.tag: field.text for field in preference}


def test_save_again_writes_nothing() -> None:
    """If the Preference already holds the certificate, nothing is written."""
    proof = confirmation()
    http = FakeHttp(found(proof.certificate.pem))
    openair(http).save(proof, at_will)
    assert [("Read", False)] == http.commands


def test_of_two_preferences_each_is_saved_to() -> None:
    """If there are several Preferences of the name, the adapter saves the certificate in each."""
    proof = confirmation()
    http = FakeHttp(found("one", proof.certificate.pem, "three"), done("Modify"), done("Modify"))
    openair(http).save(proof, at_will)
    assert [("Read", False), ("Modify", True), ("Modify", True)] == http.commands
    assert ["41", "43"] == [request[1][0].findtext("id") for request, _ in http.requests[1:]]


def test_each_write_is_checked_right_before_it_is_sent() -> None:
    """The check runs after the Read and the token renewal, right before each write."""
    http = FakeHttp(found("one", "two"), *[done("Modify", auth="401", status="401"), done("Modify")] * 2)
    checked: list[int] = []
    openair(http, renews=True).save(confirmation(), lambda: checked.append(len(http.requests)))
    assert ["Read", *["Modify"] * 4] == [command for command, _ in http.commands]
    assert [1, 2, 3, 4] == checked


@pytest.mark.parametrize("answer", [EMPTY, found("one")])
def test_refused_check_sends_no_write(answer: str) -> None:
    """A worker that lost its rotation during the Read neither adds nor modifies."""
    http = FakeHttp(answer)

    def check() -> None:
        raise Stale

    with pytest.raises(Stale):
        openair(http).save(confirmation(), check)
    assert [("Read", False)] == http.commands


def test_partial_save_is_unknown() -> None:
    """A failure at the first Preference changed nothing; a failure at the next one leaves the outcome unknown."""
    busy = done("Modify", status="965")
    with pytest.raises(TryLater) as nothing:
        openair(FakeHttp(found("one", "two"), busy)).save(confirmation(), at_will)
    with pytest.raises(Unknown, match=r"in 1 of 2 Preferences of that name\.") as part:
        openair(FakeHttp(found("one", "two"), done("Modify"), busy)).save(confirmation(), at_will)
    assert nothing.value.message in part.value.message


def test_several_preferences_count_only_if_they_agree() -> None:
    """Two equal Preferences count as one; of two different ones Keyturn does not say that there is none."""
    certificate = confirmation().certificate
    assert certificate == openair(FakeHttp(found(certificate.pem, certificate.pem))).read()
    for other in (confirmation().certificate.pem, "", "text"):
        with pytest.raises(UnreadableCertificate, match="several Preferences"):
            openair(FakeHttp(found(certificate.pem, other))).read()


def test_lost_write_is_unknown() -> None:
    """After an unreadable answer a write is in doubt and a read is retried."""
    with pytest.raises(Unknown):
        openair(FakeHttp(EMPTY, "<html>")).save(confirmation(), at_will)
    with pytest.raises(TryLater):
        openair(FakeHttp("<html>")).save(confirmation(), at_will)


@pytest.mark.parametrize(
    "answer",
    [
        done("Read", status="a text instead of a code"),
        done("Read", auth=""),
        "",
        "<html>",
        "<response/>",
        '<response status="1"/>',
        '<response><Auth status="0"/></response>',
        BILLION_LAUGHS,
        OUTSIDE,
    ],
)
def test_malformed_answers_are_retried(answer: str) -> None:
    """A malformed answer to a Read is retried; entities and external files are never expanded."""
    with pytest.raises(TryLater):
        openair(FakeHttp(answer)).read()


@pytest.mark.parametrize("code", ["2", "401", "418", "419", "420"])
def test_rejected_token_is_renewed_once(code: str) -> None:
    """If OpenAir rejects the access token, the adapter renews it and sends the command once more."""
    certificate = confirmation().certificate
    http = FakeHttp(done("Read", auth=code, status=code), found(certificate.pem))
    assert certificate == openair(http, renews=True).read()
    assert ["first", "second"] == [request.findtext("Auth/Login/access_token") for request, _ in http.requests]


@pytest.mark.parametrize("renews", [True, False])
def test_rejected_sign_in(*, renews: bool) -> None:
    """A sign-in that OpenAir rejects again, or that cannot be renewed, is refused."""
    http = FakeHttp(*[done("Read", auth="420", status="2")] * 2)
    with pytest.raises(SignInRefused, match="code 420"):
        openair(http, renews=renews).read()
    assert 1 + renews == len(http.requests)


def test_locked_user_is_not_renewed() -> None:
    """For a locked user the adapter renews no token."""
    http = FakeHttp(done("Read", auth="416", status="2"))
    with pytest.raises(SignInRefused, match="locked"):
        openair(http, renews=True).read()


def test_only_public_certificates_are_sent() -> None:
    """No request holds a private key."""
    proof, http = confirmation(), FakeHttp(EMPTY, done("Add"))
    openair(http).save(proof, at_will)
    assert all("PRIVATE KEY" not in tostring(request, encoding="unicode") for request, _ in http.requests)


def test_sent_certificate_is_unchanged() -> None:
    """The certificate in the request equals the confirmed one."""
    proof, http = confirmation(), FakeHttp(EMPTY, done("Add"))
    openair(http).save(proof, at_will)
    assert proof.certificate == Certificate.parse(http.requests[1][0].findtext("Add/Preference/setting") or "")

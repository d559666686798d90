"""The requests with which the XML adapter reads, and how it reads the answers. Without HTTP."""

from xml.etree.ElementTree import tostring

import pytest
from support.factories import at_will
from unit.adapters.openair_exchanges import (
    BILLION_LAUGHS,
    EMPTY,
    NAME,
    OUTSIDE,
    FakeHttp,
    confirmation,
    done,
    found,
    openair,
)
from unit.states.rotations import unreadable

from states.errors import SignInRefused, Throttled, TryLater, Unknown, UnreadableCertificate


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

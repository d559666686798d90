"""The requests with which the XML adapter saves: what is checked before each, and what is known after it."""

from xml.etree.ElementTree import tostring

import pytest
from support.factories import at_will
from unit.adapters.openair_exchanges import (
    EMPTY,
    NAME,
    FakeHttp,
    confirmation,
    done,
    found,
    openair,
)

from states.certificate import Certificate
from states.errors import Stale, TryLater, Unknown, UnreadableCertificate


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

"""What every implementation of the NetSuite port does: the adapter against the simulator, and the tests' own fake."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from support.factories import a_certificate
from support.netsuite_port import Account, Fake, Implementation

from simulator import Simulator
from states.errors import (
    CertificateRecordMissing,
    TryLater,
)


@pytest.fixture
def account() -> Iterator[Account]:
    """An account whose record holds the placeholder."""
    with Simulator() as simulator:
        it = Account(simulator)
        yield it
        it.http.close()


@pytest.fixture(params=["adapter", "fake"])
def netsuite(request: pytest.FixtureRequest) -> Implementation:
    """Each implementation in turn; its record still holds the placeholder."""
    if request.param == "fake":
        return Fake()
    account: Account = request.getfixturevalue("account")
    return account


def test_report(netsuite: Implementation) -> None:
    """A report has the record, NetSuite's time and the bundles, and changes nothing."""
    before = netsuite.fingerprint
    report = netsuite.port.report()
    assert report.record is not None
    assert report.record.is_placeholder
    assert report.server_time.tzinfo is UTC
    assert abs(report.server_time - datetime.now(UTC)) < timedelta(minutes=1)
    assert {"369630": "4.02", "369637": "5.02"} == report.bundles
    assert before == netsuite.fingerprint


def test_report_without_a_record(netsuite: Implementation) -> None:
    """A missing record is reported as None, not as an error."""
    netsuite.remove_record()
    assert netsuite.port.report().record is None


def test_install_proves_itself(netsuite: Implementation) -> None:
    """The signature in the answer to an install is made with the new key."""
    certificate = a_certificate()
    assert netsuite.install(certificate)
    assert certificate.fingerprint == netsuite.fingerprint


def test_report_shows_the_validity_to_the_second(netsuite: Implementation) -> None:
    """The report has the installed certificate's validity to the second, which reveals an unfinished install."""
    certificate = a_certificate(days=90)
    netsuite.install(certificate)
    record = netsuite.port.report().record
    assert record
    assert (certificate.not_before, certificate.not_after) == (record.valid_from, record.valid_to)


def test_install_again(netsuite: Implementation) -> None:
    """Installing the same certificate again is safe."""
    certificate = a_certificate()
    assert [True, True] == [netsuite.install(certificate), netsuite.install(certificate)]


def test_sign(netsuite: Implementation) -> None:
    """A signature verifies with the certificate in the record, and with no other."""
    first, second = a_certificate(), a_certificate()
    netsuite.install(first)
    assert (True, False) == (netsuite.proves(first), netsuite.proves(second))
    netsuite.install(second)
    assert (False, True) == (netsuite.proves(first), netsuite.proves(second))


def test_install_after_the_deadline(netsuite: Implementation) -> None:
    """An install that arrives after its deadline changes nothing, and is safe to retry."""
    before = netsuite.fingerprint
    with pytest.raises(TryLater, match="deadline"):
        netsuite.install(a_certificate(), within=-1.0)
    assert before == netsuite.fingerprint


def test_record_missing(netsuite: Implementation) -> None:
    """A missing record is reported in the vendor's words, and none is created without permission."""
    netsuite.remove_record()
    for call in (lambda: netsuite.proves(a_certificate()), lambda: netsuite.install(a_certificate())):
        with pytest.raises(CertificateRecordMissing, match='Certificate "custcertificate_oa_realtime" not found'):
            call()
    assert netsuite.fingerprint is None


def test_record_created(netsuite: Implementation) -> None:
    """A missing record is created if the request allows it."""
    netsuite.remove_record()
    certificate = a_certificate()
    assert netsuite.install(certificate, create=True)
    assert netsuite.proves(certificate)

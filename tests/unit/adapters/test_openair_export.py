"""The export adapter's file, and its message to the person."""

import stat
from pathlib import Path

import pytest
from support.advice import commands, text
from support.factories import a_candidate, a_confirmation, a_rotation, at_will

from orchestrator.adapters.openair_export import OpenAirExport
from states.certificate import Certificate
from states.errors import AwaitingPerson, Refused, Stale
from states.rotation import Confirmation


class FakeConfirmations:
    """The confirmed certificate; none until a test sets it."""

    certificate: Certificate | None = None

    def confirmed(self) -> Certificate | None:
        return self.certificate


def confirmation() -> Confirmation:
    return a_confirmation(a_rotation(id="01ROTATION", candidate=a_candidate()))


def export(folder: Path, confirmations: FakeConfirmations | None = None) -> OpenAirExport:
    return OpenAirExport("acme", folder, confirmations or FakeConfirmations())


def test_no_file_after_a_lost_claim(tmp_path: Path) -> None:
    """A worker that no longer holds the rotation writes no file."""

    def check() -> None:
        raise Stale

    with pytest.raises(Stale):
        export(tmp_path / "exports").save(confirmation(), check)
    assert [] == list(tmp_path.iterdir())


def test_file_for_the_person(tmp_path: Path) -> None:
    """The file holds only the public certificate, is readable by all users, and is named after its rotation."""
    proof, folder = confirmation(), tmp_path / "exports"
    with pytest.raises(AwaitingPerson):
        export(folder).save(proof, at_will)
    path = folder / "acme-01ROTATION.pem"
    assert [path] == list(folder.iterdir())
    assert proof.certificate.pem == path.read_text()
    assert 0o644 == stat.S_IMODE(path.stat().st_mode)


def test_message_for_the_person(tmp_path: Path) -> None:
    """The message names the file. The fingerprint is the person's to read in OpenAir: neither has it."""
    proof = confirmation()
    with pytest.raises(AwaitingPerson) as caught:
        export(tmp_path).save(proof, at_will)
    path = str(tmp_path / "acme-01ROTATION.pem")
    assert path in caught.value.message
    assert path in text(caught.value.next_action)
    assert ["rotation confirm 01ROTATION --fingerprint"] == commands(caught.value.next_action)
    assert proof.fingerprint[:8] not in caught.value.message + text(caught.value.next_action)


def test_confirmation_of_another_certificate_does_not_count(tmp_path: Path) -> None:
    """A confirmation of another certificate does not end the wait."""
    confirmations = FakeConfirmations()
    confirmations.certificate = confirmation().certificate
    with pytest.raises(AwaitingPerson):
        export(tmp_path, confirmations).save(confirmation(), at_will)


def test_confirmed_certificate_writes_nothing(tmp_path: Path) -> None:
    """After the confirmation, the adapter writes no file."""
    proof, confirmations = confirmation(), FakeConfirmations()
    confirmations.certificate = proof.certificate
    export(tmp_path / "exports", confirmations).save(proof, at_will)
    assert [] == list(tmp_path.iterdir())


def test_earlier_file_is_replaced(tmp_path: Path) -> None:
    """A link at the file's path is replaced by the whole file; the target of the link is unchanged."""
    proof = confirmation()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("untouched")
    path = tmp_path / "exports" / "acme-01ROTATION.pem"
    path.parent.mkdir()
    path.symlink_to(elsewhere)
    with pytest.raises(AwaitingPerson):
        export(path.parent).save(proof, at_will)
    assert [proof.certificate.pem, "untouched"] == [path.read_text(), elsewhere.read_text()]
    assert not path.is_symlink()


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """If the file cannot be written, the step is refused with the reason, and no draft remains."""
    (tmp_path / "exports").write_text("a file where the folder should be")
    with pytest.raises(Refused, match="could not be written"):
        export(tmp_path / "exports").save(confirmation(), at_will)
    assert [tmp_path / "exports"] == list(tmp_path.iterdir())

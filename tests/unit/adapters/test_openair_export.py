"""The export adapter's file, and what it tells the person."""

import stat
from pathlib import Path

import pytest
from support.advice import commands, text
from support.factories import a_candidate, a_confirmation, a_rotation, at_will

from orchestrator.adapters.openair_export import OpenAirExport
from states.certificate import Certificate
from states.errors import AwaitingPerson, Refused, Stale
from states.rotation import Confirmation


class Person:
    """Confirms nothing before it is told to."""

    certificate: Certificate | None = None

    def confirmed(self) -> Certificate | None:
        return self.certificate


def confirmation() -> Confirmation:
    return a_confirmation(a_rotation(id="01ROTATION", candidate=a_candidate()))


def export(folder: Path, person: Person | None = None) -> OpenAirExport:
    return OpenAirExport("acme", folder, person or Person())


def test_no_file_that_is_not_allowed(tmp_path: Path) -> None:
    """A worker that lost its rotation hands nothing over."""

    def check() -> None:
        raise Stale

    with pytest.raises(Stale):
        export(tmp_path / "exports").save(confirmation(), check)
    assert [] == list(tmp_path.iterdir())


def test_file_for_the_person(tmp_path: Path) -> None:
    """The public certificate alone is written, readable by everybody, under a name that tells what it is."""
    proof, folder = confirmation(), tmp_path / "exports"
    with pytest.raises(AwaitingPerson):
        export(folder).save(proof, at_will)
    path = folder / f"acme-{proof.fingerprint[:16]}.pem"
    assert [path] == list(folder.iterdir())
    assert proof.certificate.pem == path.read_text()
    assert 0o644 == stat.S_IMODE(path.stat().st_mode)


def test_words_for_the_person(tmp_path: Path) -> None:
    """The person is told the file, the rotation and the whole fingerprint, as a command to copy."""
    proof = confirmation()
    with pytest.raises(AwaitingPerson) as caught:
        export(tmp_path).save(proof, at_will)
    path = str(tmp_path / f"acme-{proof.fingerprint[:16]}.pem")
    assert path in caught.value.message
    assert path in text(caught.value.next_action)
    assert [f"rotation confirm 01ROTATION --fingerprint {proof.fingerprint}"] == commands(caught.value.next_action)


def test_confirmation_of_another_certificate_does_not_count(tmp_path: Path) -> None:
    """Only the confirmation of this very certificate is waited for."""
    person = Person()
    person.certificate = confirmation().certificate
    with pytest.raises(AwaitingPerson):
        export(tmp_path, person).save(confirmation(), at_will)


def test_confirmed_certificate_writes_nothing(tmp_path: Path) -> None:
    """Once it is confirmed, no file is written again."""
    proof, person = confirmation(), Person()
    person.certificate = proof.certificate
    export(tmp_path / "exports", person).save(proof, at_will)
    assert [] == list(tmp_path.iterdir())


def test_earlier_file_is_replaced(tmp_path: Path) -> None:
    """A damaged file, or a link in its place, gives way to the whole one; what the link led to is untouched."""
    proof = confirmation()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("untouched")
    path = tmp_path / "exports" / f"acme-{proof.fingerprint[:16]}.pem"
    path.parent.mkdir()
    path.symlink_to(elsewhere)
    with pytest.raises(AwaitingPerson):
        export(path.parent).save(proof, at_will)
    assert [proof.certificate.pem, "untouched"] == [path.read_text(), elsewhere.read_text()]
    assert not path.is_symlink()


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """Where the file cannot be written, the rotation is parked with the reason, and nothing half-done stays behind."""
    (tmp_path / "exports").write_text("a file where the folder should be")
    with pytest.raises(Refused, match="could not be written"):
        export(tmp_path / "exports").save(confirmation(), at_will)
    assert [tmp_path / "exports"] == list(tmp_path.iterdir())

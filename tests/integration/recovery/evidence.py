"""What restoring and adopting left behind."""

from dataclasses import replace

from support.factories import changed

from orchestrator.bootstrap import Keyturn
from states.rotation import Rotation


def kept_keys(app: Keyturn, *rotations: Rotation) -> list[bool]:
    """Of which rotations the candidate's key is still there."""
    shown = [app.rotations.show(rotation.id).proofs.candidate for rotation in rotations]
    return [bool(candidate and candidate.sealed_key) for candidate in shown]


def events(app: Keyturn, rotation: Rotation) -> list[str]:
    """What happened to a rotation since it was parked."""
    told = [entry.event for entry in app.rotations.journal(rotation.id)]
    return told[told.index("fail") + 1 :]


def without_key(rotation: Rotation) -> Rotation:
    assert rotation.proofs.candidate
    return changed(rotation, candidate=replace(rotation.proofs.candidate, sealed_key=b""))

"""Reads what a recovery left in the store."""

from dataclasses import replace

from support.factories import changed

from orchestrator.bootstrap import Keyturn
from states.rotation import Rotation


def kept_keys(app: Keyturn, *rotations: Rotation) -> list[bool]:
    """Return for each rotation whether its candidate's key is kept."""
    shown = [app.rotations.show(rotation.id).proofs.candidate for rotation in rotations]
    return [bool(candidate and candidate.sealed_key) for candidate in shown]


def events(app: Keyturn, rotation: Rotation) -> list[str]:
    """Return the events of a rotation since it was parked."""
    names = [entry.event for entry in app.rotations.journal(rotation.id)]
    return names[names.index("fail") + 1 :]


def without_key(rotation: Rotation) -> Rotation:
    assert rotation.proofs.candidate
    return changed(rotation, candidate=replace(rotation.proofs.candidate, sealed_key=b""))

"""Reads OpenAir through a person, for companies where a person saves the certificate and Keyturn cannot read it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from states.certificate import Certificate, plain
from states.errors import Drift, ForeignRotation, IllegalMove, InvalidInput
from states.next_action import OVERWRITE, NextAction, Verb, by_hand
from states.ports import Ports
from states.rotation import Confirmation, Rotation

_LOOK: Final = by_hand(
    "Look at the certificate in OpenAir, and give the SHA-256 that OpenAir shows as the fingerprint."
)


class ManualOpenAir:
    """OpenAir (states.ports.OpenAir) that holds the certificate a person sees there. It saves nothing."""

    def __init__(self, held: Certificate) -> None:
        self._held = held

    def read(self) -> Certificate | None:
        """Return the certificate that the person sees."""
        return self._held

    def save(self, confirmation: Confirmation, check: Callable[[], None]) -> None:  # noqa: ARG002 - the port's
        """Raise IllegalMove: only a person saves in this OpenAir."""
        raise IllegalMove(f"Only a person saves {confirmation.fingerprint} in OpenAir.")


def with_persons_reading(rotation: Rotation, ports: Ports, fingerprint: str) -> Ports:
    """Return ``ports`` in which OpenAir holds the certificate that a person sees there now.

    If Keyturn reads this rotation's OpenAir itself, returns ``ports`` unchanged. Otherwise the last confirmation is not
    enough: a person saves a certificate first and confirms it later, so it may be out of date.

    Args:
        rotation: The rotation to recover.
        ports: Its connection's ports.
        fingerprint: The SHA-256 that OpenAir shows now, in any notation; empty if Keyturn reads this OpenAir itself.

    Raises:
        InvalidInput: The fingerprint is missing, or given although Keyturn reads this OpenAir itself.
        Drift: OpenAir shows a certificate that Keyturn does not know.
    """
    if not rotation.circumstances.by_hand:
        if fingerprint:
            raise InvalidInput("Keyturn reads this OpenAir itself.", next_action=by_hand("Leave the fingerprint out."))
        return ports
    if not fingerprint:
        raise InvalidInput("Only a person can see what this OpenAir holds now.", next_action=_LOOK)
    candidate = rotation.proofs.candidate.certificate if rotation.proofs.candidate else None
    for known in (rotation.previous, candidate, ports.openair.read()):
        if known is not None and known.fingerprint == plain(fingerprint):
            return replace(ports, openair=ManualOpenAir(known))
    raise Drift("OpenAir shows a certificate that Keyturn does not know.", next_action=resume_with_candidate(rotation))


def resume_with_candidate(rotation: Rotation) -> NextAction:
    """Return the next action if OpenAir shows a certificate unknown to Keyturn: resume with the candidate."""
    is_foreign = rotation.failure is not None and rotation.failure.code == ForeignRotation.code
    return by_hand(
        "Find out who saved it. Resuming goes on with Keyturn's candidate: save that one in OpenAir.",
        NextAction(Verb.RESUME),
        alternatives=(OVERWRITE,) if is_foreign else (),
    )

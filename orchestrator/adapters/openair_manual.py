"""OpenAir as a person sees it: where a person saves the certificate there, nobody else can look."""

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


class Seen:
    """OpenAir (states.ports.OpenAir) with the certificate that a person sees there; nothing is saved through it."""

    def __init__(self, held: Certificate) -> None:
        self._held = held

    def read(self) -> Certificate | None:
        """The certificate that the person sees."""
        return self._held

    def save(self, confirmation: Confirmation, check: Callable[[], None]) -> None:  # noqa: ARG002 - the port's
        """Raises IllegalMove: only a person saves there."""
        raise IllegalMove(f"Only a person saves {confirmation.fingerprint} in OpenAir.")


def as_seen(rotation: Rotation, ports: Ports, fingerprint: str) -> Ports:
    """``ports`` with OpenAir as a person sees it, for a rotation whose OpenAir nobody else can look into.

    ``fingerprint`` is the SHA-256 that OpenAir shows now, in whatever notation; empty for an OpenAir that Keyturn
    reads. What was confirmed last may be out of date: a certificate is saved before that is confirmed. Raises
    InvalidInput where it is missing or needless, Drift where it is of a certificate that Keyturn does not know.
    """
    if not rotation.by_hand:
        if fingerprint:
            raise InvalidInput("Keyturn reads this OpenAir itself.", next_action=by_hand("Leave the fingerprint out."))
        return ports
    if not fingerprint:
        raise InvalidInput("Only a person can see what this OpenAir holds now.", next_action=_LOOK)
    candidate = rotation.proofs.candidate.certificate if rotation.proofs.candidate else None
    for known in (rotation.previous, candidate, ports.openair.read()):
        if known is not None and known.fingerprint == plain(fingerprint):
            return replace(ports, openair=Seen(known))
    raise Drift("OpenAir shows a certificate that Keyturn does not know.", next_action=instead(rotation))


def instead(rotation: Rotation) -> NextAction:
    """What to do where Keyturn does not have the certificate that OpenAir shows: resume with the candidate."""
    is_foreign = rotation.failure is not None and rotation.failure.code == ForeignRotation.code
    resume = OVERWRITE if is_foreign else NextAction(Verb.RESUME)
    return by_hand(
        "Find out who saved it. Resuming goes on with Keyturn's candidate: save that one in OpenAir.", resume
    )

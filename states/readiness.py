"""What must hold right before a rotation's upload, beyond what NetSuite signs with: a person, and the bundles."""

from states.connection import outdated
from states.errors import AwaitingPerson, BundleTooOld
from states.next_action import NextAction, Verb, by_hand
from states.ports import Ports
from states.rotation import Rotation
from states.timing import READY_FOR


def ensure_attended(rotation: Rotation, ports: Ports) -> None:
    """Raise AwaitingPerson before the upload where a person saves the certificate in OpenAir, and may not be there."""
    if not rotation.circumstances.by_hand or rotation.proofs.confirmation:
        return
    if rotation.begun_at is None or abs(ports.clock.now() - rotation.begun_at) > READY_FOR:
        raise AwaitingPerson(
            "A person must be signed in to OpenAir and ready to save the certificate: imports are refused from the "
            "upload to NetSuite until they have saved it.",
            next_action=by_hand("Sign in to OpenAir, where its certificate is kept.", NextAction(Verb.BEGIN)),
        )


def ensure_set_up(rotation: Rotation, ports: Ports) -> None:
    """Raise BundleTooOld before the upload of a scheduled rotation where NetSuite's bundles are too old for it.

    A person may rotate with any bundle, so one who resumes decides. What was sent once is carried through. At an
    initial set-up, the record with the placeholder does not show which bundle brought it.
    """
    is_decided = not rotation.cause.is_scheduled or rotation.attempt > 1
    if is_decided or rotation.proofs.confirmation or rotation.doubt.since:
        return
    report = ports.netsuite.report()
    if old := outdated(report.bundles, report.missing_bundles):
        raise BundleTooOld(" ".join(old))

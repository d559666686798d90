"""Errors, sorted by what to do next.

The first line of a class's docstring is its default message; ``code`` is stable, and scripts may match it;
``next_action`` is the next safe action. An adapter wraps a library's exception once, with ``raise … from``.
This is one long catalogue on purpose: docs/reference/errors.md is generated from it.

    TryLater        nothing happened; try again later
    Unknown         a write was sent and its answer lost; read back before sending again
    AwaitingPerson  nothing is wrong; a person has a part to do
    Refused         the same request would be refused again; park the rotation for a person
    Stale           another worker or person changed the rotation; discard this result
    Rejected        the request is not possible here; nothing was changed
"""

import inspect
from datetime import datetime
from typing import ClassVar, Final

from states.next_action import ADOPT, OVERWRITE, REPEAT, NextAction, Verb, by_hand


class KeyturnError(Exception):
    """Keyturn could not do what was asked."""

    code: ClassVar[str] = "KEYTURN_ERROR"
    next_action: NextAction = NextAction(Verb.DOCTOR, because="The log has the details.")
    is_ended: bool = False
    """Of a request that writes: whether the other system answered that it ended it before it changed anything, so that
    nothing of it can take effect later. What the system holds is still proved by a signature only."""

    def __init__(self, message: str | None = None, *, next_action: NextAction | None = None) -> None:
        self.message = message or (inspect.getdoc(type(self)) or self.code).partition("\n")[0]
        if next_action is not None:
            self.next_action = next_action
        super().__init__(self.message)


# --- try again later --------------------------------------------------------------------------------------------------


class TryLater(KeyturnError):
    """The other system is not available at the moment."""

    code = "TRY_LATER"
    next_action = by_hand("Wait a minute.")

    def __init__(
        self,
        message: str | None = None,
        *,
        next_action: NextAction | None = None,
        retry_after: float | None = None,
        over_at: datetime | None = None,
        gives_up_after: int | None = None,
    ) -> None:
        """Make the error.

        Args:
            message: what happened; the class's own sentence by default.
            next_action: what to do; the class's own by default.
            retry_after: seconds, where the other system asked for a wait.
            over_at: when the obstacle ends at the latest (UTC), where that is known.
            gives_up_after: after how many postponements a rotation that meets it again is parked; None to leave that to
                the step's retry policy.

        """
        super().__init__(message, next_action=next_action)
        self.retry_after = retry_after
        self.over_at = over_at
        self.gives_up_after = gives_up_after


class Throttled(TryLater):
    """The other system asks for fewer requests."""

    code = "THROTTLED"


class Exhausted(TryLater):
    """This machine is short of something that Keyturn needs."""

    code = "MACHINE_EXHAUSTED"
    next_action = by_hand("Free what the message names; ulimit -a shows the limits.")


class Busy(TryLater):
    """Too many people sign in at this moment."""

    code = "BUSY"
    next_action = by_hand("Wait a few seconds.")


class TooManyAttempts(TryLater):
    """There were too many attempts to sign in."""

    code = "TOO_MANY_ATTEMPTS"
    next_action = by_hand("Wait. On the computer that Keyturn runs on, the link that the console prints works at once.")


class HeldOff(TryLater):
    """A write of the previous rotation may still take effect."""

    code = "HELD_OFF"
    next_action = NextAction(Verb.WAIT, because="A worker begins the new rotation when that time is over.")


# --- read back before sending again -----------------------------------------------------------------------------------


class Unknown(KeyturnError):
    """A write was sent and its answer was lost: it may or may not have happened."""

    code = "UNKNOWN_OUTCOME"
    next_action = NextAction(Verb.WAIT, because="Keyturn reads back what is true before it sends anything again.")


class NotSavedYet(Unknown):
    """OpenAir accepted the certificate, but still shows another one when it is read back."""

    code = "NOT_SAVED_YET"


class RestoreUnfinished(Unknown):
    """The previous certificate may have been put back; it is not proved that both sides hold it."""

    code = "RESTORE_UNFINISHED"
    next_action = NextAction(Verb.RESTORE, because="Restoring again reads what is true before it sends anything.")


# --- a person has a part to do ----------------------------------------------------------------------------------------


class AwaitingPerson(KeyturnError):
    """A person has to save the certificate in OpenAir and confirm it."""

    code = "AWAITING_PERSON"
    next_action = by_hand("Save the certificate in OpenAir.", NextAction(Verb.CONFIRM, {"fingerprint": None}))


# --- the same request would be refused again --------------------------------------------------------------------------


_FROM_BACKUP = by_hand("Restore the database from a backup.", alternatives=(NextAction(Verb.ABANDON),))


class Refused(KeyturnError):
    """The other system refused, and would refuse again."""

    code = "REFUSED"
    next_action = by_hand("Correct what the message names.")


class SignInRefused(Refused):
    """Sign-in was refused."""

    code = "SIGN_IN_REFUSED"
    next_action = by_hand("Correct the connection's credentials.", NextAction(Verb.DOCTOR, then=REPEAT))


class NotPermitted(Refused):
    """The role that Keyturn signs in with lacks a permission."""

    code = "NOT_PERMITTED"
    next_action = by_hand("Give the role the permissions that suitescript/README.md lists.")


class BundleTooOld(Refused):
    """NetSuite's bundles are older than automatic rotation needs."""

    code = "BUNDLE_TOO_OLD"
    next_action = by_hand(
        "Upgrade the bundle in NetSuite. By hand you can rotate with it as it is.",
        alternatives=(NextAction(Verb.ABANDON),),
    )


class WrongBaseUrl(Refused):
    """The other system is at another address than the one that the connection has."""

    code = "WRONG_BASE_URL"
    next_action = NextAction(Verb.EDIT_CONNECTION, because="The connection's base URL is wrong.", then=REPEAT)


class CertificateRecordMissing(Refused):
    """Certificate "custcertificate_oa_realtime" not found."""

    code = "CERTIFICATE_NOT_FOUND"
    find_file = (
        "In NetSuite, go to Documents > Files > File Cabinet.",
        "Open SuiteBundles > Bundle 369630 > OpenAir Certificates.",
        "Next to openair-certificate.pem, click Download.",
    )
    create_record = (
        "Go to Setup > Company > Certificates and click Create New.",
        "Enter the name OpenAir real-time and the ID _oa_realtime.",
        "On the Files tab, choose the openair-certificate.pem you downloaded, and click Save.",
    )
    repair = "The certificate record may have been deleted in NetSuite. Recreate it:\n" + "".join(
        f"  {number}. {step}\n" for number, step in enumerate((*find_file, *create_record), 1)
    )
    """The vendor's own steps.
    https://docs.oracle.com/en/cloud/saas/netsuite-suiteprojects-pro/ (certificate generation troubleshooting)"""
    next_action = by_hand(repair, alternatives=(NextAction(Verb.RESUME, {"create_record": True}),))


class CannotSign(Refused):
    """NetSuite has the certificate record but could not sign with it."""

    code = "CANNOT_SIGN"
    next_action = by_hand("Correct the record's validity and audience in NetSuite.", alternatives=(OVERWRITE,))


class ForeignRotation(Refused):
    """NetSuite signs with a key that is neither the candidate's nor the previous certificate's."""

    code = "FOREIGN_ROTATION"
    next_action = by_hand(
        "Find out who replaced the certificate.",
        ADOPT,
        alternatives=(OVERWRITE,),
    )


class UnreadableCertificate(Refused):
    """OpenAir holds a text that is no certificate which Keyturn can read."""

    code = "UNREADABLE_CERTIFICATE"
    next_action = by_hand("Find out who wrote that. The next rotation replaces it with a certificate in PEM form.")

    def __init__(self, message: str | None = None, *, next_action: NextAction | None = None, text: str = "") -> None:
        """``text`` is what OpenAir holds, if it is one text. No message shows it: it may be anything."""
        super().__init__(message, next_action=next_action)
        self.text = text

    def is_cut_from(self, pem: str) -> bool:
        """Whether the text is the beginning of ``pem``, cut off; spaces and line breaks do not matter."""
        held = "".join(self.text.split())
        return held != "" and "".join(pem.split()).startswith(held)


class CutOff(Refused):
    """OpenAir keeps only the beginning of the certificate."""

    code = "CUT_OFF"
    next_action = by_hand("Let OpenAir's Preference hold more characters, or put the certificate there by hand.")


class Drift(Refused):
    """OpenAir holds another certificate than the one that Keyturn saved there."""

    code = "DRIFT"
    repair = "Find out who changed OpenAir's certificate, and let them put it back."
    next_action = by_hand(repair, alternatives=(OVERWRITE,))


class KeyMismatch(Refused):
    """The certificate does not match its private key."""

    code = "KEY_MISMATCH"
    next_action = _FROM_BACKUP


class NotValidNow(Refused):
    """The rotation's certificate is not valid by this machine's clock."""

    code = "NOT_VALID_NOW"
    next_action = by_hand(
        "Correct this machine's clock.",
        alternatives=(
            NextAction(
                Verb.ABANDON,
                because="If the clock is right now, it was wrong when the certificate was made.",
                then=NextAction(Verb.ROTATE),
            ),
        ),
    )


class VaultLocked(Refused):
    """The key-encryption key is missing, or is not the one that sealed the store."""

    code = "VAULT_LOCKED"
    next_action = by_hand("Give Keyturn the right key-encryption key (the vault settings).")


class SealBroken(Refused):
    """A sealed secret cannot be opened: it is corrupt, or belongs to another record."""

    code = "SEAL_BROKEN"
    next_action = _FROM_BACKUP


class Tampered(Refused):
    """What is stored was changed outside Keyturn."""

    code = "TAMPERED"
    next_action = by_hand(
        "Keep a copy of the database as evidence. Then restore it from a backup.",
        alternatives=(NextAction(Verb.ABANDON),),
    )


class GaveUp(Refused):
    """The step failed as often as its retry policy allows."""

    code = "GAVE_UP"
    next_action = NextAction(Verb.DOCTOR, because="The doctor tests whether both systems answer.", then=REPEAT)


class ParkedByPerson(Refused):
    """A person parked the rotation."""

    code = "PARKED_BY_PERSON"
    next_action = NextAction(Verb.RESUME, alternatives=(NextAction(Verb.EXPLAIN),))


class InternalError(Refused):
    """Keyturn itself failed; the log has the details."""

    code = "INTERNAL_ERROR"
    next_action = by_hand("Report the log's traceback.")


# --- another worker or person changed the rotation --------------------------------------------------------------------


class Stale(KeyturnError):
    """The rotation was taken over or changed elsewhere; this worker's result was not stored."""

    code = "STALE"
    next_action = NextAction(Verb.WAIT, because="The worker that holds the rotation carries it on.")


class DataKeyRetired(Stale):
    """The data key that sealed a secret was retired before the secret was stored. Sealed again, it can be stored."""

    code = "DATA_KEY_RETIRED"
    next_action = REPEAT


# --- the request is not possible here ---------------------------------------------------------------------------------


class Rejected(KeyturnError):
    """The request was rejected."""

    code = "REJECTED"


class InvalidInput(Rejected):
    """The input is not valid."""

    code = "INVALID_INPUT"
    next_action = by_hand("Correct the value.")


class InvalidSettings(Rejected):
    """The settings are not valid."""

    code = "INVALID_SETTINGS"
    next_action = by_hand("Correct the settings file or the environment variable that the message names.")


class TlsRequired(InvalidSettings):
    """The console does not listen off loopback without TLS."""

    code = "TLS_REQUIRED"
    next_action = by_hand("Set console.tls_certificate and console.tls_key, or console.trusted_proxy.")


class NotFound(Rejected):
    """The store has nothing with this name or id."""

    code = "NOT_FOUND"
    next_action = NextAction(Verb.LIST_CONNECTIONS, alternatives=(NextAction(Verb.LIST_ROTATIONS),))


class AlreadyExists(Rejected):
    """The name, the NetSuite account or the OpenAir company has a connection already."""

    code = "ALREADY_EXISTS"
    next_action = by_hand("Choose another name.", alternatives=(NextAction(Verb.SHOW_CONNECTION),))


class NotSetUp(Rejected):
    """The connection is not set up yet: Keyturn has no certificate with which it signs in to NetSuite."""

    code = "NOT_SET_UP"
    next_action = NextAction(Verb.SETUP)


class Declined(Rejected):
    """You answered no."""

    code = "DECLINED"
    next_action = NextAction(Verb.WAIT)


class LastAdministrator(Rejected):
    """No administrator would be left."""

    code = "LAST_ADMINISTRATOR"
    next_action = by_hand("Make someone else an administrator first.")


class OpenIdRefused(Rejected):
    """The sign-in by OpenID Connect was refused; no session began."""

    code = "OPENID_REFUSED"
    next_action = by_hand("Sign in again. If this repeats, show the sentence to who looks after the provider.", None)


class AlertRefused(Rejected):
    """A receiver of alerts refused a message."""

    code = "ALERT_REFUSED"
    next_action = by_hand("Correct the route in the settings, or its receiver.", NextAction(Verb.TEST_ALERTS))


class RotationOpen(Rejected):
    """This connection has an open rotation already."""

    code = "ROTATION_OPEN"
    next_action = NextAction(Verb.LIST_ROTATIONS)


class IllegalMove(Rejected):
    """The rotation's state does not allow this."""

    code = "ILLEGAL_MOVE"
    next_action = NextAction(Verb.EXPLAIN)


class ApprovalPending(Rejected):
    """A request for approval waits for this rotation already."""

    code = "APPROVAL_PENDING"
    next_action = NextAction(Verb.EXPLAIN)


class ApprovalMissing(Rejected):
    """There is no such request for approval: the rotation was changed since, or the request was withdrawn."""

    code = "APPROVAL_MISSING"
    next_action = NextAction(Verb.EXPLAIN)


class ApprovalExpired(Rejected):
    """The request for approval is older than 24 hours."""

    code = "APPROVAL_EXPIRED"
    next_action = NextAction(Verb.EXPLAIN)


class ApprovalDiffers(Rejected):
    """The request for approval is for another verb, or with other options."""

    code = "APPROVAL_DIFFERS"
    next_action = NextAction(Verb.EXPLAIN)


class SamePerson(Rejected):
    """Another person than the one who asked has to approve it."""

    code = "SAME_PERSON"
    next_action = NextAction(Verb.WITHDRAW)


NOT_APPROVED: Final = (ApprovalPending, ApprovalMissing, ApprovalExpired, ApprovalDiffers, SamePerson)
"""What a request for approval, or an approval, is refused with."""


class NotConfirmed(Rejected):
    """The signature does not verify with this certificate."""

    code = "NOT_CONFIRMED"
    next_action = NextAction(Verb.WAIT, because="The step that asked for the signature decides what it means.")


class JournalBroken(Rejected):
    """The journal was changed after it was written."""

    code = "JOURNAL_BROKEN"
    next_action = by_hand(
        "Keep a copy of the database as evidence. Then restore it from a backup.",
        alternatives=(NextAction(Verb.EXPLAIN),),
    )


class EvidenceBroken(Rejected):
    """The evidence file was changed, or contradicts itself."""

    code = "EVIDENCE_BROKEN"
    next_action = by_hand("Keep the file. Ask the installation that it came from for it again.")

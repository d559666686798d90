"""Errors, sorted by what to do next.

The first line of a class's docstring is its default message; ``code`` is stable and may be matched by scripts;
``next_action`` is the next safe step. Libraries' exceptions are wrapped once, at the edge, with ``raise … from``.
One long catalogue on purpose: docs/reference/errors.md is this file.

    TryLater        nothing happened; repeat after a while
    Unknown         a write was sent and its answer lost; read back before repeating
    AwaitingPerson  nothing is wrong; a person has a part to do
    Refused         repeating would be refused again; park the rotation for a person
    Stale           somebody else holds the rotation now; drop the work in hand
    Rejected        the request makes no sense here; nothing was changed
"""

import inspect
from datetime import datetime
from typing import ClassVar


class KeyturnError(Exception):
    """Keyturn could not do what was asked."""

    code: ClassVar[str] = "KEYTURN_ERROR"
    next_action: str = "Look at the log and run `keyturn doctor`."

    def __init__(self, message: str | None = None, *, next_action: str | None = None) -> None:
        self.message = message or (inspect.getdoc(type(self)) or self.code).partition("\n")[0]
        if next_action is not None:
            self.next_action = next_action
        super().__init__(self.message)


# --- repeat after a while ---------------------------------------------------------------------------------------------


class TryLater(KeyturnError):
    """The other system is not available for the moment; nothing was changed."""

    code = "TRY_LATER"
    next_action = "Nothing to do: Keyturn tries again by itself."

    def __init__(
        self,
        message: str | None = None,
        *,
        next_action: str | None = None,
        retry_after: float | None = None,
        over_at: datetime | None = None,
    ) -> None:
        """``retry_after`` is in seconds, as the other system asked for, or None where it did not.

        ``over_at`` is when what stands in the way will be over at the latest (UTC), or None where nobody knows.
        """
        super().__init__(message, next_action=next_action)
        self.retry_after = retry_after
        self.over_at = over_at


class Throttled(TryLater):
    """The other system asks for fewer requests."""

    code = "THROTTLED"


class Exhausted(TryLater):
    """This machine is short of something that Keyturn needs."""

    code = "MACHINE_EXHAUSTED"
    next_action = "Free what the message names (`ulimit -a` shows the limits). Keyturn tries again by itself."


class HeldOff(TryLater):
    """A write of the rotation before may still take effect."""

    code = "HELD_OFF"
    next_action = "Nothing to do: a worker begins the new rotation when that time is over."


# --- read back before repeating ---------------------------------------------------------------------------------------


class Unknown(KeyturnError):
    """A write was sent and its answer was lost: it may or may not have happened."""

    code = "UNKNOWN_OUTCOME"
    next_action = "Nothing to do: Keyturn reads back what is true before it sends anything again."


class NotSavedYet(Unknown):
    """OpenAir took the certificate, but reading it back still shows another one."""

    code = "NOT_SAVED_YET"


class RestoreUnfinished(Unknown):
    """Putting the previous certificate back was begun, and it is not proved that both sides agree on it."""

    code = "RESTORE_UNFINISHED"
    next_action = "Run `keyturn rotation restore ID` again: it looks at what is true before it sends anything."


# --- a person has a part to do ----------------------------------------------------------------------------------------


class AwaitingPerson(KeyturnError):
    """A person has to save the certificate in OpenAir and confirm it."""

    code = "AWAITING_PERSON"
    next_action = "Save the certificate in OpenAir, then run `keyturn rotation confirm ID --fingerprint SHA256`."


# --- repeating would be refused again ---------------------------------------------------------------------------------


_RESTORE = (
    "Restore the database from a backup and run `keyturn rotation resume ID`; "
    "or, where `keyturn rotation explain ID` allows it, give this one up: `keyturn rotation abandon ID`."
)


class Refused(KeyturnError):
    """The other system refused, and would refuse again."""

    code = "REFUSED"
    next_action = "Mend what the message names, then run `keyturn rotation resume ID`."


class SignInRefused(Refused):
    """Sign-in was refused."""

    code = "SIGN_IN_REFUSED"
    next_action = "Check the connection's credentials with `keyturn doctor`, then run `keyturn rotation resume ID`."


class NotPermitted(Refused):
    """The role that Keyturn signs in with lacks a permission."""

    code = "NOT_PERMITTED"
    next_action = "Grant the role of suitescript/README.md, then run `keyturn rotation resume ID`."


class WrongBaseUrl(Refused):
    """The other system answers at another address than the connection names."""

    code = "WRONG_BASE_URL"
    next_action = "Correct the base URL with `keyturn connection edit`, then run `keyturn rotation resume ID`."


class CertificateRecordMissing(Refused):
    """Certificate "custcertificate_oa_realtime" not found."""

    code = "CERTIFICATE_NOT_FOUND"
    repair = (
        "The certificate record may have been deleted in NetSuite. Recreate it:\n"
        "  1. In NetSuite, go to Documents > Files > File Cabinet.\n"
        "  2. Open SuiteBundles > Bundle 369630 > OpenAir Certificates.\n"
        "  3. Next to openair-certificate.pem, click Download.\n"
        "  4. Go to Setup > Company > Certificates and click Create New.\n"
        "  5. Enter the name OpenAir real-time and the ID _oa_realtime.\n"
        "  6. On the Files tab, choose the openair-certificate.pem you downloaded, and click Save.\n"
    )
    """The vendor's own steps.
    https://docs.oracle.com/en/cloud/saas/netsuite-suiteprojects-pro/ (certificate generation troubleshooting)"""
    next_action = (
        repair + "Then run `keyturn rotation resume ID`, or let Keyturn create the record: "
        "`keyturn rotation resume ID --create-record`."
    )


class CannotSign(Refused):
    """NetSuite has the certificate record but could not sign with it."""

    code = "CANNOT_SIGN"
    next_action = (
        "See the record's validity and audience in NetSuite, then run `keyturn rotation resume ID`, "
        "or `keyturn rotation resume ID --overwrite` to put Keyturn's candidate in its place."
    )


class ForeignRotation(Refused):
    """NetSuite signs with a key that is neither the candidate's nor the previous certificate's."""

    code = "FOREIGN_ROTATION"
    next_action = (
        "Somebody else replaced the certificate. Find out who, and choose: `keyturn rotation adopt ID` accepts that "
        "certificate, once OpenAir holds it too; `keyturn rotation resume ID --overwrite` puts Keyturn's candidate "
        "in its place."
    )


class Drift(Refused):
    """OpenAir holds another certificate than the one that was saved there."""

    code = "DRIFT"
    next_action = (
        "Somebody else changed OpenAir's certificate. Find out who; "
        "then `keyturn rotation resume ID --overwrite` saves Keyturn's there again."
    )


class KeyMismatch(Refused):
    """The certificate does not match its private key."""

    code = "KEY_MISMATCH"
    next_action = _RESTORE


class NotValidNow(Refused):
    """The rotation's certificate is not valid by this machine's clock."""

    code = "NOT_VALID_NOW"
    next_action = (
        "Set this machine's clock, then run `keyturn rotation resume ID`. Where it is right now, it was wrong when the "
        "certificate was made: give that one up with `keyturn rotation abandon ID`, and begin anew."
    )


class VaultLocked(Refused):
    """The key-encryption key is missing or is not the one that the store was sealed with."""

    code = "VAULT_LOCKED"
    next_action = "Give Keyturn the right key-encryption key (setting `vault`), then repeat the command."


class SealBroken(Refused):
    """A sealed secret is corrupt, or belongs to another record: it does not open."""

    code = "SEAL_BROKEN"
    next_action = _RESTORE


class GaveUp(Refused):
    """The step was tried as often as its patience allows."""

    code = "GAVE_UP"
    next_action = "Run `keyturn doctor` to see whether both systems answer, then `keyturn rotation resume ID`."


class ParkedByPerson(Refused):
    """A person parked it."""

    code = "PARKED_BY_PERSON"
    next_action = (
        "Run `keyturn rotation resume ID` to go on; `keyturn rotation explain ID` tells how else it may be ended."
    )


class InternalError(Refused):
    """Keyturn itself failed; the log has the details."""

    code = "INTERNAL_ERROR"
    next_action = "Report the log's traceback; `keyturn rotation resume ID` is safe and reads back what is true first."


# --- somebody else holds the rotation ---------------------------------------------------------------------------------


class Stale(KeyturnError):
    """The rotation was taken over or changed elsewhere; this worker's result was not stored."""

    code = "STALE"
    next_action = "Nothing to do: whoever holds the rotation now carries it on."


# --- the request makes no sense here ----------------------------------------------------------------------------------


class Rejected(KeyturnError):
    """The request was rejected; nothing was changed."""

    code = "REJECTED"


class InvalidInput(Rejected):
    """The input is not valid."""

    code = "INVALID_INPUT"
    next_action = "Correct the value and repeat the command; nothing was changed."


class InvalidSettings(Rejected):
    """The settings are not valid."""

    code = "INVALID_SETTINGS"
    next_action = "Correct the settings file or the environment variable named above."


class NotFound(Rejected):
    """There is no such thing in the store."""

    code = "NOT_FOUND"
    next_action = "See what there is with `keyturn connection list` or `keyturn rotation list`."


class AlreadyExists(Rejected):
    """There is one of that name, for that NetSuite account, or for that OpenAir company, already."""

    code = "ALREADY_EXISTS"
    next_action = "Choose another name, or change the existing one with `keyturn connection edit`."


class RotationOpen(Rejected):
    """This connection has an open rotation already."""

    code = "ROTATION_OPEN"
    next_action = "See where it stands with `keyturn rotation list`."


class IllegalMove(Rejected):
    """The rotation's state does not allow this."""

    code = "ILLEGAL_MOVE"
    next_action = "See what is possible now with `keyturn rotation explain ID`."


class NotConfirmed(Rejected):
    """The signature does not verify with this certificate."""

    code = "NOT_CONFIRMED"
    next_action = "Nothing to do: whoever asked for the signature decides."


class JournalBroken(Rejected):
    """The journal was changed after it was written."""

    code = "JOURNAL_BROKEN"
    next_action = (
        "Keep a copy of the database as evidence, and compare it with a backup. Once the database is as it was, run "
        "`keyturn rotation resume ID`; `keyturn rotation explain ID` tells how else to end the rotation."
    )

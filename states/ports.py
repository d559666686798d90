"""What a rotation needs of other systems. The docstrings are the contracts; tests/contract holds every
implementation to them.

Every remote call may raise TryLater (nothing was changed), SignInRefused, NotPermitted, WrongBaseUrl or another
Refused. A call that writes may also raise Unknown: it was sent, and its answer was lost.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from states.certificate import Certificate, Challenge
from states.connection import Policy
from states.errors import KeyturnError
from states.rotation import Candidate, Confirmation, PrivateKey

PLACEHOLDER_FILE = "openair-certificate.pem"
"""The file that bundle 369630 3.0 to 4.01 ships in the record; not a valid certificate.
https://docs.oracle.com/en/cloud/saas/netsuite-suiteprojects-pro/ (certificate generation troubleshooting)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What NetSuite shows of the certificate record. It names no fingerprint: only a signature proves a key."""

    name: str
    file_name: str
    valid_from: datetime | None
    valid_to: datetime | None

    @property
    def is_placeholder(self) -> bool:
        """Whether this is the certificate that the bundle ships, which signs nothing OpenAir would trust."""
        return self.file_name == PLACEHOLDER_FILE


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """NetSuite's answer to `report`."""

    record: Record | None
    """None where the record does not exist."""
    server_time: datetime
    bundles: dict[str, str | None]
    """Installed bundles by id; None where the version cannot be read."""
    missing_bundles: tuple[str, ...] = ()
    """The connector's bundles that are not installed; empty where NetSuite does not list bundles."""
    account: str = ""
    """The account that answered, as NetSuite spells its id."""
    key_files: tuple[str, ...] = ()
    """The warnings about files of private keys that NetSuite's File Cabinet holds, or may hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What a rehearsed save to OpenAir did: it touches no certificate in use."""

    preference: str
    """The throw-away Preference that was written."""
    characters: int
    """How long the certificate was."""
    error: KeyturnError | None
    """Why OpenAir would not take a certificate of that size; None where it kept it whole."""
    left: str
    """Why the Preference may still be there; empty where it was removed."""


class NetSuite(Protocol):
    """The certificate record in one NetSuite account, through the RESTlet in suitescript/."""

    def report(self) -> Report:
        """Describe the record. Changes nothing."""
        ...

    def sign(self, challenge: Challenge) -> str:
        """Sign ``challenge.text`` with the record's key; return standard Base64. Changes nothing.

        Raises CertificateRecordMissing, CannotSign.
        """
        ...

    def install(
        self,
        certificate: Certificate,
        key: PrivateKey,
        challenge: Challenge,
        *,
        deadline: datetime,
        create: bool,
        warn: Callable[[str], None],
    ) -> str:
        """Put ``certificate`` and ``key`` into the record, then sign ``challenge.text`` with it; return Base64.

        Safe to repeat with the same certificate. NetSuite refuses the request after ``deadline`` (UTC, by its own
        clock), so a request that is delayed on its way cannot undo a later one. ``create`` allows making a missing
        record. ``warn`` is called with each thing that NetSuite could not do, also where it refuses, such as remove the
        file of the private key. Raises CertificateRecordMissing; Unknown also where NetSuite took the certificate but
        cannot sign with it.
        """
        ...


@dataclass(frozen=True, slots=True)
class SignInCertificate:
    """One certificate that can sign in to NetSuite, as NetSuite lists it."""

    id: str
    is_revoked: bool = False


class SignInCertificates(Protocol):
    """The certificates with which one integration signs in to NetSuite; not the certificate that is rotated."""

    def held(self) -> list[SignInCertificate]:
        """What NetSuite lists. Changes nothing; shows that NetSuite lets Keyturn manage them. Raises NotPermitted."""
        ...

    def upload(self, certificate: str) -> None:
        """Give NetSuite another ``certificate`` (PEM). ``held`` shows whether it took it. Look before repeating it.

        Raises Unknown, Refused.
        """
        ...

    def revoke(self, certificate_id: str) -> None:
        """Revoke a certificate, for good. ``held`` shows whether NetSuite did. Safe to repeat. Raises Unknown."""
        ...

    def proves(self, key: PrivateKey, certificate_id: str) -> bool:
        """Whether NetSuite signs Keyturn in with ``key`` and that certificate, and its RESTlet answers.

        Only that proves which certificate an id belongs to. Changes nothing. Raises TryLater, Refused.
        """
        ...


class OpenAir(Protocol):
    """The certificate with which one OpenAir company checks real-time imports. A private key has no way in."""

    def read(self) -> Certificate | None:
        """The certificate that OpenAir holds, or None. Changes nothing; proves that sign-in works.

        Raises UnreadableCertificate where it holds a text that is no certificate which Keyturn can read.
        """
        ...

    def save(self, confirmation: Confirmation, check: Callable[[], None]) -> None:
        """Save ``confirmation.certificate``. Safe to repeat.

        Only a Confirmation is accepted, and only NetSuite's verified signature makes one. ``check`` is called right
        before each request that writes, after every request that only reads; an error that it raises stops the save.
        Raises Unknown, also where the certificate was saved in part; AwaitingPerson where a person must save it.
        """
        ...


class Keys(Protocol):
    """Makes candidates, and opens the seal of their private keys."""

    def generate(self, rotation_id: str, connection: str, policy: Policy, now: datetime) -> Candidate:
        """Make a key pair and a self-signed certificate valid for ``policy.days`` from ``now``; seal the key."""
        ...

    def open(self, rotation_id: str, candidate: Candidate) -> PrivateKey:
        """The candidate's private key. Raises SealBroken, VaultLocked, KeyMismatch."""
        ...


class Clock(Protocol):
    """Time, passed in so that tests need not wait."""

    def now(self) -> datetime:
        """The present moment, UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Random(Protocol):
    """Randomness, passed in so that tests can repeat."""

    def bytes(self, count: int) -> bytes:
        """``count`` unpredictable bytes."""
        ...

    def fraction(self) -> float:
        """A number from 0 (inclusive) to 1 (exclusive)."""
        ...


class Write(StrEnum):
    """A request that changes something outside."""

    INSTALL = "install"
    SAVE = "save"


class Attempt(Protocol):
    """One try of a step, by the worker that holds the rotation: what the step asks of the store."""

    @property
    def began(self) -> datetime:
        """When the try began (UTC)."""
        ...

    def ensure_held(self) -> None:
        """Raise Stale once another worker has the rotation. A step calls it right before each request that writes."""
        ...

    def record_unknown(self, write: Write, error: KeyturnError) -> None:
        """Commit that ``write`` was sent and its outcome is unknown; ``error`` says why, and whether it has ended.

        A step calls it before it sends anything else. Raises Stale when it cannot be committed: this worker then lets
        its lease run out, and the next worker finds the rotation in doubt.
        """
        ...

    def observe(self, sentence: str) -> None:
        """Note what a look at the other systems showed: the evidence by which a doubt is settled."""
        ...

    def warn(self, warning: str) -> None:
        """Note what another system could not do and a person has to know."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """The systems of one connection, as the steps see them."""

    netsuite: NetSuite
    openair: OpenAir
    keys: Keys
    clock: Clock
    random: Random

    def challenge(self) -> Challenge:
        """A challenge that NetSuite was never asked to sign before."""
        return Challenge.of(self.random.bytes(32))


Connect = Callable[[str], Ports]
"""Gives the ports of a connection by its name."""

"""Both systems in memory, and how one worker reaches them: each call waits for the trace to say how it ends."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from support.factories import NOW, a_certificate, key_pem, signed

from states.certificate import Certificate, Challenge
from states.errors import CannotSign, CertificateRecordMissing, NotPermitted, Refused, TryLater, Unknown
from states.ports import Record, Report
from states.rotation import Confirmation, PrivateKey

if TYPE_CHECKING:  # it is given these
    from tests.model.trace_worker import Worker


@dataclass(frozen=True)
class Mute:
    """What NetSuite's record holds when NetSuite cannot sign with it."""

    certificate: Certificate


class Bug(Exception):
    """Something that no code of ours foresees."""


TROUBLE: Mapping[str, type[Exception]] = {
    "gone": TryLater,
    "later": TryLater,
    "late": TryLater,
    "refused": NotPermitted,
    "broke": Bug,
}
"""What a call raises that ends so; the other system did nothing."""


@dataclass
class Systems:
    """What NetSuite and OpenAir hold, and the requests that may still land."""

    previous: Certificate = field(default_factory=a_certificate)
    foreign: Certificate = field(default_factory=a_certificate)
    netsuite: Certificate | Mute | None = None
    openair: Certificate | None = None
    late_install: tuple[Certificate, bool] | None = None
    late_save: Certificate | None = None
    time: datetime = NOW
    """By NetSuite's clock."""
    sent: set[str] = field(default_factory=set)
    """The fingerprints that NetSuite was sent."""

    def __post_init__(self) -> None:
        self.netsuite = self.openair = self.previous

    def install(self, certificate: Certificate, *, create: bool) -> None:
        self.sent.add(certificate.fingerprint)
        if self.netsuite or create:
            self.netsuite = certificate

    def sign(self, challenge: Challenge) -> str:
        if self.netsuite is None:
            raise CertificateRecordMissing
        if isinstance(self.netsuite, Mute):
            raise CannotSign
        return signed(self.netsuite, challenge.text)


class WorkersNetSuite:
    """The record as one worker reaches it: each call waits for the trace to say how it ends."""

    def __init__(self, worker: "Worker", systems: Systems) -> None:
        self._worker = worker
        self._systems = systems

    def report(self) -> Report:
        held = self._systems.netsuite
        shown = held.certificate if isinstance(held, Mute) else held
        assert shown
        # The keys of a test are made within one second: what is not our own is shown a day off.
        off = timedelta(days=0 if shown.fingerprint in self._systems.sent else 1)
        record = Record(
            name="a record",
            file_name="foreign.pem",
            valid_from=shown.not_before + off,
            valid_to=shown.not_after + off,
        )
        return Report(record=record, server_time=NOW, bundles={})

    def sign(self, challenge: Challenge) -> str:
        self._worker.call("sign")
        return self._systems.sign(challenge)

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
        del warn
        assert key_pem(certificate) == key.reveal()
        how = self._worker.call("install")
        if (self._systems.time > deadline) != (how == "late"):
            self._worker.diverged(f"The install is sent by {deadline}; it is {self._systems.time}.")
        if how in ("lost_late", "slow"):
            self._systems.sent.add(certificate.fingerprint)
            self._systems.late_install = (certificate, create)
        elif how in ("done", "lost_done", "broke_done", "refused_done"):
            if how == "done" and self._systems.netsuite is None and not create:
                raise CertificateRecordMissing
            self._systems.install(certificate, create=create)
        elif how == "mute":
            self._systems.install(certificate, create=create)
            self._systems.netsuite = Mute(certificate)
        _answer(how)
        return self._systems.sign(challenge)


class WorkersOpenAir:
    """OpenAir as one worker reaches it."""

    def __init__(self, worker: "Worker", systems: Systems) -> None:
        self._worker = worker
        self._systems = systems

    def read(self) -> Certificate | None:
        self._worker.call("read")
        return self._systems.openair

    def save(self, confirmation: Confirmation, check: Callable[[], None]) -> None:
        check()
        how = self._worker.call("save")
        if how in ("lost_late", "slow"):
            self._systems.late_save = confirmation.certificate
        elif how in ("done", "lost_done", "broke_done"):
            self._systems.openair = confirmation.certificate
        _answer(how)


def _answer(how: str) -> None:
    """What the caller of a write gets to know of it, where that is not the plain answer."""
    if how == "broke_done":
        raise Bug
    if how == "refused_done":
        raise Refused
    if how.startswith("lost") or how == "mute":
        raise Unknown

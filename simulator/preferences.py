"""OpenAir's `Preference` objects, and the certificate that OpenAir verifies real-time imports with."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cryptography import x509

from simulator.cabinet import PRIVATE_KEY_MARK
from simulator.certificates import fingerprint, new_ec_key, self_signed
from simulator.faults import Fault
from simulator.history import Call, History
from simulator.visibility import Shown

CERTIFICATE_PREFERENCE = "oa_realtime_certificate"


@dataclass(frozen=True)
class Preference:
    """A generic setting of the company. Source: Oracle's help, article_93114516715 (Preference)."""

    id: int
    name: str
    setting: str
    created: datetime
    updated: datetime


@dataclass(frozen=True)
class Held:
    """All that a company holds: its preferences, oldest first, and the certificate it trusts."""

    preferences: tuple[Preference, ...] = ()
    trusted: x509.Certificate | None = None

    def with_preference(self, preference: Preference) -> "Held":
        """The same with `preference` added, or put in the place of the one of its id."""
        others = {each.id: each for each in self.preferences}
        return replace(self, preferences=tuple((others | {preference.id: preference}).values()))


class CompanySettings:
    """The preferences and the trusted certificate of one company. Safe to use from many threads.

    OpenAir trusts what was set last: the value of the preference `certificate_preference` (that a preference has this
    power is the simulator's assumption; Oracle documents none), or what an administrator set.

    `certificate_pem` is what both hold at the start.
    """

    def __init__(
        self,
        account: str,
        history: History,
        certificate_preference: str = CERTIFICATE_PREFERENCE,
        certificate_pem: str | None = None,
    ) -> None:
        self._account = account
        self._history = history
        self._certificate_preference = certificate_preference
        self._ids = itertools.count(1)
        held = Held() if certificate_pem is None else self._with_certificate(Held(), certificate_pem)
        self._held = Shown(held, history.now)

    @property
    def trusted(self) -> x509.Certificate | None:
        """The certificate OpenAir verifies with, or None."""
        return self._held.get().trusted

    @property
    def fingerprint(self) -> str | None:
        """SHA-256 fingerprint (hex) of the trusted certificate, or None."""
        trusted = self.trusted
        return None if trusted is None else fingerprint(trusted)

    def preferences(self) -> tuple[Preference, ...]:
        """All preferences, oldest first."""
        return self._held.get().preferences

    def add(self, call: Call, name: str, setting: str) -> Preference:
        """Store a new preference."""
        now = self._history.now()
        preference = Preference(next(self._ids), name, setting, now, now)
        self._held.change(lambda held: self._stored(held, preference, call))
        return preference

    def modify(self, call: Call, identifier: int, *, name: str | None, setting: str | None) -> Preference | None:
        """Change a preference; what is None stays. Returns None, and changes nothing, where there is no such id."""
        changed: list[Preference] = []

        def swap(held: Held) -> Held:
            old = next((each for each in held.preferences if each.id == identifier), None)
            if old is None:
                return held
            new = replace(
                old,
                name=old.name if name is None else name,
                setting=old.setting if setting is None else setting,
                updated=self._history.now(),
            )
            changed.append(new)
            return self._stored(held, new, call)

        self._held.change(swap)
        return changed[0] if changed else None

    def set_certificate(self, pem: str | None) -> None:
        """Set the trusted certificate as an administrator does by hand; None takes it away.

        Noted in the history. Raises ValueError where `pem` is not a certificate.
        """
        certificate = None if pem is None else x509.load_pem_x509_certificate(pem.encode())
        self._act_outside("administrator", lambda held: replace(held, trusted=certificate))

    def save_outside(self, pem: str) -> None:
        """Save a certificate as another party's rotation does: in the preference, so that OpenAir trusts it.

        Noted in the history. Raises ValueError where `pem` is not a certificate.
        """
        self._act_outside("foreign", lambda held: self._with_certificate(held, pem))

    def delete_duplicates(self) -> None:
        """Delete all preferences that carry the certificate but the last, as an administrator does by hand."""

        def kept(held: Held) -> Held:
            doomed = [each for each in held.preferences if each.name == self._certificate_preference][:-1]
            return replace(held, preferences=tuple(each for each in held.preferences if each not in doomed))

        self._act_outside("administrator", kept)

    def meddle(self, fault: Fault) -> None:
        """Do to certificate and preference what a fault of the kind missing, foreign or stale says."""
        if fault.kind == "stale":
            self._held.conceal(fault.seconds)
        elif fault.kind == "missing":
            self._act_outside("missing", self._without_certificate)
        else:
            name = f"Real-time import of {self._account} (foreign)"
            start = self._history.now() - timedelta(days=1)
            self.save_outside(self_signed(new_ec_key(), name, start, timedelta(days=365)).certificate_pem())

    def _act_outside(self, what: str, change: Callable[[Held], Held]) -> None:
        """Change what is held without any request of the client, and note that in the history."""
        call = self._history.begin("openair", self._account, "outside", what)

        def swap(old: Held) -> Held:
            new = change(old)
            if new.trusted is not None:
                call.effect(saved=fingerprint(new.trusted))
            elif old.trusted is not None:
                call.effect(removed=fingerprint(old.trusted))
            return new

        self._held.change(swap)
        call.end(None, "answered")

    def _with_certificate(self, held: Held, pem: str) -> Held:
        now = self._history.now()
        mine = [each for each in held.preferences if each.name == self._certificate_preference]
        for each in mine or [Preference(next(self._ids), self._certificate_preference, "", now, now)]:
            held = held.with_preference(replace(each, setting=pem, updated=now))
        return replace(held, trusted=x509.load_pem_x509_certificate(pem.encode()))

    def _without_certificate(self, held: Held) -> Held:
        return Held(tuple(each for each in held.preferences if each.name != self._certificate_preference))

    def _stored(self, held: Held, preference: Preference, call: Call) -> Held:
        held = held.with_preference(preference)
        if PRIVATE_KEY_MARK in preference.setting:
            call.effect(leaked="private key")
        if preference.name != self._certificate_preference:
            return held
        try:
            certificate = x509.load_pem_x509_certificate(preference.setting.encode())
        except ValueError:
            # Any text can be stored; what is no certificate verifies nothing.
            call.effect(saved="unreadable")
            return replace(held, trusted=None)
        call.effect(saved=fingerprint(certificate))
        return replace(held, trusted=certificate)

"""OpenAir's `Preference` objects, and the certificate that OpenAir uses to verify real-time imports."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cryptography import x509

from simulator.certificates import fingerprint, new_ec_key, self_signed
from simulator.delayed_value import DelayedValue
from simulator.faults import Fault
from simulator.file_cabinet import PRIVATE_KEY_MARK
from simulator.history import Call, History

CERTIFICATE_PREFERENCE = "oa_realtime_certificate"


@dataclass(frozen=True)
class Preference:
    """A setting of the company. Source: Oracle's help, article_93114516715 (Preference)."""

    id: int
    name: str
    setting: str
    created: datetime
    updated: datetime


@dataclass(frozen=True)
class Held:
    """What a company holds: its preferences, oldest first, and the certificate that it trusts."""

    preferences: tuple[Preference, ...] = ()
    trusted: x509.Certificate | None = None

    def with_preference(self, preference: Preference) -> "Held":
        """Return a copy with `preference` added, or replacing the one with its id."""
        others = {each.id: each for each in self.preferences}
        return replace(self, preferences=tuple((others | {preference.id: preference}).values()))


class CompanySettings:
    """The preferences and the trusted certificate of one company. Safe to use from several threads.

    OpenAir trusts the certificate that was set last: the value of the preference `certificate_preference`, or the
    certificate that an administrator uploaded. That a preference sets the certificate is an assumption of the
    simulator; Oracle documents no such preference.

    `certificate_pem` is the initial certificate of both systems.
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
        self._held = DelayedValue(held, history.now)

    @property
    def trusted(self) -> x509.Certificate | None:
        """The certificate that OpenAir verifies with, or None."""
        return self._held.get().trusted

    @property
    def fingerprint(self) -> str | None:
        """The SHA-256 fingerprint (hex) of the trusted certificate, or None."""
        trusted = self.trusted
        return None if trusted is None else fingerprint(trusted)

    def preferences(self) -> tuple[Preference, ...]:
        """Return all preferences, oldest first."""
        return self._held.get().preferences

    def add(self, call: Call, name: str, setting: str) -> Preference:
        """Store a new preference."""
        now = self._history.now()
        preference = Preference(next(self._ids), name, setting, now, now)
        self._held.change(lambda held: self._stored(held, preference, call))
        return preference

    def modify(self, call: Call, identifier: int, *, name: str | None, setting: str | None) -> Preference | None:
        """Change a preference. None keeps a field. Returns None, and changes nothing, if there is no such id."""
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

    def remove(self, call: Call, identifier: int) -> bool:
        """Delete a preference; with the certificate's, OpenAir trusts none. Returns False if there is no such id."""
        gone: list[Preference] = []

        def drop(held: Held) -> Held:
            gone.extend(each for each in held.preferences if each.id == identifier)
            kept = tuple(each for each in held.preferences if each.id != identifier)
            if any(each.name == self._certificate_preference for each in gone):
                if held.trusted is not None:
                    call.effect(removed=fingerprint(held.trusted))
                return Held(kept)
            return replace(held, preferences=kept)

        self._held.change(drop)
        return bool(gone)

    def set_certificate(self, pem: str | None) -> None:
        """Set the trusted certificate, as an administrator does by hand. None removes it. The history records it.

        Raises:
            ValueError: `pem` is not a certificate.
        """
        certificate = None if pem is None else x509.load_pem_x509_certificate(pem.encode())
        self._act_outside("administrator", lambda held: replace(held, trusted=certificate))

    def save_outside(self, pem: str) -> None:
        """Save a certificate in the preference, as another party's rotation does. The history records it.

        Raises:
            ValueError: `pem` is not a certificate.
        """
        self._act_outside("foreign", lambda held: self._with_certificate(held, pem))

    def apply_fault(self, fault: Fault) -> None:
        """Apply a fault of the kind missing, foreign or stale to the certificate and its preference."""
        if fault.kind == "stale":
            self._held.hide_change(fault.seconds)
        elif fault.kind == "missing":
            self._act_outside("missing", self._without_certificate)
        else:
            name = f"Real-time import of {self._account} (foreign)"
            start = self._history.now() - timedelta(days=1)
            self.save_outside(self_signed(new_ec_key(), name, start, timedelta(days=365)).certificate_pem())

    def _act_outside(self, what: str, change: Callable[[Held], Held]) -> None:
        """Change what the company holds without a request of the client, and record that in the history."""
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
            # OpenAir stores any text, but verifies nothing with a text that is not a certificate.
            call.effect(saved="unreadable")
            return replace(held, trusted=None)
        call.effect(saved=fingerprint(certificate))
        return replace(held, trusted=certificate)

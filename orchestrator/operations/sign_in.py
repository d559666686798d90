"""Signing in to the console with a password, and the sessions that this begins.

A name that no account has gets the same answer as a wrong password, after the same time, and is counted alike.
"""

import ipaddress
import logging
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from orchestrator.passwords import LONGEST, Passwords
from persistence.store import Store
from states.access import OF_ACCOUNT, OF_ADDRESS, Account, Bucket, Session, digest_of
from states.durations import in_words
from states.errors import Tampered, TooManyAttempts
from states.ports import Clock

_log = logging.getLogger("keyturn.console")

LIFE: Final = timedelta(hours=12)
_LONGEST_NAME: Final = 64
_LONGEST_COOKIE: Final = 100
_PREFIX: Final = 64
"""Bits of an IPv6 address that a network's user is given: all of its addresses are one."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session with its cookie's value, which is not stored."""

    account: Account
    secret: str = field(repr=False)


class SignIn:
    """Who is signed in with a password, in every process of this installation."""

    def __init__(self, store: Store, clock: Clock, passwords: Passwords) -> None:
        self._store = store
        self._clock = clock
        self._passwords = passwords

    def begin(self, name: str, password: str, address: str) -> SignedIn | None:
        """Begin a session for who gives this name and password, from this address; None where they are wrong.

        Raises TooManyAttempts, before the password is looked at; Busy, TryLater, VaultLocked, SealBroken.
        """
        account, now = self.confirm(name, password, address), self._clock.now()
        if account is None:
            return None
        secret = secrets.token_urlsafe(32)
        session = Session(
            digest=digest_of(secret), account=account.name, password_at=account.password_at, expires_at=now + LIFE
        )
        if not self._store.sessions.begin(session, now):
            return None  # the password was changed, or the account removed, in this moment
        _log.info("signed in", extra={"account": account.name, "address": address})
        return SignedIn(account, secret)

    def confirm(self, name: str, password: str, address: str) -> Account | None:
        """Return the account of this name and password; None where they are wrong. Raises as ``begin`` does."""
        name = name[:_LONGEST_NAME]
        counted = ((OF_ADDRESS, network_of(address)), (OF_ACCOUNT, name))
        for bucket, key in counted:
            take(self._store, bucket, key, self._clock.now())
        account = self._account(name)
        is_right = self._passwords.is_right(password[: LONGEST + 1], account.password if account else None)
        if not (is_right and account):
            _log.warning("sign-in refused", extra={"address": address})  # no name: it may be a password
            return None
        for bucket, key in counted:
            self._store.attempts.give_back(bucket, key)
        return account

    def find(self, secret: str) -> tuple[Session, Account] | None:
        """Return the session of a cookie with its account as it is now; None where there is none, or none any more.

        Raises TryLater, VaultLocked, SealBroken.
        """
        if len(secret) > _LONGEST_COOKIE:
            return None
        found = self._store.sessions.find(digest_of(secret))
        return found if found and found[0].is_valid(self._clock.now()) else None

    def end(self, secret: str) -> None:
        """End the session of a cookie. Safe to repeat."""
        self._store.sessions.end(digest_of(secret))

    def _account(self, name: str) -> Account | None:
        try:
            return self._store.accounts.find(name)
        except Tampered as error:
            _log.error("account refused", extra={"code": error.code, "reason": error.message})
            return None


def take(store: Store, bucket: Bucket, key: str, now: datetime) -> None:
    """Count an attempt to sign in of ``key`` at ``now`` (UTC). Raises TooManyAttempts where it is not allowed."""
    wait = store.attempts.take(bucket, key, now)
    if wait > timedelta():
        raise TooManyAttempts(
            f"There were too many attempts to sign in. The next one is possible in {in_words(wait)}.",
            retry_after=wait.total_seconds(),
        )


def network_of(address: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, _PREFIX), strict=False))
    return str(found)

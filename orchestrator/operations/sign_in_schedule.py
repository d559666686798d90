"""Renews the sign-ins to NetSuite that end soon, and revokes the certificates that they replaced: part of each pass."""

import logging
from datetime import datetime
from typing import Final

from orchestrator.events import Listener, SignInNotRenewed, ignore
from orchestrator.operations.sign_in_renewal import SignInRenewals
from orchestrator.secrets import SIGN_IN_DRAFT
from persistence.store import Store
from states.errors import KeyturnError, NotFound, Stale
from states.ports import Clock
from states.timing import SIGN_IN_LOOKED_AT_EVERY, SIGN_IN_RENEWED_BEFORE

_log = logging.getLogger("keyturn.sign_in")
BATCH: Final = 10
"""How many connections one pass asks NetSuite about: rotations wait to be started meanwhile."""


class SignInSchedule:
    """Which sign-ins are to be renewed, and their renewal."""

    def __init__(self, store: Store, renewals: SignInRenewals, clock: Clock, listener: Listener = ignore) -> None:
        self._store = store
        self._renewals = renewals
        self._clock = clock
        self._listener = listener
        self._idle_until: datetime | None = None

    def renew_due(self, *, actor: str) -> None:
        """Renew each sign-in that ends within 100 days, and revoke what was replaced a day ago; once an hour.

        A connection that fails is looked at again a day later: the alert of a credential that ends follows in time.
        Safe to repeat, and on several machines at once: the worker that notes its look first takes the connection.
        """
        now = self._clock.now()
        if self._idle_until and now < self._idle_until:
            return
        due = {name for end, name in self._store.deadlines.sign_in_ends() if end - now < SIGN_IN_RENEWED_BEFORE}
        kept = self._store.secrets.owners(SIGN_IN_DRAFT)
        taken = 0
        for name in sorted(due | kept):
            taken += self._take(name, actor, is_due=name in due)
            if taken == BATCH:
                return  # the next pass goes on
        self._idle_until = now + SIGN_IN_LOOKED_AT_EVERY

    def _take(self, name: str, actor: str, *, is_due: bool) -> bool:
        """Renew or revoke what is due for one connection; return whether NetSuite was asked."""
        try:
            if not self._renewals.claim(name, is_due=is_due):
                return False
            self._renewals.revoke_former(name, actor=actor)
            if is_due:
                self._renewals.renew(name, actor=actor)
        except (NotFound, Stale):
            _log.info("another machine was first", extra={"connection": name})
        except KeyturnError as error:
            self._listener(SignInNotRenewed(name, error.code, error.message))
        return True

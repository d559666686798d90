"""Renews the leases of this process's claims while their steps run.

A lease is short, so that another worker takes over within seconds when a worker dies. A step may take longer, so a
thread renews the lease meanwhile. A lost lease wastes work but breaks no rule: a step asks the store before it writes
to NetSuite or OpenAir, and the store refuses every write with an old fencing token.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from orchestrator.events import LeaseLost, LeaseNotRenewed, Listener, ignore
from orchestrator.shortage import start
from persistence.store import Claim, Store
from states.errors import KeyturnError, Stale

_log = logging.getLogger("keyturn.leases")


class LeaseRenewer:
    """One thread that renews every claim of this process. Use it as a context manager."""

    def __init__(self, store: Store, *, lease: float, listener: Listener = ignore) -> None:
        """``lease`` is in seconds; each claim is renewed three times in that time.

        ``listener`` receives an event for each lease that is lost or could not be renewed.
        """
        self.lease = lease
        self._store = store
        self._listener = listener
        self._claims: dict[str, Claim] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew_all, name="keyturn-leases", daemon=True)

    def __enter__(self) -> Self:
        start(self._thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @contextmanager
    def renewing(self, claim: Claim) -> Iterator[None]:
        """Renew ``claim`` while the block runs."""
        with self._lock:
            self._claims[claim.rotation.id] = claim
        try:
            yield
        finally:
            with self._lock:
                self._claims.pop(claim.rotation.id, None)

    def _renew_all(self) -> None:
        while not self._stop.wait(self.lease / 3):
            with self._lock:
                claims = list(self._claims.values())
            for claim in claims:
                self._renew(claim)

    def _renew(self, claim: Claim) -> None:
        try:
            self._store.claims.renew(claim, lease=self.lease)
        except Stale:
            with self._lock:
                if self._claims.get(claim.rotation.id) is not claim:
                    return  # it was released, or claimed again, while this thread waited for the database
                del self._claims[claim.rotation.id]
            self._listener(LeaseLost(claim.rotation))
        except KeyturnError as error:
            # The database may be away for a moment. That is harmless until the lease runs out.
            self._listener(LeaseNotRenewed(claim.rotation, error.code, error.message))
        except Exception:  # noqa: BLE001 - the beat must go on
            _log.exception("renewing a lease broke", extra={"rotation": claim.rotation.id})

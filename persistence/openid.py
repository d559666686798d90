"""The rooms of the sign-ins by OpenID Connect: those that are under way at the provider, and the sessions they began.

Only hashes are stored. Who can write the database and has no key cannot make a session, nor give one another role or a
longer life: each row has a code that covers all of it.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Integer, Text, bindparam, delete, insert, select

from persistence import access_models, authenticity
from persistence.clock import UtcDateTime
from persistence.database import Database
from persistence.mapping import NOT_OURS, Row
from persistence.vault import Vault
from states.access import OpenIdRequest, OpenIdSession, Role

_s: Final = access_models.openid_sessions
_r: Final = access_models.openid_requests
_now: Final = bindparam("now", type_=UtcDateTime())
MOST_REQUESTS: Final = 1000
"""How many sign-ins are under way at most; the oldest ends. Each takes a person minutes."""

SESSIONS: Final = select(_s).order_by(_s.c.digest)
_FIND_SESSION: Final = select(_s).where(_s.c.digest == bindparam("wanted", type_=Text()))
_ADD_SESSION: Final = insert(_s)
_REMOVE_SESSION: Final = delete(_s).where(_s.c.digest == bindparam("of"))
_REMOVE_SESSIONS: Final = delete(_s).where(_s.c.actor == bindparam("of"))
_PRUNE_SESSIONS: Final = delete(_s).where(_s.c.expires_at <= _now)

REQUESTS: Final = select(_r).order_by(_r.c.state)
_FIND_REQUEST: Final = select(_r).where(_r.c.state == bindparam("wanted", type_=Text()))
_ADD_REQUEST: Final = insert(_r)
_REMOVE_REQUEST: Final = delete(_r).where(_r.c.state == bindparam("of"))
_PRUNE_REQUESTS: Final = delete(_r).where(_r.c.expires_at <= _now)
_SURPLUS: Final = (
    select(_r.c.state).order_by(_r.c.expires_at.desc(), _r.c.state).offset(bindparam("most", type_=Integer()))
)
_REMOVE_SURPLUS: Final = delete(_r).where(_r.c.state.in_(_SURPLUS))


class OpenIdSessions:
    """The sessions: begun, found by their cookie's hash, ended."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def begin(self, session: OpenIdSession, now: datetime) -> None:
        """Store a session, and remove those that are over ``now`` (UTC). Raises VaultLocked, SealBroken."""
        values: dict[str, Any] = {
            **{name: getattr(session, name) for name in ("digest", "actor", "terms", "expires_at")},
            "role": session.role.value,
            "code": self._vault.authenticate(authenticity.of_openid_session(session)),
        }
        with self._database.writing() as tx:
            tx.execute(_PRUNE_SESSIONS, {"now": now})
            tx.execute(_ADD_SESSION, values)

    def find(self, digest: str) -> OpenIdSession | None:
        """Return the session of this hash; None without one, and where it was changed outside Keyturn.

        Whether it is over is for the caller. Raises VaultLocked, SealBroken.
        """
        with self._database.reading() as tx:
            row = tx.execute(_FIND_SESSION, {"wanted": digest}).mappings().first()
        return None if row is None else authentic_session(self._vault, row)

    def end(self, digest: str) -> None:
        """Remove a session. Safe to repeat."""
        with self._database.writing() as tx:
            tx.execute(_REMOVE_SESSION, {"of": digest})

    def all(self) -> list[OpenIdSession]:
        """Every session that is as Keyturn wrote it, also those that are over. Raises VaultLocked, SealBroken."""
        with self._database.reading() as tx:
            rows = tx.execute(SESSIONS).mappings().all()
        found = (authentic_session(self._vault, row) for row in rows)
        return [session for session in found if session]

    def end_all(self, actor: str) -> int:
        """Remove every session of a person; return how many there were."""
        with self._database.writing() as tx:
            return tx.execute(_REMOVE_SESSIONS, {"of": actor}).rowcount


class OpenIdRequests:
    """The sign-ins that are under way: added when a browser is sent to the provider, taken once when it comes back."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def add(self, request: OpenIdRequest, now: datetime) -> None:
        """Store a request; remove those that are over ``now`` (UTC), and the oldest of too many.

        Raises VaultLocked, SealBroken.
        """
        values: dict[str, Any] = {
            **{name: getattr(request, name) for name in ("state", "browser", "expires_at")},
            "code": self._vault.authenticate(authenticity.of_openid_request(request)),
        }
        with self._database.writing() as tx:
            tx.execute(_PRUNE_REQUESTS, {"now": now})
            tx.execute(_ADD_REQUEST, values)
            tx.execute(_REMOVE_SURPLUS, {"most": MOST_REQUESTS})

    def take(self, state: str, browser: str) -> OpenIdRequest | None:
        """Remove the request of this state and this browser, both as hashes, and return it.

        None where there is none, where it was taken already, where it is another browser's, which can still take it,
        and where it was changed outside Keyturn. Whether it is over is for the caller. Raises VaultLocked, SealBroken.
        """
        with self._database.writing() as tx:
            row = tx.execute(_FIND_REQUEST, {"wanted": state}).mappings().first()
            if row is None or row["browser"] != browser:
                return None
            if not tx.execute(_REMOVE_REQUEST, {"of": state}).rowcount:
                return None  # another process took it in this moment
        return authentic_request(self._vault, row)


def authentic_session(vault: Vault, row: Row) -> OpenIdSession | None:
    """The session of a row, if it is as Keyturn wrote it. Raises VaultLocked, SealBroken."""
    try:
        session = OpenIdSession(
            digest=row["digest"],
            actor=row["actor"],
            role=Role(row["role"]),
            terms=row["terms"],
            expires_at=row["expires_at"],
        )
    except NOT_OURS:
        return None
    return session if vault.is_authentic(authenticity.of_openid_session(session), str(row["code"])) else None


def authentic_request(vault: Vault, row: Row) -> OpenIdRequest | None:
    """The request of a row, if it is as Keyturn wrote it. Raises VaultLocked, SealBroken."""
    try:
        request = OpenIdRequest(state=row["state"], browser=row["browser"], expires_at=row["expires_at"])
    except NOT_OURS:
        return None
    return request if vault.is_authentic(authenticity.of_openid_request(request), str(row["code"])) else None

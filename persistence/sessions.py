"""The room of the sessions: who is signed in to the console, in every process that serves it.

Only the hash of a cookie is stored. A session belongs to a password: when the account gets another one, or is removed,
its sessions are deleted, and a row that is put back is refused.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Text, bindparam, delete, insert, select

from persistence import access_models, accounts, authenticity
from persistence.clock import UtcDateTime
from persistence.database import Database
from persistence.mapping import NOT_OURS, Row
from persistence.vault import Vault
from states.access import Account, Session

_t: Final = access_models.sessions

ALL: Final = select(_t).order_by(_t.c.digest)
_FIND: Final = select(_t).where(_t.c.digest == bindparam("wanted", type_=Text()))
_ACCOUNT: Final = select(access_models.accounts).where(
    access_models.accounts.c.name == bindparam("wanted", type_=Text())
)
_LOCK_ACCOUNT: Final = _ACCOUNT.with_for_update()
_ADD: Final = insert(_t)
_REMOVE: Final = delete(_t).where(_t.c.digest == bindparam("of"))
_PRUNE: Final = delete(_t).where(_t.c.expires_at <= bindparam("now", type_=UtcDateTime()))


class Sessions:
    """The sessions: begun, found by their cookie's hash, ended."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def begin(self, session: Session, now: datetime) -> bool:
        """Store a session, and remove those that are over ``now`` (UTC).

        Return False, with nothing stored, where its account was removed or has another password by now.
        Raises VaultLocked, SealBroken.
        """
        values: dict[str, Any] = {
            "digest": session.digest,
            "account": session.account,
            "password_at": session.password_at,
            "expires_at": session.expires_at,
            "code": self._vault.authenticate(authenticity.of_session(session)),
        }
        with self._database.writing() as tx:
            tx.execute(_PRUNE, {"now": now})
            # Locked: a change of the password that is under way waits, and then deletes this session.
            row = tx.execute(_LOCK_ACCOUNT, {"wanted": session.account}).mappings().first()
            account = accounts.authentic(self._vault, row) if row is not None else None
            if account is None or account.password_at != session.password_at:
                return False
            tx.execute(_ADD, values)
            return True

    def find(self, digest: str) -> tuple[Session, Account] | None:
        """Return the session of this hash with its account as it is now; None without one.

        None, too, where either was changed outside Keyturn, or where the account has another password by now. Whether
        the session is over is for the caller. Raises VaultLocked, SealBroken.
        """
        with self._database.reading() as tx:
            row = tx.execute(_FIND, {"wanted": digest}).mappings().first()
            if row is None:
                return None
            owner = tx.execute(_ACCOUNT, {"wanted": row["account"]}).mappings().first()
        session = authentic(self._vault, row)
        account = accounts.authentic(self._vault, owner) if owner is not None else None
        if session is None or account is None or session.password_at != account.password_at:
            return None
        return session, account

    def end(self, digest: str) -> None:
        """Remove a session. Safe to repeat."""
        with self._database.writing() as tx:
            tx.execute(_REMOVE, {"of": digest})


def authentic(vault: Vault, row: Row) -> Session | None:
    """The session of a row, if it is as Keyturn wrote it. Raises VaultLocked, SealBroken."""
    try:
        session = Session(
            digest=row["digest"],
            account=row["account"],
            password_at=row["password_at"],
            expires_at=row["expires_at"],
        )
    except NOT_OURS:
        return None
    return session if vault.is_authentic(authenticity.of_session(session), str(row["code"])) else None

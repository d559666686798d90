"""The renewal of Keyturn's own sign-in to NetSuite: another key, certified, proved, and only then used.

Each step is safe to repeat, so a renewal that was interrupted goes on where it was. The next key is sealed before its
certificate leaves. Whether NetSuite has the certificate shows in one way only: NetSuite lists an id that it did not
list before, and signs Keyturn in with that id and the next key.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Final

from orchestrator.events import Listener, SignInNotRevoked, SignInRenewed, SignInRevoked, ignore
from orchestrator.operations.connections import Connections
from orchestrator.secrets import SIGN_IN_DRAFT, SecretName, Secrets
from orchestrator.sign_in_draft import FormerSignIn, NextSignIn, SignInDraft, integration_of
from persistence.store import Store
from persistence.vault import Vault
from states.certificate import Certificate
from states.connection import Connection
from states.errors import HeldOff, InvalidInput, Refused, Stale, TryLater, Unknown
from states.next_action import NextAction, Verb
from states.ports import Clock, SignInCertificate, SignInCertificates
from states.rotation import PrivateKey
from states.timing import READ_BACK_DELAY, SIGN_IN_GRACE, SIGN_IN_HOLD_OFF, SIGN_IN_TRIED_EVERY

_LOOKS: Final = 3
"""How often the list is read after the certificate was sent, with a delay in between."""
_REVOKE_TRIES: Final = 5
"""On so many days; after that, a person revokes the certificate, or it expires."""


class SignInRenewals:
    """The renewal of the sign-in of each connection."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        connections: Connections,
        certificates: Callable[[Connection], SignInCertificates],
        clock: Clock,
        listener: Listener = ignore,
    ) -> None:
        """``certificates`` builds NetSuite's side of a connection."""
        self._store = store
        self._vault = vault
        self._connections = connections
        self._certificates = certificates
        self._clock = clock
        self._listener = listener

    def renew(self, name: str, *, actor: str) -> Connection:
        """Give the connection another sign-in key and certificate; return it as it is stored then.

        The former certificate stays valid for a day, and is revoked by ``revoke_former``. Safe to repeat: a renewal
        that was interrupted goes on.

        Raises NotPermitted or SignInRefused where NetSuite does not let Keyturn do it, and Refused where it does not
        take the certificate: nothing was changed then. Unknown, HeldOff and TryLater: repeat it later. Stale where
        another process changed the connection or renews it. NotFound, InvalidInput for a connection without a sign-in,
        Tampered, VaultLocked, SealBroken.
        """
        connection = self._store.connections.authentic(name)
        if not connection.netsuite.certificate_id:
            setup = NextAction(Verb.SETUP, {"connection": name})
            raise InvalidInput(f"Connection {name} cannot sign in to NetSuite yet.", next_action=setup)
        kept = _Kept(self._store, self._vault, connection)
        if self._store.connections.authentic(name).version != connection.version:
            # What was read of the two does not belong together. Later changes of either make a write below fail.
            raise Stale(f"Connection {name} was changed meanwhile; its sign-in was not renewed.")
        netsuite = self._certificates(connection)
        held = netsuite.held()  # first: nothing is made where NetSuite does not permit it
        following = kept.draft.next
        if following is None or not following.is_usable(connection, self._clock.now()):
            following = self._make(connection, held)
            kept.put(replace(kept.draft, next=following))
        found = self._find(netsuite, following, held) or self._send(netsuite, kept, following)
        return self._switch(connection, kept.draft, following, found, actor)

    def claim(self, name: str, *, is_due: bool) -> bool:
        """Take the connection for a pass; False where there is nothing to do now, or a pass looked within a day.

        ``is_due``: its sign-in ends soon. Raises Stale where another worker took it first, and what ``renew`` does.
        """
        kept = _Kept(self._store, self._vault, self._store.connections.authentic(name))
        now = self._clock.now()
        is_over = any(each.revoke_at <= now.isoformat() for each in kept.draft.former)
        if not (is_due or is_over) or kept.draft.not_before > now.isoformat():
            return False
        kept.put(replace(kept.draft, not_before=(now + SIGN_IN_TRIED_EVERY).isoformat()))
        return True

    def _make(self, connection: Connection, held: list[SignInCertificate]) -> NextSignIn:
        from orchestrator.adapters.keys import new_sign_in_key, sign_in_certificate  # noqa: PLC0415 - seldom needed

        key, now = new_sign_in_key(), self._clock.now()
        return NextSignIn(
            key=key.decode(),
            certificate=sign_in_certificate(key, connection.name, now),
            integration=integration_of(connection),
            made_at=now.isoformat(),
            before=tuple(each.id for each in held),
        )

    @staticmethod
    def _find(netsuite: SignInCertificates, following: NextSignIn, held: list[SignInCertificate]) -> str:
        """Return the id of the certificate in NetSuite, proved by signing in with it; empty where it has none."""
        new = [each.id for each in held if not each.is_revoked and each.id not in following.before]
        key = PrivateKey(following.key.encode())
        return next((each for each in new if netsuite.proves(key, each)), "")

    def _send(self, netsuite: SignInCertificates, kept: "_Kept", following: NextSignIn) -> str:
        """Give NetSuite the certificate, and return its id. Another one is not sent while the first may arrive."""
        now = self._clock.now()
        if following.is_sent_within(SIGN_IN_HOLD_OFF, now):
            raise HeldOff(
                "The new sign-in certificate was sent to NetSuite, and may still arrive. The former one is in use."
            )
        # Before it is sent, and compared with what is stored: of two workers, one sends it.
        kept.put(replace(kept.draft, next=replace(following, sent_at=now.isoformat())))
        try:
            netsuite.upload(following.certificate)
        except Unknown:
            pass  # the list shows it
        except Refused:
            kept.put(replace(kept.draft, next=None))
            raise
        except TryLater:
            kept.put(replace(kept.draft, next=following))
            raise
        for look in range(_LOOKS):
            if look:
                self._clock.sleep(READ_BACK_DELAY)
            if found := self._find(netsuite, following, netsuite.held()):
                return found
        raise Unknown(
            "NetSuite does not list the new sign-in certificate that it was sent. The former one is in use.",
            next_action=NextAction(Verb.SETUP, {"connection": kept.connection.name, "new_certificate": True}),
        )

    def _switch(
        self, connection: Connection, draft: SignInDraft, following: NextSignIn, found: str, actor: str
    ) -> Connection:
        """Use the proved certificate from now on: settings, key and what is to be revoked, in one transaction."""
        from orchestrator.adapters.keys import SIGN_IN_ALGORITHM  # noqa: PLC0415 - as above

        certificate, before = Certificate.parse(following.certificate), connection.netsuite
        netsuite = replace(
            before,
            certificate_id=found,
            certificate_until=certificate.not_after.isoformat(),
            certificate_fingerprint=certificate.fingerprint,
            assertion_algorithm=SIGN_IN_ALGORITHM,
        )
        revoke_at = self._clock.now() + SIGN_IN_GRACE
        former = (*draft.former, FormerSignIn(before.certificate_id, revoke_at.isoformat()))
        saved = self._connections.edit(
            replace(connection, netsuite=netsuite),
            {SecretName.NETSUITE_KEY: following.key},
            actor=actor,
            sign_in_draft=SignInDraft(None, former).to_bytes(),
        )
        self._listener(SignInRenewed(saved.name, found, certificate.not_after, before.certificate_id, revoke_at, actor))
        return saved

    def revoke_former(self, name: str, *, actor: str) -> None:
        """Revoke the connection's former certificates whose day is over; one that is in use again is kept.

        What fails is tried again a day later, on five days. Safe to repeat. Raises what ``renew`` does.
        """
        connection = self._store.connections.authentic(name)
        kept = _Kept(self._store, self._vault, connection)
        due = [each for each in kept.draft.former if each.revoke_at <= self._clock.now().isoformat()]
        if not due:
            return
        netsuite = self._certificates(connection)
        live = _live(netsuite)
        for each in due:
            if each.certificate_id in live and each.certificate_id != connection.netsuite.certificate_id:
                self._revoke(netsuite, name, each.certificate_id)
        live = _live(netsuite)
        left = [each for each in due if each.certificate_id in live]
        waiting = [each for each in kept.draft.former if each not in due]
        kept.put(replace(kept.draft, former=(*waiting, *self._later(connection, left))))
        for each in due:
            if each not in left:
                self._listener(SignInRevoked(name, each.certificate_id, actor))

    def _revoke(self, netsuite: SignInCertificates, name: str, certificate_id: str) -> None:
        # Read again: a person may have gone back to that certificate meanwhile.
        if self._store.connections.authentic(name).netsuite.certificate_id == certificate_id:
            return
        with suppress(Unknown, TryLater, Refused):  # the list shows whether it is revoked
            netsuite.revoke(certificate_id)

    def _later(self, connection: Connection, left: list[FormerSignIn]) -> list[FormerSignIn]:
        """What is tried again a day later; what was tried often enough is reported."""
        at = (self._clock.now() + timedelta(days=1)).isoformat()
        others = [each for each in left if each.certificate_id != connection.netsuite.certificate_id]
        for each in others:
            if each.tries + 1 >= _REVOKE_TRIES:
                self._listener(SignInNotRevoked(connection.name, each.certificate_id))
        return [FormerSignIn(it.certificate_id, at, it.tries + 1) for it in others if it.tries + 1 < _REVOKE_TRIES]


class _Kept:
    """What is stored of a renewal, replaced only as it was read: the worker that writes second gets Stale."""

    def __init__(self, store: Store, vault: Vault, connection: Connection) -> None:
        self.connection = connection
        self._store = store
        self._secrets = Secrets(store, vault, connection)
        found = self._secrets.get(SIGN_IN_DRAFT)
        self.draft = SignInDraft.from_bytes(found[0]) if found else SignInDraft()
        self._version = found[1] if found else 0

    def put(self, draft: SignInDraft) -> None:
        """Store ``draft``, durably. Raises Stale."""
        self._version = self._secrets.replace(SIGN_IN_DRAFT, draft.to_bytes(), self._version)
        self.draft = draft


def _live(netsuite: SignInCertificates) -> set[str]:
    return {each.id for each in netsuite.held() if not each.is_revoked}

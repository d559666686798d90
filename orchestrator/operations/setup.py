"""Setting a connection up, step by step: which step is next, and storing what a person gives for it.

There is no store of its own: the connection itself is the draft, and what it lacks is the next step. Until the bundles
are recorded, which is last, no schedule rotates it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from orchestrator.operations import connection_fields
from orchestrator.operations.connection_fields import ConnectionFields
from orchestrator.operations.connections import Connections
from orchestrator.operations.doctor import (
    NETSUITE_SIGN_IN,
    NETSUITE_SIGNING,
    OPENAIR_SIGN_IN,
    SIGN_IN,
    Doctor,
    Finding,
)
from orchestrator.secrets import SecretName
from persistence.store import Store
from persistence.vault import Vault
from states.connection import Connection
from states.errors import NotFound
from states.next_action import Verb
from states.ports import Clock


class Step(StrEnum):
    """The steps, in their order."""

    ACCOUNT = "account"
    """NetSuite's account and integration record are named; Keyturn makes its sign-in key."""
    SIGN_IN = "sign-in"
    """NetSuite has that key's certificate, and lets Keyturn sign in, read the record and sign."""
    OPENAIR = "openair"
    """OpenAir is named, and lets Keyturn sign in and read."""
    CONSENT = "consent"
    """A person consents in OpenAir."""
    AUTOMATION = "automation"
    """The bundles are recorded, so that the schedule begins rotations."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far a connection is set up."""

    step: Step | None
    """The first step that is not proved; None where all are."""
    findings: Sequence[Finding] = ()
    """What the doctor found on the connection; empty where it cannot be asked yet."""


_NETSUITE: Final = (
    *("account", "client_id", "certificate_id", "certificate_pem", "certificate_until", "assertion_algorithm"),
    *("restlet_url", "token_url", "script", "deployment"),
)
_OPENAIR: Final = (
    *("openair_url", "openair_namespace", "openair_client_id", "openair_redirect_uri"),
    *("openair_company", "openair_user", "openair_preference"),
)
_POLICY: Final = (
    *("single_sign_on", "real_time_integration", "oauth2"),
    *("algorithm", "days", "keep_key", "on_refusal", "starts_by_hand"),
)
_NETSUITE_SECRETS: Final = (SecretName.NETSUITE_KEY, SecretName.PROXY_CREDENTIALS)
_MADE_HERE: Final = ("certificate_id", SecretName.NETSUITE_KEY)
"""What `missing` leaves out: the key is made by the first step, and its certificate gets its id after that."""


class Setup:
    """The steps of one connection."""

    def __init__(self, store: Store, vault: Vault, connections: Connections, doctor: Doctor, clock: Clock) -> None:
        self._store = store
        self._vault = vault
        self._connections = connections
        self._doctor = doctor
        self._clock = clock

    def place(self, name: str) -> Place:
        """How far ``name`` is set up: asks both systems as the doctor does. Changes nothing; safe to repeat."""
        connection = self.find(name)
        if connection is None:
            return Place(Step.ACCOUNT)
        if not connection.netsuite.certificate_id:
            return Place(Step.SIGN_IN)
        if connection.openair.by_oauth and SecretName.OPENAIR_REFRESH_TOKEN not in self._connections.secrets_of(name):
            return Place(Step.CONSENT)
        findings = list(self._doctor.check(name))
        return Place(_unproved(connection, findings), findings)

    def find(self, name: str) -> Connection | None:
        """The connection, or None before the first step."""
        try:
            return self._connections.show(name)
        except NotFound:
            return None

    def missing(self, name: str, given: ConnectionFields) -> list[str | SecretName]:
        """The fields and secrets that ``name`` still needs and that were not ``given``, of all steps at once."""
        connection = self.find(name)
        if connection and connection.openair.url:
            return []
        stored = ("account", "client_id") if connection else ()
        names = [each for each in given.missing() if each not in (*_MADE_HERE, *stored)]
        needs_url = given.openair_export and given.openair_url is None
        return [*names, "openair_url"] if needs_url else names

    def give(self, name: str, step: Step, given: ConnectionFields, *, actor: str) -> Connection:
        """Store what was ``given`` for ``step``, and nothing else. Raises what `Connections.add` and `edit` do.

        The first step stores a draft: a connection with its own sign-in key that no schedule rotates.
        """
        if step is Step.ACCOUNT:
            return self._draft(name, given, actor)
        if step is Step.SIGN_IN:
            part = _only(given, _NETSUITE, _NETSUITE_SECRETS)
        elif step is Step.OPENAIR:
            # A refresh token that is stored may be the successor of the given one, which is void then.
            stored = SecretName.OPENAIR_REFRESH_TOKEN in self._connections.secrets_of(name)
            kept = (*_NETSUITE_SECRETS, SecretName.OPENAIR_REFRESH_TOKEN) if stored else _NETSUITE_SECRETS
            part = _only(given, _OPENAIR, [each for each in SecretName if each not in kept])
            part = replace(part, openair_export=bool(given.openair_export))
        elif step is Step.CONSENT:
            part = _only(given, (), [SecretName.OPENAIR_REFRESH_TOKEN])
        else:
            part = ConnectionFields(bundles=given.bundles)
        return connection_fields.change(self._connections, name, part, actor=actor)

    def _draft(self, name: str, given: ConnectionFields, actor: str) -> Connection:
        from orchestrator.adapters.keys import new_sign_in_key  # noqa: PLC0415 - for this step only

        part = _only(given, (*_NETSUITE, *_POLICY), _NETSUITE_SECRETS)
        if SecretName.NETSUITE_KEY not in part.secrets:
            made = {SecretName.NETSUITE_KEY: new_sign_in_key().decode()}
            # An id that was given is another key's.
            part = replace(part, certificate_id=None, certificate_pem=None, certificate_until=None)
            part = replace(part, assertion_algorithm=None, secrets={**part.secrets, **made})
        draft = replace(part, certificate_id=part.certificate_id or "", openair_export=True)
        return self._connections.add(draft.new(name), draft.secrets, actor=actor)

    def certificate(self, name: str, held: str = "") -> str:
        """Return a certificate (PEM) of the connection's sign-in key, for NetSuite. It has nothing secret.

        ``held`` is one from an earlier run, which is kept where it is of this key. Raises NotFound, SignInRefused
        without a key, InvalidInput where ``held`` is of another key, Tampered, VaultLocked, SealBroken.
        """
        from orchestrator.adapters.keys import sign_in_certificate  # noqa: PLC0415 - as above

        key = self._connections.sign_in_key(name)
        if not held:
            return sign_in_certificate(key, name, self._clock.now())
        connection_fields.ensure_certificate_of(key, held)
        return held


def _unproved(connection: Connection, findings: Sequence[Finding]) -> Step | None:
    """The first step that the ``findings`` do not prove."""
    failed = {each.subject.partition(": ")[2]: each for each in findings if not each.ok}
    if failed.keys() & {SIGN_IN, NETSUITE_SIGN_IN, NETSUITE_SIGNING}:
        return Step.SIGN_IN
    if not connection.openair.url:
        return Step.OPENAIR
    if refused := failed.get(OPENAIR_SIGN_IN):
        return Step.CONSENT if refused.fix and refused.fix.leads_to(Verb.AUTHORIZE) else Step.OPENAIR
    return None if connection.bundles else Step.AUTOMATION


def _only(given: ConnectionFields, names: Iterable[str], secrets: Iterable[SecretName]) -> ConnectionFields:
    values = {name: getattr(given, name) for name in names}
    return ConnectionFields(**values, secrets={name: given.secrets[name] for name in secrets if name in given.secrets})

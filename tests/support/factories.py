"""Ready-made domain objects for tests. Keys are EC P-256, which is quick; signatures are real."""

import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from support.pairs import Pair, a_pair

from states import machine, table
from states.access import Account, OpenIdRequest, OpenIdSession, Role, Session, Token
from states.certificate import Certificate, Challenge
from states.connection import Connection, NetSuiteSettings, OpenAirSettings, Options
from states.errors import CannotSign
from states.request import Request
from states.rotation import Candidate, Cause, Confirmation, Proof, Receipt, Rotation
from states.silence import Silence
from states.state import State
from states.table import FAIL, NEXT

if TYPE_CHECKING:  # most who use these factories need no database, which is slow to import
    from persistence.store import Claim, Store

NOW = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)

_PAIRS: dict[str, Pair] = {}
"""Each certificate that was made here, with its private key, by fingerprint."""


def a_certificate(*, now: datetime = NOW, days: int = 365) -> Certificate:
    """A new self-signed certificate, valid from ``now`` for ``days``."""
    pair = a_pair(not_before=now, not_after=now + timedelta(days=days))
    _PAIRS[pair.fingerprint] = pair
    return pair.certificate


def pair_of(certificate: Certificate) -> Pair:
    """A certificate that was made here, with its private key."""
    return _PAIRS[certificate.fingerprint]


def key_pem(certificate: Certificate) -> bytes:
    """The private key (PKCS#8 PEM) of a certificate that was made here."""
    return pair_of(certificate).key_pem()


def signed(certificate: Certificate, message: bytes) -> str:
    """The Base64 signature that NetSuite would make with this certificate's key."""
    return pair_of(certificate).sign(message)


def a_candidate(**over: Any) -> Candidate:
    """A candidate; its sealed key is not really sealed."""
    return replace(Candidate(a_certificate(), b"sealed"), **over)


def a_connection(**over: Any) -> Connection:
    """A connection whose rotations are automatic; each name has an account and a company of its own."""
    name = over.get("name", "acme")
    number = str(zlib.crc32(name.encode()))
    account, company = ("1234567_SB1", "acme") if name == "acme" else (number, number)
    defaults: dict[str, Any] = {
        "name": name,
        "netsuite": NetSuiteSettings(account=account, client_id="client", certificate_id="kid"),
        "openair": OpenAirSettings(url=f"https://{company}.app.openair.com", company="Acme", user="keyturn"),
        "options": Options(),
        "bundles": {"369630": "4.02", "369637": "5.02"},
    }
    return Connection(**{**defaults, **over})


def a_token(**over: Any) -> Token:
    """An operator's token for 30 days."""
    defaults: dict[str, Any] = {
        "name": "nightly",
        "digest": "ab" * 32,
        "role": Role.OPERATOR,
        "created_at": NOW,
        "created_by": "ada",
        "expires_at": NOW + timedelta(days=30),
    }
    return Token(**{**defaults, **over})


def a_silence(**over: Any) -> Silence:
    """A silence of acme for two days."""
    defaults: dict[str, Any] = {
        "id": an_id(50),
        "connection": "acme",
        "kind": None,
        "reason": "OpenAir is being moved",
        "created_at": NOW,
        "created_by": "ada",
        "until": NOW + timedelta(days=2),
    }
    return Silence(**{**defaults, **over})


def an_account(**over: Any) -> Account:
    """An administrator's account, whose hash is of no password."""
    defaults: dict[str, Any] = {
        "name": "ada",
        "role": Role.ADMINISTRATOR,
        "password": "$argon2id$none",
        "created_at": NOW,
        "created_by": "root",
        "password_at": NOW,
    }
    return Account(**{**defaults, **over})


def a_session(**over: Any) -> Session:
    """A session of that account."""
    defaults: dict[str, Any] = {
        "digest": "ef" * 32,
        "account": "ada",
        "password_at": NOW,
        "expires_at": NOW + timedelta(hours=12),
    }
    return Session(**{**defaults, **over})


def an_openid_session(**over: Any) -> OpenIdSession:
    """An operator's session by OpenID Connect."""
    defaults: dict[str, Any] = {
        "digest": "0a" * 32,
        "actor": "openid:ada@example.com",
        "role": Role.OPERATOR,
        "terms": "0b" * 32,
        "expires_at": NOW + timedelta(hours=12),
    }
    return OpenIdSession(**{**defaults, **over})


def an_openid_request(**over: Any) -> OpenIdRequest:
    """A sign-in that is under way at the provider."""
    defaults: dict[str, Any] = {
        "state": "0c" * 32,
        "browser": "0d" * 32,
        "expires_at": NOW + timedelta(minutes=10),
    }
    return OpenIdRequest(**{**defaults, **over})


def an_id(number: int) -> str:
    """A rotation id; a greater number is a later one."""
    return f"01JDCCCCCC{number:016}"


def a_rotation(**over: Any) -> Rotation:
    """A rotation that was just requested."""
    now = over.pop("now", NOW)
    defaults: dict[str, Any] = {
        "id": an_id(1),
        "connection": "acme",
        "cause": Cause.MANUAL if over.get("previous") else Cause.INITIAL,
        "actor": "ada",
        "created_at": now,
        "updated_at": now,
        "available_at": now,
    }
    plain = {name: value for name, value in over.items() if name not in _PARTS}
    parts = {name: over[name] for name in set(over) & set(_PARTS)}
    return changed(Rotation(**{**defaults, **plain}), **parts)


def changed(rotation: Rotation, **changes: Any) -> Rotation:
    """The rotation with ``changes``; parts of its proofs, doubt, allowances and circumstances by their plain names."""
    nested = {part: {} for part in ("proofs", "doubt", "allowed", "circumstances")}
    for name in set(changes) & set(_PARTS):
        part, inner = _PARTS[name]
        nested[part][inner] = changes.pop(name)
    parts = {part: replace(getattr(rotation, part), **inner) for part, inner in nested.items() if inner}
    return replace(rotation, **changes, **parts)


_PARTS = {
    **{proof: ("proofs", proof) for proof in table.PROOFS},
    "doubt_since": ("doubt", "since"),
    "in_flight_until": ("doubt", "in_flight_until"),
    "may_create_record": ("allowed", "create_record"),
    "may_overwrite": ("allowed", "overwrite"),
    **{name: ("circumstances", name) for name in ("previous_key_kept", "by_hand", "broken")},
}
"""Where a rotation keeps what tests name plainly."""


def a_confirmation(rotation: Rotation, *, now: datetime = NOW) -> Confirmation:
    """NetSuite's true signature over a challenge for the rotation's candidate."""
    assert rotation.proofs.candidate
    challenge = Challenge.of(b"challenge".ljust(32, b"."))
    return Confirmation(
        rotation_id=rotation.id,
        certificate=rotation.proofs.candidate.certificate,
        challenge=challenge,
        signature=signed(rotation.proofs.candidate.certificate, challenge.text),
        asked_at=now,
        is_firsthand=True,
    )


def next_move(rotation: Rotation, *, now: datetime = NOW, candidate: Candidate | None = None) -> Rotation:
    """The rotation one move further along, by the proof that the step would bring."""
    edge = NEXT[rotation.state]
    proof: Proof
    if edge.brings == "candidate":
        proof = candidate or a_candidate()
    elif edge.brings == "confirmation":
        proof = a_confirmation(rotation, now=now)
    else:
        assert rotation.proofs.candidate
        proof = Receipt(rotation.proofs.candidate.fingerprint, now)
    return machine.advance(rotation, edge, proof, now)


def advance_to(rotation: Rotation, state: State, *, now: datetime = NOW) -> Rotation:
    """Return the rotation in ``state``, moved there by the machine; Failed is reached from its current state."""
    if state is State.FAILED:
        return machine.fail(rotation, CannotSign(), now)
    while rotation.state is not state:
        rotation = next_move(rotation, now=now)
    return rotation


def carry(store: "Store", claim: "Claim", state: State, *, now: datetime = NOW, lease: float = 60) -> "Claim":
    """Take a claimed rotation to ``state`` in the store too, move by move, and keep it claimed while it is open."""
    if state is State.FAILED:
        return store.rotations.advance(claim, advance_to(claim.rotation, state, now=now), event=FAIL, detail={})
    while claim.rotation.state is not state:
        after = next_move(claim.rotation, now=now)
        event = NEXT[claim.rotation.state].trigger
        claim = store.rotations.advance(
            claim, after, event=event, detail={}, lease=lease if after.is_open else 0, due_at=now
        )
    return claim


def requested(store: "Store", rotation: Rotation) -> Request:
    """The request from which the store makes exactly this rotation: its connection is made to fit first."""
    from sqlmodel import Session  # noqa: PLC0415 - see above
    from support.stores import authenticate  # noqa: PLC0415 - see above

    from persistence.models import Certificates, Connections  # noqa: PLC0415 - see above

    before, wanted = store.connections.get(rotation.connection), rotation.previous
    if rotation.policy != before.policy:
        store.connections.save(replace(before, policy=rotation.policy))
    if wanted and wanted != before.current:
        with store._database.writing() as tx, Session(tx) as session:
            if session.get(Certificates, wanted.fingerprint) is None:
                made = {name: getattr(wanted, name) for name in ("fingerprint", "pem", "not_before", "not_after")}
                session.add(Certificates(**made))
                session.flush()
            session.get_one(Connections, rotation.connection).current_fingerprint = wanted.fingerprint
            session.flush()
        authenticate(store)
    return Request(
        id=rotation.id,
        connection=rotation.connection,
        actor=rotation.actor,
        at=rotation.created_at,
        reason=rotation.reason,
        cause=rotation.cause,
        on_refusal=rotation.policy.on_refusal,
    )


def add(store: "Store", rotation: Rotation) -> Rotation:
    """Request exactly this rotation."""
    return store.rotations.request(requested(store, rotation))


def begin(store: "Store", state: State = State.REQUESTED, *, number: int = 1, **over: Any) -> "Claim":
    """A new rotation in the store, claimed for the worker ``w1`` and taken to ``state``."""
    _, claim = store.rotations.request_for("w1", requested(store, a_rotation(id=an_id(number), **over)), lease=60)
    assert claim
    return carry(store, claim, state)


def claimed(store: "Store", worker: str) -> "Claim":
    """Whichever rotation comes next, claimed for ``worker``."""
    claim = store.claims.claim(worker, lease=60, now=NOW)
    assert claim
    return claim


def at_will() -> None:
    """The check before each write of a worker that holds its rotation: it raises nothing."""

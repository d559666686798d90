"""The inventory of Keyturn's own credentials: what it signs in with, what programs sign in with, and the TLS files."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from orchestrator.secrets import SecretName, Secrets
from orchestrator.tls_files import TlsFile, read
from persistence.store import Store
from persistence.vault import Vault
from states.access import Token
from states.connection import Connection
from states.credential import Credential, CredentialKind, sign_in_certificate
from states.errors import KeyturnError, SealBroken, VaultLocked
from states.next_action import NextAction, Verb, by_hand
from states.ports import Clock
from states.summary import ConnectionSummary

_KINDS: Final[Mapping[SecretName, CredentialKind]] = {
    SecretName.OPENAIR_REFRESH_TOKEN: CredentialKind.REFRESH_TOKEN,
    SecretName.OPENAIR_CLIENT_SECRET: CredentialKind.CLIENT_SECRET,
    SecretName.OPENAIR_API_KEY: CredentialKind.API_KEY,
    SecretName.OPENAIR_PASSWORD: CredentialKind.PASSWORD,
}
"""OpenAir's secrets. NetSuite's key has a certificate, which ends."""
_REFRESH: Final = "Each use renews it. OpenAir does not publish for how long one is valid that is not used."
_NUMBERED: Final = re.compile(r"(.+)-([0-9]{1,4})")
_UNUSED: Final = "No program has used it lately."


class Credentials:
    """The credentials, by what is stored. Neither system is asked, and nothing is changed."""

    def __init__(self, store: Store, vault: Vault, clock: Clock, files: Mapping[str, Path]) -> None:
        """``files``: those that the settings name, by the name of the setting."""
        self._store = store
        self._vault = vault
        self._clock = clock
        self._files = files

    def all(self, connection: str | None = None) -> list[Credential]:
        """Every credential, or those of one connection; the one that ends first comes first.

        When a refresh token was last renewed is not known without the key-encryption key. Raises NotFound.
        """
        if connection is None:
            connections: Iterator[Connection | ConnectionSummary] = self._store.connections.all()
            found = [*self._tokens(), *self._tls()]
        else:
            connections, found = iter([self._store.connections.get(connection)]), []
        names = self._store.secrets.names(connection)
        for each in connections:
            found += self._of_connection(each, names.get(each.name, ()))
        return sorted(found, key=lambda each: each.order)

    def ending(self) -> list[Credential]:
        """Every credential in use whose end is known, in the same order; quick with many connections."""
        now = self._clock.now()
        known = self._store.deadlines.sign_in_ends()
        found = [sign_in_certificate(name, at) for at, name in known]
        found += [each for each in (*self._tokens(), *self._tls()) if each.not_after and not each.is_out_of_use(now)]
        return sorted(found, key=lambda each: each.order)

    def _of_connection(self, shown: Connection | ConnectionSummary, secrets: Collection[str]) -> Iterator[Credential]:
        if shown.netsuite.certificate_id:
            yield sign_in_certificate(shown.name, shown.netsuite.sign_in_ends)
        for secret, kind in _KINDS.items():
            if secret not in secrets:
                continue
            given = {"connection": shown.name, "secret": secret.name.lower()}
            replaced = NextAction(Verb.EDIT_CONNECTION, given)
            credential = Credential(kind=kind, connection=shown.name, next_action=replaced)
            yield self._renewed(credential) if secret is SecretName.OPENAIR_REFRESH_TOKEN else credential

    def _renewed(self, credential: Credential) -> Credential:
        """The refresh token, with the time of its last refresh."""
        from orchestrator.adapters.openair_auth import Grant  # noqa: PLC0415 - brings HTTP along, seldom needed

        assert credential.connection
        consent = NextAction(Verb.AUTHORIZE, {"connection": credential.connection})
        renewed_at, note = None, _REFRESH
        try:
            connection = self._store.connections.get(credential.connection)
            stored = Secrets(self._store, self._vault, connection).get(SecretName.OPENAIR_REFRESH_TOKEN)
            renewed_at = Grant.from_bytes(stored[0]).refreshed_at if stored else None
        except (VaultLocked, SealBroken):
            note = f"{_REFRESH} When it was last renewed is not known without the key-encryption key."
        except KeyturnError:
            pass  # the connection was removed meanwhile
        return replace(credential, used_at=renewed_at, note=note, next_action=consent)

    def _tokens(self) -> list[Credential]:
        tokens, now = self._store.tokens.shown(), self._clock.now()
        names = {each.name for each in tokens}
        return [_of_token(each, names, now) for each in tokens]

    def _tls(self) -> list[Credential]:
        return [_of_file(read(setting, path, self._clock.now())) for setting, path in self._files.items()]


def _of_token(token: Token, taken: Collection[str], now: datetime) -> Credential:
    """``taken`` are the names that there are."""
    revoke = NextAction(Verb.REVOKE_TOKEN, {"token": token.name}, "Once its programs have the new one:")
    following = {"token": _successor(token.name, taken), "role": token.role.value}
    credential = Credential(
        kind=CredentialKind.API_TOKEN,
        connection=None,
        name=token.name,
        not_before=token.created_at,
        not_after=token.expires_at,
        used_at=token.used_at,
        next_action=NextAction(Verb.ADD_TOKEN, following, then=revoke),
    )
    if not credential.is_out_of_use(now):
        return credential
    return replace(credential, note=_UNUSED, next_action=replace(revoke, because=""))


def _successor(name: str, taken: Collection[str]) -> str:
    """The first free name that follows ``name``: ci-2 after ci, ci-3 after ci-2."""
    stem, number = found.groups() if (found := _NUMBERED.fullmatch(name)) else (name, "1")
    first = int(number) + 1
    return next(each for index in range(first, first + len(taken) + 1) if (each := f"{stem}-{index}") not in taken)


def _of_file(file: TlsFile) -> Credential:
    return Credential(
        kind=CredentialKind.TLS_FILE,
        connection=None,
        name=file.setting,
        not_before=file.not_before,
        not_after=file.not_after,
        is_known=file.not_after is not None,
        note=file.note,
        next_action=by_hand(f"Replace {file.path}, and restart the processes that read it.", None),
    )

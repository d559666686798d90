"""The credentials of a pair of simulated systems, and how they are written to disk."""

import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulator.certificates import PrivateKey, private_key_pem

KEY_FILE = "netsuite-key.pem"
FILE = "credentials.json"


@dataclass(frozen=True)
class Credentials:
    """The credentials of one NetSuite account and the OpenAir company paired with it. `repr` shows no secrets.

    account               NetSuite account id
    netsuite_url          base URL of the token endpoint and the RESTlet; on loopback the account is a path prefix
    client_id             id of the NetSuite integration record (`iss` of the assertion)
    certificate_id        id of the machine-to-machine certificate (`kid` of the assertion)
    private_key_pem       the key that signs the assertion (by default EC P-256, for ES256)
    openair_url           base URL of the OpenAir company
    openair_client_id, openair_client_secret, refresh_token
                          OAuth 2.0 credentials; a refresh token can be used once
    company, user, password
                          the other way to sign in to OpenAir's XML API
    api_namespace, api_key
                          attributes of every XML API request
    database_id           `db_id` in this company's real-time import triggers
    """

    account: str
    netsuite_url: str
    client_id: str
    certificate_id: str
    private_key_pem: str = field(repr=False)
    openair_url: str
    openair_client_id: str
    openair_client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)
    company: str
    user: str
    password: str = field(repr=False)
    api_namespace: str
    api_key: str = field(repr=False)
    database_id: str

    def as_json(self) -> dict[str, Any]:
        """Return all fields except the private key, which has its own file."""
        return {name: value for name, value in vars(self).items() if name != "private_key_pem"}

    def write(self, directory: Path) -> Path:
        """Write `credentials.json` and `netsuite-key.pem` (mode 0600) into `directory`.

        Safe to repeat: replaces earlier files. Creates a missing directory with mode 0700 and leaves an existing one as
        it is.

        Returns:
            The path of `credentials.json`.
        """
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        settings = self.as_json() | {"private_key_file": KEY_FILE}
        _write_private(directory / KEY_FILE, self.private_key_pem)
        _write_private(directory / FILE, json.dumps(settings, indent=2) + "\n")
        return directory / FILE


def generate(account: str, netsuite_url: str, openair_url: str, key: PrivateKey) -> Credentials:
    """Create credentials for `account` with the machine-to-machine key `key`. The URLs are those of the servers."""
    company = f"{account.lower()}-openair"
    return Credentials(
        account=account,
        netsuite_url=f"{netsuite_url}/{account}",
        client_id=secrets.token_hex(32),
        certificate_id=secrets.token_urlsafe(32),
        private_key_pem=private_key_pem(key),
        openair_url=f"{openair_url}/{company}",
        openair_client_id=secrets.token_hex(12),
        openair_client_secret=secrets.token_urlsafe(32),
        refresh_token=secrets.token_urlsafe(32),
        company=company,
        user="keyturn",
        password=secrets.token_urlsafe(16),
        api_namespace="keyturn",
        api_key=secrets.token_urlsafe(15),
        database_id=company,
    )


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)  # an existing file would keep its own mode
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)

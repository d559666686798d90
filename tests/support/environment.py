"""A Keyturn of its own for a test: settings, store and vault in a folder, and a connection to the simulator."""

import atexit
import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from support.clock import OffsetClock

from orchestrator.bootstrap import Keyturn
from orchestrator.secrets import SecretName
from orchestrator.settings import Settings
from orchestrator.settings_file import load
from simulator import Credentials
from states.connection import Algorithm, Connection, NetSuiteSettings, OpenAirSettings, Policy

NAME = "acme"


@functools.cache
def _initialised() -> Path:
    """An initialised folder, made once per process: a copy takes a tenth of the time of a new database."""
    folder = Path(tempfile.mkdtemp(prefix="keyturn-initialised-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in [name for name in os.environ if name.startswith("KEYTURN_")]:
            monkeypatch.delenv(name)
        app = Keyturn(_settings_in(folder, monkeypatch))
        app.installation.initialise()
        app.close()
    return folder


def _settings_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings whose every file is in ``folder``, with the environment's changes."""
    file = folder / "config" / "keyturn.toml"
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.touch(mode=0o600)
    monkeypatch.setenv("KEYTURN_CONFIG", str(file))
    monkeypatch.setenv("KEYTURN_DATA", str(folder / "data"))
    return load()


@contextmanager
def keyturn(folder: Path, monkeypatch: pytest.MonkeyPatch, **environment: str) -> Iterator[Keyturn]:
    """An initialised application whose every file is in ``folder``."""
    shutil.copytree(_initialised(), folder, dirs_exist_ok=True)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    app = Keyturn(_settings_in(folder, monkeypatch))
    app.clock = OffsetClock()
    try:
        app.installation.initialise()
        yield app
    finally:
        app.close()


def connect(app: Keyturn, credentials: Credentials, name: str = NAME, **changes: Any) -> Connection:
    """Add a connection to one pair of the simulator's systems, with OAuth on both sides and quick EC keys."""
    return app.connections.add(described(credentials, name, **changes), secrets(credentials), actor="tester")


def described(credentials: Credentials, name: str = NAME, **changes: Any) -> Connection:
    """Describe a connection as `connect` adds it."""
    return Connection(
        **{
            "name": name,
            "netsuite": netsuite(credentials),
            "openair": OpenAirSettings(
                url=credentials.openair_url,
                client_id=credentials.openair_client_id,
                namespace=credentials.api_namespace,
            ),
            "policy": Policy(algorithm=Algorithm.EC_P256),
            "bundles": {"369630": "4.02", "369637": "5.02"},
            **changes,
        }
    )


def netsuite(credentials: Credentials) -> NetSuiteSettings:
    """Where the simulated NetSuite is, and as whom to sign in."""
    return NetSuiteSettings(
        account=credentials.account,
        client_id=credentials.client_id,
        certificate_id=credentials.certificate_id,
        restlet_url=credentials.netsuite_url,
        token_url=credentials.netsuite_url,
        assertion_algorithm="ES256",
    )


def secrets(credentials: Credentials) -> dict[SecretName, str]:
    """All that a connection may need, for either way to sign in to OpenAir."""
    return {
        SecretName.NETSUITE_KEY: credentials.private_key_pem,
        SecretName.OPENAIR_API_KEY: credentials.api_key,
        SecretName.OPENAIR_CLIENT_SECRET: credentials.openair_client_secret,
        SecretName.OPENAIR_REFRESH_TOKEN: credentials.refresh_token,
        SecretName.OPENAIR_PASSWORD: credentials.password,
    }


def consent(credentials: Credentials) -> str:
    """Consent in OpenAir, as a person does in a browser; return the new refresh token."""
    site = f"{credentials.openair_url}/login/oauth2/v1"
    back = "https://127.0.0.1/done"
    query = {"response_type": "code", "client_id": credentials.openair_client_id, "redirect_uri": back, "scope": "xml"}
    answer = requests.get(f"{site}/authorize", params=query, allow_redirects=False, timeout=60)
    code = parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back}
    client = (credentials.openair_client_id, credentials.openair_client_secret)
    token: str = requests.post(f"{site}/token", form, auth=client, timeout=60).json()["refresh_token"]
    return token

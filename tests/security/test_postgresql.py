"""A PostgreSQL server learns no secret: neither its log of all statements and values, nor its files hold one."""

from pathlib import Path

import psycopg
import pytest
from acceptance.installed_keyturn import NAME
from security.known_secrets import SearchedKeyturn, searched_keyturn
from support.postgresql import new_database, server

pytestmark = pytest.mark.postgresql


def test_server_learns_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After two rotations and a changed secret, the log and the files of the server hold no secret."""
    with server() as folder:
        _log_everything(folder)
        monkeypatch.setenv("KEYTURN_STORE__URL", new_database(folder))
        with searched_keyturn(tmp_path, monkeypatch) as keyturn:
            _learn_given_secrets(keyturn)
            assert 0 == keyturn("rotate", NAME)[0]
            api_key = tmp_path / "given-TSTDRV1" / "openair-api-key-file"
            assert 0 == keyturn("connection", "edit", NAME, "--openair-api-key-file", api_key)[0]
            assert 0 == keyturn("rotate", NAME)[0]
            log = (folder / "data" / "log").read_bytes()
            assert b"INSERT INTO certificates" in log, "the server does not log its statements"
            assert b"= '\\x" in log, "the server does not log their values"
            keyturn.assert_nothing_leaked(folder / "data", sealed=False)


def _log_everything(folder: Path) -> None:
    with psycopg.connect(host=str(folder), user="postgres", autocommit=True) as connection:
        for setting in ("log_statement = 'all'", "log_parameter_max_length = -1", "log_connections = on"):
            connection.execute(f"ALTER SYSTEM SET {setting}")  # type: ignore[arg-type]  # the settings are ours
        connection.execute("SELECT pg_reload_conf()")


def _learn_given_secrets(keyturn: SearchedKeyturn) -> None:
    """Learn the secrets that the vault seals; the intercepted requests add those that are sent."""
    given = keyturn.simulator.credentials
    keyturn.known.add_key("NetSuite's sign-in key", given.private_key_pem)
    keyturn.known.add("OpenAir's API key", given.api_key)
    keyturn.known.add("OpenAir's client secret", given.openair_client_secret)
    keyturn.known.add("OpenAir's refresh token", given.refresh_token)
    keyturn.known.add("the key-encryption key in Base64", (keyturn.config / "kek").read_text().strip())

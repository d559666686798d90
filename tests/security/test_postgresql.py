"""What a PostgreSQL server sees of Keyturn: its log of every statement with the values, and all its files."""

from pathlib import Path

import psycopg
import pytest
from acceptance.installed_keyturn import NAME
from security.known_secrets import Stage, stage
from support.postgresql import new_database, server

pytestmark = pytest.mark.postgresql


def test_server_learns_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that logs all it can, through two rotations and a changed secret, has no secret anywhere."""
    with server() as home:
        _log_everything(home)
        monkeypatch.setenv("KEYTURN_STORE__URL", new_database(home))
        with stage(tmp_path, monkeypatch) as play:
            _know_what_was_given(play)
            assert 0 == play("rotate", NAME)[0]
            api_key = tmp_path / "given" / "openair-api-key-file"
            assert 0 == play("connection", "edit", NAME, "--openair-api-key-file", api_key)[0]
            assert 0 == play("rotate", NAME)[0]
            log = (home / "data" / "log").read_bytes()
            assert b"INSERT INTO certificates" in log, "the server does not log its statements"
            assert b"= '\\x" in log, "the server does not log their values"
            play.assert_nothing_leaked(home / "data", sealed=False)


def _log_everything(home: Path) -> None:
    with psycopg.connect(host=str(home), user="postgres", autocommit=True) as connection:
        for setting in ("log_statement = 'all'", "log_parameter_max_length = -1", "log_connections = on"):
            connection.execute(f"ALTER SYSTEM SET {setting}")  # type: ignore[arg-type]  # the settings are ours
        connection.execute("SELECT pg_reload_conf()")


def _know_what_was_given(play: Stage) -> None:
    """The secrets that the vault seals; those that are sent are learnt on their way."""
    given = play.simulator.credentials
    play.known.add_key("NetSuite's sign-in key", given.private_key_pem)
    play.known.add("OpenAir's API key", given.api_key)
    play.known.add("OpenAir's client secret", given.openair_client_secret)
    play.known.add("OpenAir's refresh token", given.refresh_token)
    play.known.add("the key-encryption key in Base64", (play.config / "kek").read_text().strip())

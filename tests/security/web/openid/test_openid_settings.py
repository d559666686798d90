"""A console whose settings name no OpenID provider, one that is away, or one that no one could sign in with."""

import os
from http import HTTPStatus
from pathlib import Path

import pytest
from support.console import PASSWORD, running_console
from support.environment import keyturn
from support.openid import (
    Provider,
    use,
)

from states.access import Role
from states.errors import InvalidSettings


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of another module's provider."""
    for name in [name for name in os.environ if name.startswith("KEYTURN_OPENID__")]:
        monkeypatch.delenv(name)


def test_without_a_provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no issuer is set, the page offers none, and there is nothing at the addresses."""
    with keyturn(tmp_path, monkeypatch) as app, running_console(app) as console:
        assert "Sign in with" not in console.text("/sign-in")
        for path in ("/sign-in/openid", "/sign-in/openid/callback?state=x"):
            assert HTTPStatus.NOT_FOUND == console.get(path).status_code


def test_a_provider_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page says that the provider cannot be reached, and offers the password."""
    use(monkeypatch, tmp_path, Provider(url="http://127.0.0.1:9"), label="Acme")
    with keyturn(tmp_path, monkeypatch) as app, running_console(app) as console:
        app.accounts.add("ada", Role.VIEWER, PASSWORD, actor="root")
        answer = console.get("/sign-in/openid")
        assert HTTPStatus.SERVICE_UNAVAILABLE == answer.status_code
        assert all(
            words in answer.text for words in ("could not be reached", "Sign in with Acme", "Or with a password")
        )


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"client_id": ""}, "openid.client_id is missing"),
        ({"client_secret_file": None}, "openid.client_secret_file is missing"),
        ({"client_secret_file": "/nowhere/secret"}, "cannot be read: No such file"),
        ({"role_claim": ""}, "openid.role_claim is missing"),
        ({"administrators": "", "operators": "[]", "viewers": ""}, "No one could sign in"),
    ],
)
def test_settings_that_lack_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str | None], sentence: str
) -> None:
    """The console does not start with a provider that no one could sign in with, and says what is missing."""
    use(monkeypatch, tmp_path, Provider(url="http://127.0.0.1:9"), **changed)
    with keyturn(tmp_path, monkeypatch) as app, pytest.raises(InvalidSettings, match=sentence):
        _ = app.openid


@pytest.mark.parametrize("content", [b"", b"  \n", b"a\nb", b"\xff\xfe", b"x" * 1001])
def test_a_file_without_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """A file that has no secret on one line is refused, and is not quoted."""
    use(monkeypatch, tmp_path, Provider(url="http://127.0.0.1:9"))
    (tmp_path / "client-secret").write_bytes(content)
    with (
        keyturn(tmp_path, monkeypatch) as app,
        pytest.raises(InvalidSettings, match="has no secret on one line") as found,
    ):
        _ = app.openid
    assert found.value.__cause__ is None
    assert "xxx" not in str(found.value)

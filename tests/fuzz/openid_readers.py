"""The readers of an OpenID provider's answers, each with honest answers before the odd one."""

import json
from types import SimpleNamespace
from typing import Any, Final

import jwt
from support.clock import FakeClock
from support.openid import KID, ec_key, jwk, rsa_key, signed

from orchestrator.adapters.http import Answer
from orchestrator.adapters.openid import Provider, Request
from orchestrator.adapters.openid_client import Client
from orchestrator.adapters.openid_token import ALGORITHMS, Expected, judge
from orchestrator.operations.openid import OpenIdSignIn, name_of
from orchestrator.settings import OpenIdSettings
from states.access import Role
from tests.fuzz import mutations

CORPUS: Final = mutations.CORPUS / "openid"
ISSUER: Final = "https://id.example.com"
SETTINGS: Final = OpenIdSettings(issuer=ISSUER, client_id="keyturn", administrators=("kt-admins",))
CLIENT: Final = Client(
    issuer=ISSUER,
    client_id="keyturn",
    client_secret="a secret",
    scope="openid",
    claims=frozenset({"groups", "email", "none"}),
)
REQUEST: Final = Request.of("secret", "state", "https://keyturn.example.com/sign-in/openid/callback")
CAME_BACK: Final = {"code": "code", "iss": ISSUER}


def _answer(content: object) -> Answer:
    return Answer(200, {}, content if isinstance(content, bytes) else json.dumps(content).encode())


CONFIGURATION: Final = _answer((CORPUS / "configuration.json").read_bytes())
KEYS: Final = _answer({"keys": [jwk(rsa_key()), jwk(ec_key())]})
CLAIMS: Final = json.loads((CORPUS / "claims.json").read_text())
TOKENS: Final = _answer({"access_token": "abc", "id_token": signed(CLAIMS | {"nonce": REQUEST.nonce})})


def _provider(*answers: Answer) -> Provider:
    left = list(answers)

    def answer(*_: object, **__: object) -> Answer:
        return left.pop(0)

    http: Any = SimpleNamespace(get=answer, post=answer)
    return Provider(CLIENT, lambda _: http, FakeClock())


def openid_configuration(odd: Answer) -> None:
    address = _provider(odd).address(REQUEST)
    assert address.startswith("https://")
    assert address.isascii()


def openid_tokens(odd: Answer) -> None:
    _provider(CONFIGURATION, odd, KEYS, odd).person(CAME_BACK, REQUEST)


def openid_keys(odd: Answer) -> None:
    _provider(CONFIGURATION, TOKENS, odd, odd).person(CAME_BACK, REQUEST)


def openid_user_info(odd: Answer) -> None:
    _, found = _provider(CONFIGURATION, TOKENS, KEYS, odd).person(CAME_BACK, REQUEST)
    assert CLAIMS["sub"] == found["sub"]


def openid_claims(odd: Answer) -> None:
    """What the ID token says is signed, so that any claims are read."""
    token = jwt.api_jws.PyJWS().encode(odd.body, rsa_key(), ALGORITHMS[0], headers={"kid": KID})
    expected = Expected(issuer=ISSUER, client_id="keyturn", nonce="n", now=FakeClock().now())
    claims = judge(token, [jwk(rsa_key())], expected)
    name = name_of([claims])
    assert name.isprintable()
    role = OpenIdSignIn(*(SimpleNamespace(),) * 3, SETTINGS)._role(name, [claims])  # type: ignore[arg-type]
    assert role is Role.ADMINISTRATOR

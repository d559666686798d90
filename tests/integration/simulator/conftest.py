"""An independent client of the simulated systems, and the fixtures of these tests."""

import base64
import json
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

import jsonschema
import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from defusedxml.ElementTree import fromstring

from simulator import Credentials, Simulator
from simulator.certificates import KeyPair, new_ec_key, new_rsa_key, self_signed

SCHEMA = json.loads(
    (Path(__file__).parents[3] / "suitescript" / "schema" / "restlet.schema.json").read_text(encoding="utf-8")
)
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TIMEOUT = 10


def check_form(content: Any, definition: str) -> None:
    """Validate a RESTlet request or reply against the schema."""
    jsonschema.validate(content, {"$ref": f"#/$defs/{definition}", "$defs": SCHEMA["$defs"]})


class Client:
    """Calls one pair of systems over HTTP and validates requests and replies against the schema."""

    def __init__(self, credentials: Credentials) -> None:
        self.credentials = credentials
        self.session = requests.Session()
        self.session.trust_env = False

    def assertion(self, *, algorithm: str = "ES256", headers: dict[str, Any] | None = None, **changes: Any) -> str:
        """Return a valid client assertion with `changes` to its claims; a claim that is None is left out."""
        now = int(time.time())
        claims = {
            "iss": self.credentials.client_id,
            "scope": ["restlets"],
            "aud": self.token_url,
            "iat": now,
            "exp": now + 300,
        }
        claims = {name: value for name, value in (claims | changes).items() if value is not None}
        return jwt.encode(
            claims,
            self.credentials.private_key_pem,
            algorithm,
            headers=headers or {"kid": self.credentials.certificate_id},
        )

    @property
    def token_url(self) -> str:
        """NetSuite's token endpoint."""
        return self.credentials.netsuite_url + "/services/rest/auth/oauth2/v1/token"

    @property
    def restlet_url(self) -> str:
        """The URL of the RESTlet."""
        return (
            self.credentials.netsuite_url
            + "/app/site/hosting/restlet.nl?script=customscript_keyturn_restlet&deploy=customdeploy_keyturn_restlet"
        )

    def sign_in(self, assertion: str | None = None) -> requests.Response:
        """Request a token from NetSuite; the client uses it from then on."""
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion or self.assertion(),
        }
        response = self.session.post(self.token_url, data=form, timeout=TIMEOUT)
        if response.ok:
            self.session.headers["Authorization"] = "Bearer " + response.json()["access_token"]
        return response

    def call(self, body: dict[str, Any], timeout: float = TIMEOUT) -> requests.Response:
        """Call the RESTlet."""
        return self.session.post(self.restlet_url, json=body, timeout=timeout, allow_redirects=False)

    def certificates(self, path: str = "", body: dict[str, Any] | None = None, client: str = "") -> requests.Response:
        """List the sign-in certificates, or post ``body`` below them."""
        known = self.credentials
        url = f"{known.netsuite_url}/services/rest/auth/oauth2/v1/clients/{client or known.client_id}/certificates"
        method = "GET" if body is None else "POST"
        return self.session.request(method, url + path, json=body, timeout=TIMEOUT, allow_redirects=False)

    def ask(self, body: dict[str, Any]) -> dict[str, Any]:
        """Call the RESTlet with a valid request and return its valid reply."""
        check_form(body, "request")
        response = self.call(body)
        assert response.status_code == 200, response.text
        reply: dict[str, Any] = response.json()
        check_form(reply, "reply")
        return reply

    def xml(self, commands: str, sign_in: str | None = None, **attributes: str) -> Element:
        """Send XML commands to OpenAir and return the response document."""
        response = self.session.post(
            self.credentials.openair_url + "/api.pl",
            data=self.document(commands, sign_in, **attributes).encode(),
            headers={"Content-Type": "application/xml"},
            timeout=TIMEOUT,
        )
        assert response.status_code == 200
        root: Element = fromstring(response.content)
        return root

    def document(self, commands: str, sign_in: str | None = None, **attributes: str) -> str:
        """Return an XML API request; it signs in with the password unless `sign_in` is given."""
        known = self.credentials
        sign_in = sign_in or (
            f"<company>{known.company}</company><user>{known.user}</user><password>{known.password}</password>"
        )
        given = {"namespace": known.api_namespace, "key": known.api_key} | attributes
        named = " ".join(f'{name}="{value}"' for name, value in given.items())
        return (
            f'<request API_version="1.0" client="tests" client_ver="1" {named}>'
            f"<Auth><Login>{sign_in}</Login></Auth>{commands}</request>"
        )

    def save(self, pem: str) -> Element:
        """Save a certificate as a new preference."""
        return self.xml(preference("Add", name="oa_realtime_certificate", setting=pem))

    def openair_token(self, **form: str) -> requests.Response:
        """Request tokens from OpenAir."""
        known = self.credentials
        return requests.post(
            known.openair_url + "/login/oauth2/v1/token",
            data=form,
            auth=(known.openair_client_id, known.openair_client_secret),
            timeout=TIMEOUT,
        )


def preference(command: str, attributes: str = "", **fields: str) -> str:
    """Return one XML command about a preference."""
    inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
    return f'<{command} type="Preference" {attributes}><Preference>{inner}</Preference></{command}>'


def new_challenge() -> str:
    """Return 32 random bytes in the form that the RESTlet takes."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")


def installation(pair: KeyPair, *, create: bool = False, seconds: float = 60) -> dict[str, Any]:
    """Return an install request whose deadline is `seconds` from now."""
    deadline = datetime.now(UTC) + timedelta(seconds=seconds)
    return {
        "action": "install",
        "account": "TSTDRV1",
        "challenge": new_challenge(),
        "pem": pair.pem(),
        "deadline": deadline.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "create": create,
    }


@pytest.fixture(name="make_client")
def make_client_fixture() -> Any:
    return Client


@pytest.fixture(name="make_installation")
def make_installation_fixture() -> Any:
    return installation


@pytest.fixture(name="make_preference")
def make_preference_fixture() -> Any:
    return preference


@pytest.fixture(name="make_challenge")
def make_challenge_fixture() -> Any:
    return new_challenge


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """A fresh simulator with the placeholder certificate."""
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def client(sim: Simulator) -> Iterator[Client]:
    """A client that is signed in to NetSuite."""
    client = Client(sim.credentials)
    client.sign_in()
    with client.session:
        yield client


@pytest.fixture(scope="session")
def rsa_key() -> rsa.RSAPrivateKey:
    """One RSA key for all tests, because generating it is slow."""
    return new_rsa_key()


@pytest.fixture
def candidate() -> KeyPair:
    """A new certificate with its key."""
    return self_signed(new_ec_key(), "candidate", datetime.now(UTC) - timedelta(minutes=5), timedelta(days=365))


@pytest.fixture
def rsa_candidate(rsa_key: rsa.RSAPrivateKey) -> KeyPair:
    """A new certificate with an RSA key."""
    return self_signed(rsa_key, "candidate", datetime.now(UTC) - timedelta(minutes=5), timedelta(days=365))

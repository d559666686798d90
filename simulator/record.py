"""The NetSuite certificate record, and who may put what into it."""

from dataclasses import dataclass
from datetime import timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from simulator.cabinet import PRIVATE_KEY_MARK, Cabinet
from simulator.certificates import KeyPair, new_ec_key, self_signed, sign
from simulator.errors import SuiteScriptError
from simulator.faults import Fault
from simulator.history import Call, History
from simulator.visibility import Shown

SCRIPT_ID = "custcertificate_oa_realtime"
RECORD_NAME = "OpenAir real-time"
PLACEHOLDER_FILE = "openair-certificate.pem"
VALID_FILE = "openair-realtime.pem"
BUNDLES = (
    {"id": "369630", "name": "NetSuite OpenAir SRP Real-time Add-on", "version": "4.02"},
    {"id": "369637", "name": "NetSuite OpenAir SRP", "version": "5.02"},
)
"""The installed bundles; their versions make the connector rotate by itself (the names are an assumption)."""
STATES = {
    "placeholder": "the certificate the vendor's bundle ships: expired, its private key known to nobody",
    "keyless": "the same, but it cannot even sign (which of the two is true of the real one is unknown)",
    "missing": "no record: it was deleted",
    "valid": "a valid certificate, its private key known to NetSuite alone",
    "foreign": "another such certificate, as another party's rotation leaves it",
}
"""What the record may be made to hold."""
LARGEST_FILE = 10 * 1024 * 1024
"""Bytes; the limit of a certificate file."""


@dataclass(frozen=True)
class Record:
    """What the certificate record holds. `signs` False: NetSuite finds no key in it that could sign."""

    name: str
    file_name: str
    pair: KeyPair
    signs: bool = True


class CertificateRecord:
    """The record `custcertificate_oa_realtime` of one account. Safe to use from many threads.

    `permissions` are the caller's role's; without LIST_CERTIFICATES scripts may not touch certificates. `bundles` are
    those installed, with `id`, `name` and `version`. Both may be changed while the simulator runs.
    """

    def __init__(self, account: str, history: History, placeholder: KeyPair, state: str) -> None:
        self.account = account
        self.cabinet = Cabinet()
        self.permissions = {"LIST_CERTIFICATES"}
        self.bundles = [dict(bundle) for bundle in BUNDLES]
        self._history = history
        self._placeholder = placeholder
        self._held = Shown(self._in_state(state), history.now)

    @property
    def held(self) -> Record | None:
        """What it holds now; None where the record does not exist."""
        return self._held.get()

    @property
    def fingerprint(self) -> str | None:
        """SHA-256 fingerprint (hex) of the certificate it holds, or None."""
        held = self.held
        return None if held is None else held.pair.fingerprint

    def reset(self, state: str) -> None:
        """Put the record into a state as another party would, and note that in the history.

        state: one of `STATES`. Raises ValueError on another word.
        """
        call = self._history.begin("netsuite", self.account, "outside", state)
        new = self._in_state(state)

        def swap(old: Record | None) -> Record | None:
            if new is not None:
                call.effect(installed=new.pair.fingerprint)
            elif old is not None:
                call.effect(removed=old.pair.fingerprint)
            return new

        self._held.change(swap)
        call.end(None, "answered")

    def meddle(self, fault: Fault) -> None:
        """Do to the record what a fault of the kind missing, foreign or stale says."""
        if fault.kind == "stale":
            self._held.conceal(fault.seconds)
        else:
            self.reset(fault.kind)

    def find(self) -> Record | None:
        """What a script's search for certificates finds."""
        self._require_permission()
        return self.held

    def load(self) -> Record:
        """The record, for a script. Raises CERTIFICATE_NOT_FOUND in the words of Oracle's help."""
        self._require_permission()
        held = self.held
        if held is None:
            raise not_found(SCRIPT_ID)
        return held

    def save(self, call: Call, name: str, file_name: str, contents: str, password: str | None) -> None:
        """Replace what the record holds, creating the record where it is missing; takes effect at once.

        Raises SuiteScriptError where NetSuite would refuse the file: not a certificate followed by its private key,
        keys that do not match, a key encrypted in a CTR mode, or more than 10 MB.
        """
        self._require_permission()
        pair = read_pair(contents, password)

        def swap(_old: Record | None) -> Record:
            call.effect(installed=pair.fingerprint)
            return Record(name, file_name, pair)

        self._held.change(swap)

    def sign(self, call: Call | None, text: bytes) -> bytes:
        """Sign with the private key the record holds now. Raises CERTIFICATE_NOT_FOUND, SIGNING_ERROR (assumption)."""
        held = self.load()
        if not held.signs:
            raise SuiteScriptError("SIGNING_ERROR", "The certificate has no private key to sign with.")
        if call is not None:
            call.effect(signed=held.pair.fingerprint)
        return sign(held.pair.key, text)

    def _in_state(self, state: str) -> Record | None:
        if state not in STATES:
            raise ValueError(f"unknown state of the record {state!r}; known: {', '.join(STATES)}")
        if state == "missing":
            return None
        if state in ("placeholder", "keyless"):
            return Record(RECORD_NAME, PLACEHOLDER_FILE, self._placeholder, signs=state == "placeholder")
        name = f"Real-time import of {self.account} ({state})"
        start = self._history.now() - timedelta(days=1)
        return Record(RECORD_NAME, VALID_FILE, self_signed(new_ec_key(), name, start, timedelta(days=365)))

    def _require_permission(self) -> None:
        if "LIST_CERTIFICATES" not in self.permissions:
            raise SuiteScriptError(
                "INSUFFICIENT_PERMISSION",
                "Permission Violation: You need the 'Lists -> Certificate Access' permission to access this page.",
            )


def not_found(script_id: str) -> SuiteScriptError:
    """The error for a certificate record that does not exist."""
    return SuiteScriptError("CERTIFICATE_NOT_FOUND", f'Certificate "{script_id}" not found')


def read_pair(contents: str, password: str | None) -> KeyPair:
    """Read a PEM file as NetSuite's certificate record takes it.

    Source: Oracle's help on uploading digital certificates (certificate first, then private key; keys encrypted in
    CTR modes are refused; 10 MB). The names of the errors are an assumption; Oracle documents none.
    """
    if len(contents.encode()) > LARGEST_FILE:
        raise _invalid("The certificate file is larger than 10 MB.")
    certificate_at, key_at = contents.find("-----BEGIN CERTIFICATE-----"), contents.find(PRIVATE_KEY_MARK)
    if certificate_at < 0 or key_at < certificate_at:
        raise _invalid("The file must contain a certificate followed by its private key.")
    if "-CTR," in contents:
        raise _invalid("Private keys encrypted in CTR mode are not supported.")
    try:
        certificate = x509.load_pem_x509_certificate(contents.encode())
        key = load_pem_private_key(contents[contents.rindex("-----BEGIN", 0, key_at) :].encode(), _secret(password))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _invalid("The certificate file could not be read.") from error
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise _invalid("The key algorithm is not supported.")
    if key.public_key() != certificate.public_key():
        raise _invalid("The private key does not match the certificate.")
    return KeyPair(certificate, key)


def _secret(password: str | None) -> bytes | None:
    return password.encode() if password else None


def _invalid(message: str) -> SuiteScriptError:
    return SuiteScriptError("INVALID_CERTIFICATE", message)

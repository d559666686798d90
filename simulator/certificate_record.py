"""NetSuite's certificate record: what it holds, and the checks on what is saved to it."""

from dataclasses import dataclass
from datetime import timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from simulator.certificates import KeyPair, new_ec_key, self_signed, sign
from simulator.delayed_value import DelayedValue
from simulator.errors import SuiteScriptError
from simulator.faults import Fault
from simulator.file_cabinet import PRIVATE_KEY_MARK, FileCabinet
from simulator.history import Call, History

SCRIPT_ID = "custcertificate_oa_realtime"
RECORD_NAME = "OpenAir real-time"
PLACEHOLDER_FILE = "openair-certificate.pem"
VALID_FILE = "openair-realtime.pem"
BUNDLES = (
    {"id": "369630", "name": "NetSuite OpenAir SRP Real-time Add-on", "version": "4.02"},
    {"id": "369637", "name": "NetSuite OpenAir SRP", "version": "5.02"},
)
"""The installed bundles. With these versions the connector can rotate automatically (the names are an assumption)."""
STATES = {
    "placeholder": "the certificate of the vendor's bundle: expired, and only the vendor has its private key",
    "keyless": "like placeholder, but the record cannot sign (which of the two the real record does is unknown)",
    "missing": "the record was deleted",
    "valid": "a valid certificate whose private key only NetSuite has",
    "foreign": "another valid certificate, as another party's rotation leaves it",
}
"""The states that you can put the record into, with their meaning."""
LARGEST_FILE = 10 * 1024 * 1024
"""Most bytes of a certificate file."""


@dataclass(frozen=True)
class Record:
    """What the certificate record holds. With `signs` False, NetSuite finds no key to sign with."""

    name: str
    file_name: str
    pair: KeyPair
    signs: bool = True


class CertificateRecord:
    """The record `custcertificate_oa_realtime` of one account. Safe to use from several threads.

    `permissions` belong to the caller's role; without LIST_CERTIFICATES, scripts cannot use certificates. `bundles` are
    the installed bundles, with `id`, `name` and `version`. `save_throws` is the name of the error that `save()` throws
    after it has swapped the key, or empty (assumption: Oracle documents neither what it throws nor when). You can
    change all three while the simulator runs.
    """

    def __init__(self, account: str, history: History, placeholder: KeyPair, state: str) -> None:
        self.account = account
        self.file_cabinet = FileCabinet()
        self.permissions = {"LIST_CERTIFICATES"}
        self.bundles = [dict(bundle) for bundle in BUNDLES]
        self.save_throws = ""
        self._history = history
        self._placeholder = placeholder
        self._held = DelayedValue(self._in_state(state), history.now)

    @property
    def held(self) -> Record | None:
        """What the record holds now; None if the record does not exist."""
        return self._held.get()

    @property
    def fingerprint(self) -> str | None:
        """The SHA-256 fingerprint (hex) of its certificate, or None."""
        held = self.held
        return None if held is None else held.pair.fingerprint

    def reset(self, state: str) -> None:
        """Put the record into one of `STATES`, as another party would. The history records it.

        Raises:
            ValueError: the state is unknown.
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

    def apply_fault(self, fault: Fault) -> None:
        """Apply a fault of the kind missing, foreign or stale to the record."""
        if fault.kind == "stale":
            self._held.hide_change(fault.seconds)
        else:
            self.reset(fault.kind)

    def find(self) -> Record | None:
        """Return what a script's search for certificates finds."""
        self._require_permission()
        return self.held

    def load(self) -> Record:
        """Return the record to a script.

        Raises:
            SuiteScriptError: CERTIFICATE_NOT_FOUND (Oracle's help) or INSUFFICIENT_PERMISSION.
        """
        self._require_permission()
        held = self.held
        if held is None:
            raise not_found(SCRIPT_ID)
        return held

    def save(self, call: Call, name: str, file_name: str, contents: str, password: str | None) -> None:
        """Replace what the record holds, and create the record if it is missing. Takes effect at once.

        Afterwards raises `save_throws`, if it names an error.

        Raises:
            SuiteScriptError: NetSuite refuses the file, because it is not a certificate followed by its private key,
                the keys do not match, the key is encrypted in a CTR mode, or the file is larger than 10 MB.
        """
        self._require_permission()
        pair = read_pair(contents, password)

        def swap(_old: Record | None) -> Record:
            call.effect(installed=pair.fingerprint)
            return Record(name, file_name, pair)

        self._held.change(swap)
        if self.save_throws:
            raise SuiteScriptError(self.save_throws, "An unexpected SuiteScript error has occurred")

    def sign(self, call: Call | None, text: bytes) -> bytes:
        """Sign with the private key that the record holds now.

        Raises:
            SuiteScriptError: CERTIFICATE_NOT_FOUND, or SIGNING_ERROR (assumption) if the record has no key.
        """
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
    """Build the error for a certificate record that does not exist."""
    return SuiteScriptError("CERTIFICATE_NOT_FOUND", f'Certificate "{script_id}" not found')


def read_pair(contents: str, password: str | None) -> KeyPair:
    """Read a PEM file with NetSuite's rules for certificate records.

    Source: Oracle's help on uploading digital certificates: the certificate first, then the private key; no keys
    encrypted in CTR modes; at most 10 MB. The error names are an assumption; Oracle documents none.
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

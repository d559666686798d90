"""The files of TLS certificates that the settings name, and when the certificates in them end."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from orchestrator.settings import Settings

_AUTHORITIES: Final = ("http.ca_bundle", "store.url sslrootcert")
"""Of these, some certificate has to be valid; of a chain, each."""
_LARGEST: Final = 10_000_000
"""Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFile:
    """A file, and the certificate in it that counts: the first to end."""

    setting: str
    path: Path
    not_before: datetime | None = None
    not_after: datetime | None = None
    """UTC; None where the file cannot be read."""
    note: str


def named(settings: Settings) -> dict[str, Path]:
    """Return the files by the settings that name them. The key of a certificate is no certificate."""
    files = {"http.ca_bundle": settings.http.ca_bundle, "console.tls_certificate": settings.console.tls_certificate}
    query = parse_qs(urlsplit(settings.store_url).query) if "://" in settings.store_url else {}
    for name in ("sslrootcert", "sslcert"):
        for value in query.get(name, []):
            if value != "system":  # libpq's word for the operating system's own authorities
                files[f"store.url {name}"] = Path(value)
    return {setting: path for setting, path in files.items() if path}


def read(setting: str, path: Path, now: datetime) -> TlsFile:
    """Read a file as it is ``now`` (UTC). One that cannot be read has no known end, and a note that says why.

    Of certificate authorities, those that have ended are not counted, unless all have: in a large bundle some have.
    """
    from cryptography import x509  # noqa: PLC0415 - an idle worker needs none

    try:
        with path.open("rb") as file:
            found = x509.load_pem_x509_certificates(file.read(_LARGEST))
        lives = sorted((each.not_valid_after_utc, each.not_valid_before_utc) for each in found)
    except OSError as error:
        return TlsFile(setting=setting, path=path, note=f"{path} cannot be read: {error.strerror}.")
    except ValueError:
        return TlsFile(setting=setting, path=path, note=f"{path} has no certificate that can be read.")
    valid = [each for each in lives if each[0] > now] if setting in _AUTHORITIES else lives
    end, begin = (valid or lives)[0]
    return TlsFile(setting=setting, path=path, not_before=begin, not_after=end, note=f"{path}: the first to end.")

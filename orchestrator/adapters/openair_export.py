"""OpenAir adapter for companies where a person saves the certificate: writes it to a file and waits for the person."""

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from states.certificate import Certificate
from states.errors import AwaitingPerson, Refused
from states.next_action import NextAction, Verb, by_hand
from states.rotation import Confirmation
from states.shortage import shortage

_PUBLIC: Final = 0o644
_PUBLIC_FOLDER: Final = 0o755


class Confirmations(Protocol):
    """The confirmations that people gave so far."""

    def confirmed(self) -> Certificate | None:
        """Return the certificate that a person last confirmed to have saved in this connection's OpenAir, or None."""
        ...


class OpenAirExport:
    """One OpenAir company (states.ports.OpenAir) in which a person saves the certificate.

    ``connection`` is the connection's name, and ``folder`` the folder for certificate files.
    """

    def __init__(self, connection: str, folder: Path, confirmations: Confirmations) -> None:
        self._connection = connection
        self._folder = folder
        self._confirmations = confirmations

    def read(self) -> Certificate | None:
        """Return the certificate that a person confirmed last, or None.

        Keyturn cannot read this OpenAir, so the person may have saved another one since.
        """
        return self._confirmations.confirmed()

    def save(self, confirmation: Confirmation, check: Callable[[], None]) -> None:
        """Return if a person has confirmed this certificate; otherwise write it to its file and ask for one.

        Safe to repeat: the file's name and content depend only on the rotation. Neither shows the fingerprint, which
        the person is to read in OpenAir. Calls ``check`` before it writes.

        Raises:
            AwaitingPerson: No person has confirmed this certificate yet.
            Refused: The file cannot be written.
        """
        confirmed = self._confirmations.confirmed()
        if confirmed is not None and confirmed.fingerprint == confirmation.fingerprint:
            return
        check()
        path = self._folder / f"{self._connection}-{confirmation.rotation_id}.pem"
        try:
            _write_atomically(path, confirmation.certificate.pem)
        except OSError as error:
            if lacking := shortage(error):
                raise lacking from error
            raise Refused(
                f"The certificate could not be written to {path}: {error.strerror}.",
                next_action=by_hand("Correct the folder's permissions, or free space."),
            ) from error
        raise AwaitingPerson(
            f"Imports may be refused until a person saves the certificate {path} in OpenAir.",
            next_action=by_hand(
                f"Save {path} in OpenAir.",
                NextAction(Verb.CONFIRM, {"rotation": confirmation.rotation_id, "fingerprint": None}),
            ),
        )


def _write_atomically(path: Path, text: str) -> None:
    """Write a public file, readable by all users of the machine. A reader sees the old file or the whole new one.

    The draft is created exclusively and renamed, so a link at ``path`` is replaced and not followed. After a power cut
    the rotation writes the file again, so the folder itself is not synchronized to disk.
    """
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(_PUBLIC_FOLDER)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("x", encoding="ascii") as file:
            os.fchmod(file.fileno(), _PUBLIC)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()

"""For companies whose certificate a person saves in OpenAir: hands the public certificate over, and waits."""

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

_PUBLIC: Final = 0o644
_PUBLIC_FOLDER: Final = 0o755


class Confirmed(Protocol):
    """What a person has confirmed so far."""

    def confirmed(self) -> Certificate | None:
        """The certificate that a person confirmed last to have saved in this connection's OpenAir, or None."""
        ...


class OpenAirExport:
    """One OpenAir company (states.ports.OpenAir) in which a person saves the certificate.

    ``OpenAirExport(connection, folder, confirmed)``: the connection's name, and the folder for certificate files.
    """

    def __init__(self, connection: str, folder: Path, confirmed: Confirmed) -> None:
        self._connection = connection
        self._folder = folder
        self._confirmed = confirmed

    def read(self) -> Certificate | None:
        """The certificate that a person confirmed last. It says what was confirmed, not what OpenAir holds now."""
        return self._confirmed.confirmed()

    def save(self, confirmation: Confirmation, check: Callable[[], None]) -> None:
        """Return when a person has confirmed this certificate; before that, write it to its file, if ``check`` lets us.

        Safe to repeat. Raises AwaitingPerson; Refused where the file cannot be written.
        """
        held = self._confirmed.confirmed()
        if held is not None and held.fingerprint == confirmation.fingerprint:
            return
        check()
        path = self._folder / f"{self._connection}-{confirmation.fingerprint[:16]}.pem"
        try:
            _write(path, confirmation.certificate.pem)
        except OSError as error:
            raise Refused(
                f"The certificate could not be written to {path}: {error.strerror}.",
                next_action=by_hand("Correct the folder's permissions, or free space."),
            ) from error
        raise AwaitingPerson(
            f"Imports may be refused until a person saves the certificate {path} in OpenAir.",
            next_action=by_hand(
                f"Save {path} in OpenAir.",
                NextAction(
                    Verb.CONFIRM, {"rotation": confirmation.rotation_id, "fingerprint": confirmation.fingerprint}
                ),
            ),
        )


def _write(path: Path, text: str) -> None:
    """Put a public file in place as a whole, readable by everybody."""
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

"""Making a file that a person asked for. None is overwritten."""

import os
from contextlib import suppress
from pathlib import Path

from states.errors import InvalidInput
from states.next_action import by_hand


def make(file: Path, content: str, *, option: str) -> None:
    """Make ``file``, which does not exist yet, for this user alone. ``option`` is the one that names it.

    Raises InvalidInput, and leaves nothing behind.
    """
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as made:
            try:
                made.write(content)
                made.flush()
            except OSError:
                with suppress(OSError):
                    file.unlink()
                raise
    except OSError as error:
        raise InvalidInput(
            f"The file {file} cannot be made: {error.strerror}.",
            next_action=by_hand(f"Name another file with {option}: none is overwritten."),
        ) from error

"""The verbs on evidence: making the file of a rotation, and checking one that someone else has."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from orchestrator.operations import evidence_check
from orchestrator.operations.installation import Version
from orchestrator.views.evidence import evidence_json
from orchestrator.views.evidence_format import SCHEMA, VERSION, Evidence, digest_of
from orchestrator.views.values import Json
from persistence.store import Store
from states.errors import EvidenceBroken, InvalidInput
from states.next_action import NextAction, Verb, by_hand
from states.ports import Clock

LARGEST: Final = 32 * 1024 * 1024
"""Bytes of a file that is read. A rotation of a thousand postponements has half a megabyte."""


class Evidences:
    """The evidence files of rotations."""

    def __init__(self, store: Store, clock: Clock, version: Callable[[], Version]) -> None:
        """``version`` says what this installation is."""
        self._store = store
        self._clock = clock
        self._version = version

    def of(self, rotation_id: str) -> Json:
        """Make the content of a rotation's evidence file (`views.evidence_format`). Safe to repeat.

        All of it is checked with the vault's key first. Raises Tampered or JournalBroken where something was changed
        outside Keyturn; NotFound, VaultLocked, SealBroken.
        """
        recorded = self._store.journal.recorded(self._store.rotations.get(rotation_id).id)
        made = evidence_json(recorded, self._version(), self._clock.now(), self._store.journal.vouch)
        check(made)
        return made

    def check_origin(self, file: Evidence) -> None:
        """Check with the vault's key that this installation wrote ``file``, which ``check`` has returned.

        Raises EvidenceBroken where it did not; VaultLocked, SealBroken.
        """
        if not self._store.journal.has_vouched(file.digest, file.code):
            raise EvidenceBroken(
                "This installation did not write the file as it is: it was changed and its digest made again, or "
                "another installation wrote it.",
                next_action=by_hand(
                    "Keep the file. Make a new one from what is stored here, and compare.",
                    NextAction(Verb.SHOW_ROTATION, {"rotation": file.rotation.id}),
                ),
            )


def read(file: Path) -> Json:
    """Read an evidence file. Raises InvalidInput for one that cannot be read, or is none."""
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST + 1)
    except OSError as error:
        raise InvalidInput(f"The file {file} cannot be read: {error.strerror}.") from error
    if len(content) > LARGEST:
        raise InvalidInput(f"The file {file} is too large for an evidence file.")
    try:
        found = json.loads(content.decode(), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"The file {file} is no JSON that names each field once.") from error
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise InvalidInput(f"The file {file} is no evidence file of Keyturn.")
    if found.get("version") != VERSION:
        raise InvalidInput(
            f"The file {file} has another version of the format than {VERSION}, which this Keyturn knows.",
            next_action=by_hand("Check it with a newer Keyturn."),
        )
    return found


def _once(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) < len(pairs):  # two readers could each believe another one
        raise ValueError("a field is given twice")
    return found


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def check(content: Json) -> Evidence:
    """Check the content of an evidence file, with nothing but the file; return it.

    Raises EvidenceBroken with everything that does not hold, the most harmful first.
    """
    try:
        file = Evidence.model_validate_json(json.dumps(content))
    except ValidationError as error:
        # Not what was given: a file from elsewhere may hold anything.
        places = dict.fromkeys(".".join(map(str, each["loc"])) or "no text of Unicode" for each in error.errors())
        raise EvidenceBroken(f"The file is not in the format: {', '.join(places)}.") from error
    found = evidence_check.findings(file)
    if digest_of(content) != file.digest:
        found.append("The digest is not that of the file: something in it was changed.")
    if found:
        raise EvidenceBroken(" ".join(found))
    return file

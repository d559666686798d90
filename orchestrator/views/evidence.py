"""A rotation's evidence: what its file is made of. The file's format is in `evidence_format`.

`operations.evidence_check` derives the same from a file's journal, and compares.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from orchestrator.control_characters import escape_json
from orchestrator.operations.installation import Version
from orchestrator.views.evidence_format import SCHEMA, VERSION, digest_of
from orchestrator.views.journal import entry_json, legs
from orchestrator.views.values import Json
from persistence.evidence import Recorded
from persistence.journal import CONFIRMED_BY_PERSON, REQUEST, Entry
from states import table
from states.certificate import CHALLENGE_PREFIX, Certificate
from states.rotation import Rotation

MADE: Final = table.FORWARD[0].trigger
"""The move that brings the candidate."""
_UPLOADED: Final = table.NEXT[table.BEFORE_UPLOAD].trigger
_BOTH: Final = (table.RESTORE, table.ADOPT)
PROVED: Final = (_UPLOADED, *_BOTH)
"""The moves that need NetSuite's signature, which the journal keeps."""
SAVED: Final = tuple(edge.trigger for edge in table.FORWARD if edge.source in table.AFTER_UPLOAD)
"""The moves that need NetSuite's confirmation of the candidate, and a look at OpenAir that finds it."""


def evidence_json(recorded: Recorded, version: Version, at: datetime, vouch: Callable[[str], str]) -> Json:
    """Make the file's content. ``vouch`` makes the code of a digest."""
    rotation, journal = recorded.rotation, recorded.journal
    candidate = rotation.proofs.candidate
    content = {
        "schema": SCHEMA,
        "version": VERSION,
        "made": {
            "at": moment(at),
            "keyturn": version.keyturn,
            "commit": version.commit,
            "python": version.python,
            "database": version.database,
        },
        "rotation": _about(rotation),
        "timeline": timeline(journal),
        "certificates": {
            "candidate": held_json(candidate.certificate if candidate else None),
            "previous": held_json(rotation.previous),
            "adopted": held_json(recorded.adopted),
        },
        "netsuite": list(signatures(journal)),
        "openair": list(readings(journal, by_hand=rotation.circumstances.by_hand)),
        "journal": [_entry(each) for each in journal],
        "chain": {
            "follows": recorded.follows,
            "continues": journal[0].previous_hash,
            "entries": len(journal),
            "head": journal[-1].hash,
        },
    }
    digest = digest_of(content)
    return {**content, "digest": digest, "code": vouch(digest)}


def text(evidence: Json) -> str:
    """The file's text."""
    return escape_json(json.dumps(evidence, ensure_ascii=False, indent=2)) + "\n"


def file_name(evidence: Json) -> str:
    """The name of the file: an id has letters and digits only."""
    return f"evidence-{evidence['rotation']['id']}.json"


def attached(evidence: Json) -> dict[str, str]:
    """The headers of an answer that is the file."""
    return {"content-disposition": f'attachment; filename="{file_name(evidence)}"'}


def moment(at: datetime | None) -> str | None:
    """A time as the file has it: with microseconds, as the codes of the journal cover it; None for None."""
    return at.astimezone(UTC).isoformat(timespec="microseconds") if at else None


def timeline(journal: Sequence[Entry]) -> list[Json]:
    """The states of the way."""
    return [
        {"state": leg.state.value, "entered": moment(leg.entered), "left": moment(leg.left)} for leg in legs(journal)
    ]


def fingerprints(journal: Sequence[Entry]) -> Mapping[str, object]:
    """The fingerprint of each certificate that the journal records, by its role; None where it records none."""
    of = {entry.event: entry.detail for entry in journal}
    previous = of[REQUEST].get("previous") if REQUEST in of else None
    adopted = of.get(table.ADOPT, {}).get("fingerprint")
    return {
        "candidate": of.get(MADE, {}).get("fingerprint"),
        "previous": previous,
        # One that is adopted may be the previous certificate, which another party put back.
        "adopted": adopted if adopted != previous else None,
    }


def signatures(journal: Sequence[Entry]) -> Iterator[Json]:
    """What NetSuite signed, as the journal keeps it."""
    for entry in journal:
        if entry.event in PROVED:
            yield {
                "entry": entry.seq,
                "certificate": _role(entry, journal),
                "challenge": f"{CHALLENGE_PREFIX}{entry.detail.get('challenge')}",
                "signature": entry.detail.get("signature"),
                "asked_at": entry.detail.get("asked_at"),
            }


def readings(journal: Sequence[Entry], *, by_hand: bool) -> Iterator[Json]:
    """What OpenAir was found to hold. ``by_hand``: only a person can look there."""
    for entry in journal:
        if entry.event in (*SAVED, *_BOTH):
            fingerprint = entry.detail.get("fingerprint")
            is_by_person = entry.event in _BOTH and by_hand
            for before in journal[: entry.seq]:
                is_by_person |= before.event == CONFIRMED_BY_PERSON and before.detail.get("fingerprint") == fingerprint
            yield {
                "entry": entry.seq,
                "certificate": _role(entry, journal),
                "seen_by": "person" if is_by_person else "keyturn",
            }


def _role(entry: Entry, journal: Sequence[Entry]) -> str:
    """Whose certificate a move is about."""
    if entry.event == table.RESTORE:
        return "previous"
    if entry.event == table.ADOPT:
        return "adopted" if fingerprints(journal)["adopted"] else "previous"
    return "candidate"


def _about(rotation: Rotation) -> Json:
    began, saved = rotation.skew_from, rotation.proofs.saved
    ended = saved.at if saved else rotation.closed_at
    return {
        "id": rotation.id,
        "connection": rotation.connection,
        "cause": rotation.cause.value,
        "actor": rotation.actor,
        "reason": rotation.reason,
        "state": rotation.state.value,
        "ending": rotation.ending.value if rotation.ending else None,
        "attempt": rotation.attempt,
        "requested_at": moment(rotation.created_at),
        "closed_at": moment(rotation.closed_at),
        "skew": {"begun": moment(began), "ended": moment(ended)} if began else None,
    }


def held_json(certificate: Certificate | None) -> Json | None:
    """``fingerprint``, ``not_before``, ``not_after``, ``pem``; null where there is none."""
    if certificate is None:
        return None
    return {
        "fingerprint": certificate.fingerprint,
        "not_before": moment(certificate.not_before),
        "not_after": moment(certificate.not_after),
        "pem": certificate.pem,
    }


def _entry(written: Entry) -> Json:
    """The entry as everywhere, but for its time; its rotation is the file's."""
    entry = entry_json(written) | {"at": moment(written.at)}
    del entry["rotation"]
    return entry

"""The format of evidence files, version 1. docs/reference/evidence.schema.json is generated from the classes here."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from orchestrator.views.values import Json
from states.rotation import Cause, Ending
from states.state import State

SCHEMA: Final = "urn:keyturn:evidence"
VERSION: Final = 1
_SEALS: Final = ("digest", "code")
"""The fields that the digest does not cover."""
_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def _moment(text: str) -> str:
    datetime.fromisoformat(text)  # the pattern leaves a 31 February
    return text


Moment = Annotated[
    str,
    Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00$", description="A time in UTC."),
    AfterValidator(_moment),
]
Fingerprint = Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of a certificate's DER encoding.")]
Hash = Annotated[
    str, Field(pattern="^(0{64}|[1-9][0-9]{0,8}-[0-9a-f]{64})$", description="A code that only the vault's key makes.")
]
RotationId = Annotated[str, Field(pattern="^[0-9A-HJKMNP-TV-Z]{26}$")]
Role = Literal["candidate", "previous", "adopted"]
Count = Annotated[int, Field(ge=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, serialize_by_alias=True)


class Made(_Part):
    """What wrote the file, and when."""

    at: Moment
    keyturn: str
    commit: str | None
    python: str
    database: str = Field(description="The newest migration that the database has.")


class Skew(_Part):
    """How long OpenAir lagged behind NetSuite, as the rotation counts it."""

    begun: Moment
    ended: Moment | None


class About(_Part):
    """The rotation."""

    id: RotationId
    connection: str
    cause: Cause
    actor: str
    reason: str
    state: State
    ending: Ending | None
    attempt: Count
    requested_at: Moment
    closed_at: Moment | None
    skew: Skew | None


class Passed(_Part):
    """One state of the way, with the times at which the rotation first got there and last went on from there."""

    state: str
    entered: Moment | None
    left: Moment | None


class Held(_Part):
    """A certificate."""

    fingerprint: Fingerprint
    not_before: Moment
    not_after: Moment
    pem: str


class Certificates(_Part):
    """The certificates that the rotation is about."""

    candidate: Held | None = Field(description="The certificate that the rotation made.")
    previous: Held | None = Field(description="The one that it replaces.")
    adopted: Held | None = Field(description="A foreign one that it was closed in favour of.")


class Signed(_Part):
    """A challenge, and the signature over it that NetSuite gave."""

    entry: Count = Field(description="The journal's entry that it belongs to.")
    certificate: Role
    challenge: str = Field(description="The very text that was signed, in ASCII.")
    signature: str = Field(description="Base64: RSA PKCS#1 v1.5 or ECDSA (DER), by the certificate's key; SHA-256.")
    asked_at: Moment


class Reading(_Part):
    """What OpenAir was read back to hold."""

    entry: Count
    certificate: Role
    seen_by: Literal["keyturn", "person"]


class JournalEntry(_Part):
    """An entry of the journal, as it was written."""

    seq: Count
    at: Moment
    actor: str
    event: str
    source: State | None = Field(alias="from")
    target: State = Field(alias="to")
    attempt: Count
    detail: dict[str, JsonValue]
    previous_hash: Hash
    hash: Hash


class Chain(_Part):
    """The place of the rotation's journal in the chain of its connection."""

    follows: RotationId | None = Field(description="The connection's rotation before this one.")
    continues: Hash = Field(description="The last hash of that rotation's journal; zeros where there was none.")
    entries: Count
    head: Hash


class Evidence(_Part):
    """The evidence of one rotation."""

    schema_: Literal["urn:keyturn:evidence"] = Field(alias="schema")
    version: Literal[1]
    made: Made
    rotation: About
    timeline: list[Passed]
    certificates: Certificates
    netsuite: list[Signed]
    openair: list[Reading]
    journal: list[JournalEntry]
    chain: Chain
    digest: str = Field(
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 of everything but digest and code, as JSON with sorted keys, in ASCII, without spaces.",
    )
    code: str = Field(
        pattern="^[1-9][0-9]{0,8}-[0-9a-f]{64}$",
        description="Authenticates the digest; the installation's key is needed to check it.",
    )


def digest_of(content: Mapping[str, object]) -> str:
    """The digest of a file's content. Raises ValueError for what JSON does not have."""
    covered = {name: value for name, value in content.items() if name not in _SEALS}
    return hashlib.sha256(_CANONICAL(covered).encode()).hexdigest()


def json_schema() -> Json:
    """The format as JSON Schema."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{SCHEMA}:{VERSION}",
        **Evidence.model_json_schema(),
    }

"""What requests that change something are given: strict, bounded, and with a reason."""

from typing import Annotated, Literal

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from orchestrator.operations.verbs import Options

Reason = Annotated[
    str,
    Field(
        min_length=1,
        max_length=500,
        pattern=r"^[^\x00]*[^\s\x00][^\x00]*$",
        description="Why you do it. The journal keeps it.",
        examples=["the key was seen by a contractor"],
    ),
]
Fingerprint = Annotated[
    str,
    Field(
        max_length=200,
        pattern=r"^[0-9A-Fa-f: ]*$",
        description="The SHA-256 of the certificate that a person sees in OpenAir, where only a person can look.",
    ),
]
DryRun = Annotated[bool, Query(description="Make only the reads, say what would be done, and change nothing.")]


class Action(BaseModel):
    """A verb, with the reason for it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: Reason

    @property
    def options(self) -> Options:
        """How the verb is done."""
        return Options()


class Resume(Action):
    """What a resumed rotation may do, for one step."""

    create_record: bool = Field(default=False, description="Create the certificate record if it is missing.")
    overwrite: bool = Field(default=False, description="Replace a foreign certificate.")

    @property
    def options(self) -> Options:
        """How the verb is done."""
        return Options(create_record=self.create_record, overwrite=self.overwrite)


class Confirm(Action):
    """What a person saw in OpenAir."""

    fingerprint: Fingerprint

    @property
    def options(self) -> Options:
        """How the verb is done."""
        return Options(fingerprint=self.fingerprint)


class Abandon(Action):
    """Where two people close a rotation: whose request is approved."""

    approves: int | None = Field(
        default=None,
        ge=1,
        le=2**31 - 1,
        description="Where the installation asks for a second person's approval (`recovery.second_approval`): the "
        "`number` of the request in the rotation's `approval`, to approve it. Leave it out to ask.",
    )

    @property
    def options(self) -> Options:
        """How the verb is done."""
        return Options(approves=self.approves)


class Adopt(Abandon):
    """What a person saw in OpenAir, where only a person can look."""

    fingerprint: Fingerprint = ""

    @property
    def options(self) -> Options:
        """How the verb is done."""
        return Options(fingerprint=self.fingerprint, approves=self.approves)


class Restore(Adopt):
    """How to put the previous certificate back."""

    overwrite: bool = Field(default=False, description="Replace any certificate that NetSuite holds.")

    @property
    def options(self) -> Options:
        """How the verb is done."""
        return Options(fingerprint=self.fingerprint, overwrite=self.overwrite, approves=self.approves)


class Begin(Action):
    """A new rotation."""

    on_refusal: Literal["park", "restore"] = Field(
        default="park",
        description="If OpenAir does not take the certificate: park, or restore the previous one.",
    )

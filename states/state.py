"""The six states of a rotation, by their wire names."""

from enum import StrEnum


class State(StrEnum):
    """How far a rotation got. The values are stored, logged and shown exactly as written here."""

    REQUESTED = "Requested"
    """A person or a schedule asked for a new certificate. Nothing has been made yet."""

    KEY_GENERATED = "KeyGenerated"
    """The candidate exists, its key sealed in the store. Neither system has seen it for certain."""

    UPLOADED_TO_NETSUITE = "UploadedToNetSuite"
    """NetSuite proved that it signs with the candidate. OpenAir may refuse imports until the next move: an outage."""

    SAVED_TO_OPENAIR = "SavedToOpenAir"
    """OpenAir was read back and holds the candidate's certificate."""

    COMPLETED = "Completed"
    """A fresh signature by NetSuite verified with the certificate that OpenAir holds."""

    FAILED = "Failed"
    """Parked: a person must look. The rotation remembers the state it failed from and the next safe action."""

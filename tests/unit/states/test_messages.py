"""The words that are stored, shown and matched by scripts. A change needs a migration, or breaks a script."""

import inspect
from enum import StrEnum
from pathlib import Path

import pytest

from states import access, connection, due, errors, ports, rotation, state
from states.errors import KeyturnError

ROOT = Path(__file__).parents[3]
WORDS = {
    access.Role: "viewer operator administrator",
    connection.Algorithm: "rsa-2048 rsa-3072 rsa-4096 ec-p256 ec-p384",
    connection.OpenAirKind: "xml export",
    ports.Write: "install save",
    rotation.Cause: "manual scheduled initial scheduled-initial",
    rotation.Ending: "abandoned restored adopted",
    state.State: "Requested KeyGenerated UploadedToNetSuite SavedToOpenAir Completed Failed",
}
NEEDS = ["not due", "due", "overdue", "expired", "missing"]


@pytest.mark.parametrize("kind", WORDS, ids=lambda kind: kind.__name__)
def test_words(kind: type[StrEnum]) -> None:
    """Each word is written exactly like this."""
    assert WORDS[kind].split() == [each.value for each in kind]


def test_needs() -> None:
    """The names of a certificate's need."""
    assert sorted(NEEDS) == sorted(each.value for each in due.Need)


def test_codes() -> None:
    """Every error has the code that the reference lists."""
    reference = (ROOT / "docs/reference/errors.md").read_text("utf-8")
    kinds = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, KeyturnError)]
    assert [] == [kind.code for kind in kinds if kind is not KeyturnError and f"| `{kind.code}` |" not in reference]
    assert "KEYTURN_ERROR" == KeyturnError.code

"""The systems as the steps see them."""

from dataclasses import fields

import pytest

from states.ports import PLACEHOLDER_FILE, Ports, Record


def test_ports_hold_systems_only() -> None:
    """Ports hold systems only; the attempt is a separate argument of a step."""
    assert ["netsuite", "openair", "keys", "clock", "random"] == [field.name for field in fields(Ports)]


@pytest.mark.parametrize(("file_name", "expected"), [("openair-certificate.pem", True), ("keyturn.pem", False)])
def test_the_placeholder_is_known_by_its_file(file_name: str, expected: bool) -> None:  # noqa: FBT001
    """Only the file of the vendor's bundle is the placeholder."""
    record = Record(name="OpenAir real-time", file_name=file_name, valid_from=None, valid_to=None)
    assert (expected, "openair-certificate.pem") == (record.is_placeholder, PLACEHOLDER_FILE)

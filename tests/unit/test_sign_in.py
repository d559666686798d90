"""What counts as one address, where attempts to sign in are counted."""

import pytest

from orchestrator.operations.sign_in import network_of


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("not an address", "not an address"),
    ],
)
def test_one_address(address: str, counted: str) -> None:
    """An IPv4 address counts as itself, an IPv6 address as its network, and what is no address as it is written."""
    assert counted == network_of(address)

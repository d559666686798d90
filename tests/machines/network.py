"""A network of machines: Linux network namespaces, each with links to two switches in a namespace of their own.

Nothing of it appears in this computer's own network, so that runs at the same time do not meet. Files are shared: a
process in any namespace reaches a server's Unix socket, which no cut link concerns.
"""

import ctypes
import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Switch = Literal["data", "outside"]
"""Where a machine reaches the database, and where it reaches NetSuite and OpenAir."""

_SUBNETS: Final[dict[Switch, str]] = {"data": "198.18.0", "outside": "198.18.1"}
"""Of the addresses that are set aside for tests between networks (RFC 2544)."""
NETWORK: Final = "198.18.0.0/15"
_NAMESPACES: Final = Path("/run/netns")
_NEW_NETWORK: Final = 0x40000000
"""CLONE_NEWNET of sched.h."""
_libc: Final = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Machine:
    """A network namespace, and its number in each subnet."""

    namespace: str
    number: int

    def address(self, switch: Switch) -> str:
        """Its address on that switch."""
        return f"{_SUBNETS[switch]}.{self.number}"

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Let this thread be in the namespace: the sockets that it makes, and the processes that it starts, stay."""
        outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        inside = os.open(_NAMESPACES / self.namespace, os.O_RDONLY)
        try:
            _enter(inside)
            try:
                yield
            finally:
                _enter(outside)
        finally:
            os.close(inside)
            os.close(outside)


class Network:
    """Two switches, and the machines that are linked to both."""

    def __init__(self, switches: str, names: Iterator[str]) -> None:
        self._switches = switches
        self._names = names
        self._numbers = itertools.count(2)
        for switch in _SUBNETS:
            _ip("-n", switches, "link", "add", switch, "type", "bridge")
            _ip("-n", switches, "link", "set", switch, "up")

    def add(self) -> Machine:
        """Add a machine with a link to each switch."""
        machine = Machine(next(self._names), next(self._numbers))
        _ip("netns", "add", machine.namespace)
        _ip("-n", machine.namespace, "link", "set", "lo", "up")
        for switch in _SUBNETS:
            port = _port(machine, switch)
            peer = ("peer", "name", switch, "netns", machine.namespace)
            _ip("-n", self._switches, "link", "add", port, "type", "veth", *peer)
            _ip("-n", self._switches, "link", "set", port, "master", switch, "up")
            _ip("-n", machine.namespace, "address", "add", f"{machine.address(switch)}/24", "dev", switch)
            _ip("-n", machine.namespace, "link", "set", switch, "up")
        return machine

    def cut(self, machine: Machine, switch: Switch) -> None:
        """Turn the switch's port off: what the machine sends there is lost, and it gets no answer. Safe to repeat."""
        _ip("-n", self._switches, "link", "set", _port(machine, switch), "down")

    def heal(self, machine: Machine, switch: Switch) -> None:
        """Turn the switch's port on again. Safe to repeat."""
        _ip("-n", self._switches, "link", "set", _port(machine, switch), "up")


@contextmanager
def network() -> Iterator[Network]:
    """Two switches without machines; they and all that are added end with the block."""
    made: list[str] = []

    def names() -> Iterator[str]:
        for number in itertools.count(1):
            made.append(f"keyturn-{os.getpid()}-{number}")
            yield made[-1]

    naming = names()
    switches = next(naming)
    _ip("netns", "add", switches)
    try:
        yield Network(switches, naming)
    finally:
        for name in reversed(made):
            _ip("netns", "delete", name)


def refusal() -> str | None:
    """Why there can be no network here; None where there can be one."""
    try:
        with network():
            return None
    except FileNotFoundError:
        return "iproute2 is missing (Debian: apt-get install iproute2)"
    except subprocess.CalledProcessError as error:
        return f"no network namespace can be made here: {error.stderr.decode().strip()}"


def _port(machine: Machine, switch: Switch) -> str:
    return f"{switch}{machine.number}"


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, _NEW_NETWORK):
        raise OSError(ctypes.get_errno(), "setns")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)

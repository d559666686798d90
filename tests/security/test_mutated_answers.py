"""No secret appears in anything that is printed, logged or stored in clear, over all commands and mutated answers.

Real HTTP; the simulated systems answer some calls with a repeated part of the request (answer_mutations.py), the log's
level is debug for every logger.

LEAKS=2000    how many mutated answers; without it a selection
SEED=7        which of them
"""

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from acceptance.installed_keyturn import NAME
from security.answer_mutations import mutated
from security.known_secrets import SearchedKeyturn, Serve
from security.test_canaries_commands import IN_PROCESS

from simulator.server import Delivery, Request

SEED = int(os.environ.get("SEED", "1"))
ANSWERS = int(os.environ.get("LEAKS", "40"))
EACH = 40
"""Mutated answers of one part: its secrets are searched at its end."""
LOCAL = {
    "init",
    "evidence verify",
    "suitescript export",
    "connection remove",
    "connection rename",
    "account add",
    "account list",
    "account password",
    "account remove",
    "token add",
    "token list",
    "token revoke",
    "backup",
    "vault rekey",
    "vault rewrap",
    "version",
    "rotation watch",
    "connection add",
    "silence add",
    "silence end",
}
"""Commands that ask no system and begin or end an installation; test_canaries_commands.py has them."""


class Mutating:
    """Answers some calls itself, and counts."""

    def __init__(self, chance: random.Random) -> None:
        self.counts: Counter[str] = Counter()
        self.last = ""
        self._chance = chance

    def wrap(self, serve: Serve) -> Serve:
        """A system's ``serve`` that replaces one answer of three, or in a bad phase nearly all."""

        def answer(path: str, request: Request) -> Delivery:
            normal = serve(path, request)
            if self._chance.random() > 0.4:
                return normal
            self.last, delivery = mutated(path, request, self._chance)
            self.counts[self.last] += 1
            return delivery

        return answer


def commands(keyturn: SearchedKeyturn) -> dict[str, Callable[[], object]]:
    """Every command of one connection's life, by name."""

    def of(name: str, *options: str) -> Callable[[], object]:
        return lambda: keyturn(*name.split(), keyturn.rotation()["id"], *options, "--yes", "--verbose")

    def plain(*words: str) -> Callable[[], object]:
        return lambda: keyturn(*words, "--verbose")

    return {
        "doctor": plain("doctor", NAME),
        "simulate": plain("simulate", "--outage", "6h"),
        "setup": plain("setup", NAME, "--no-input", "--certificate-file", str(keyturn.folder / "data" / "signin.pem")),
        "health": plain("health", NAME),
        "run-due": keyturn.advance,
        "rotate": plain("rotate", NAME, "--reason", "mutated"),
        "rotation explain": of("rotation explain", "--live"),
        "rotation carry": of("rotation carry"),
        "rotation resume": of("rotation resume", "--create-record", "--overwrite"),
        "rotation restore": of("rotation restore"),
        "rotation adopt": of("rotation adopt"),
        "rotation abandon": of("rotation abandon"),
        "rotation withdraw": of("rotation withdraw"),
        "rotation park": of("rotation park", "--reason", "mutated"),
        "rotation begin": of("rotation begin"),
        "rotation confirm": of("rotation confirm", "--fingerprint", "a" * 64),
        "rotation show": of("rotation show", "-o", "json"),
        "rotation journal": of("rotation journal", "-o", "yaml"),
        "rotation evidence": of("rotation evidence", "--file", str(keyturn.folder / "evidence.json")),
        "rotation list": plain("rotation", "list", "-o", "wide"),
        "diagram": of("diagram", "--format", "text"),
        "status": plain("status", "-o", "json"),
        "metrics": plain("metrics"),
        "credentials": plain("credentials", "-o", "json"),
        "alert list": plain("alert", "list", "-o", "json"),
        "alert messages": plain("alert", "messages", "-o", "json"),
        "alert send": plain("alert", "send"),
        "silence list": plain("silence", "list", "-o", "json"),
        "needs-rotation": plain("needs-rotation", NAME),
        "connection list": plain("connection", "list", "-o", "json"),
        "connection show": plain("connection", "show", NAME),
        "connection edit": plain("connection", "edit", NAME, "--days", "90"),
        "journal checkpoint": plain("journal", "checkpoint"),
        "journal verify": plain("journal", "verify"),
        "request verify": plain(
            "request", "verify", "https://x.example/netsuite.pl?action=synchronize", "--connection", NAME
        ),
    }


def test_no_command_is_left_out(keyturn: SearchedKeyturn) -> None:
    """Every command that asks a system, or shows what one answered, is among these."""
    assert set(commands(keyturn)) | LOCAL == IN_PROCESS


def order(chance: random.Random, names: list[str]) -> Iterator[str]:
    """Every command again and again, each time in another order, with one in between that carries a rotation on."""
    while True:
        for name in chance.sample(names, len(names)):
            yield "run-due"
            yield name


@pytest.mark.parametrize("part", range(-(-ANSWERS // EACH)))
def test_nothing_leaks(keyturn: SearchedKeyturn, part: int, record_property: Callable[[str, object], None]) -> None:
    """No secret is printed, logged or stored in clear when systems repeat parts of requests anywhere in an answer."""
    chance = random.Random(f"{SEED} {part}")  # noqa: S311 - repeatable chance is wanted
    mutating = Mutating(chance)
    for system in (keyturn.simulator.netsuite, keyturn.simulator.openair):
        keyturn.intercept(system, mutating.wrap)
    life = commands(keyturn)
    keyturn.advance()
    for name in order(chance, list(life)):
        life[name]()
        if mutating.counts.total() >= EACH:
            break
    for name in ("rotation show", "rotation journal", "rotation list", "status"):
        life[name]()
    record_property("mutated answers", mutating.counts.total())
    keyturn.assert_nothing_leaked()

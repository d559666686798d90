"""A person at a terminal who types what Keyturn prints: the command after the arrow, or the last of its sentences."""

import io
import re
import shlex
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Final

import pytest

from orchestrator import bootstrap
from orchestrator.cli import application, context
from orchestrator.cli.exit_codes import Exit
from orchestrator.stop_request import StopRequest
from persistence.store import Store
from simulator import Pair
from tests.faults.advised_operator import browse
from tests.faults.virtual_time import VirtualTime, WorkersClock

ARROW: Final = re.compile(r"^\s*→ (.+)$", re.MULTILINE)
_COMMAND: Final = re.compile(r"(Then run|, then)? ?`(keyturn [^`]+)`")
_ERROR: Final = re.compile(r"(?:^|\[y/N\] )((?:outage|error): .*)$", re.MULTILINE)
"""It may follow a question: the answer and its end of line are typed, not printed."""
WORKER: Final = "keyturn worker"
"""It runs until it is stopped. `run-due` does the same work once, and returns."""


@dataclass(frozen=True)
class Printed:
    """What a command printed, and its exit code."""

    line: str
    exit_code: int
    out: str
    err: str

    @property
    def first_line(self) -> str:
        """The first line of the error, after what was said on the way, or of the result."""
        error = _ERROR.search(self.err)
        return error[1] if error else self.out.partition("\n")[0]

    @property
    def arrow(self) -> str:
        """The command after the arrow."""
        return str(ARROW.findall(self.out)[0])

    @property
    def sequences(self) -> list[list[str]]:
        """The commands of the next action, one list for each choice; or those of the first finding, or of a note."""
        found: list[list[str]] = []
        for then, command in _COMMAND.findall(self.out.partition("\nNext\n")[2] or self.out + self.err):
            found[-1:] = [[*found[-1], command]] if then and found else [*found[-1:], [command]]
        return found


class _Keyboard(io.TextIOWrapper):
    """Standard input at a terminal."""

    def __init__(self, typed: str) -> None:
        super().__init__(io.BytesIO(typed.encode()))

    def isatty(self) -> bool:
        return True


class _Browser(_Keyboard):
    """Standard input of a person who opens the address that was printed, and pastes where OpenAir sends the browser."""

    def __init__(self, pair: Pair, printed: io.StringIO) -> None:
        super().__init__("")
        self._pair = pair
        self._printed = printed

    def readline(self, _size: int = -1) -> str:
        (address,) = re.findall(r"^  (http\S+)$", self._printed.getvalue(), re.MULTILINE)
        return f"{browse(self._pair, address)}\n"


class Terminal:
    """Runs command lines in this process, in virtual time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, virtual_time: VirtualTime) -> None:
        self._monkeypatch = monkeypatch
        clock = WorkersClock(virtual_time)

        class Now:
            """Replaces `datetime` where a command asks for the time of an error."""

            now = staticmethod(lambda _zone: clock.now())

        def store(url: str, kek: object) -> Store:
            opened = Store(url, kek)  # type: ignore[arg-type]
            virtual_time.rule(opened)
            return opened

        def wait(stop: StopRequest, seconds: float) -> bool:
            virtual_time.go_on(seconds)
            return stop.is_set()

        monkeypatch.setattr(bootstrap, "SystemClock", lambda: clock)
        monkeypatch.setattr(bootstrap, "Store", store)
        monkeypatch.setattr(context, "datetime", Now)
        monkeypatch.setattr(StopRequest, "wait", wait)
        monkeypatch.setattr(bootstrap.log, "set_up", lambda *_: None)

    def type(self, line: str, given: str | Pair = "y\n") -> Printed:
        """Run a command line; ``given`` is typed at its questions, or it is whose OpenAir is asked for a consent."""
        out, err = io.StringIO(), io.StringIO()
        keyboard = _Keyboard(given) if isinstance(given, str) else _Browser(given, err)
        self._monkeypatch.setattr(sys, "stdin", keyboard)
        with redirect_stdout(out), redirect_stderr(err):
            exit_code = application.run(shlex.split(line)[1:])
        return Printed(line, exit_code, out.getvalue(), err.getvalue())


class Typist:
    """Types the printed commands for one connection, and gives what they ask for."""

    def __init__(self, terminal: Terminal, pair: Pair) -> None:
        self._terminal = terminal
        self._pair = pair
        self.typed: list[Printed] = []

    def __str__(self) -> str:
        return "\n".join(f"$ {each.line}\n{each.out}{each.err}[{each.exit_code}]" for each in self.typed)

    def type(self, line: str) -> Printed:
        """Type the line as it was printed, with what is asked for at its end; it must be accepted."""
        given: str | Pair = "y\n"
        if line == WORKER:
            line = "keyturn run-due"
        elif line.startswith("keyturn connection authorize "):
            line, given = f"{line} --paste", self._pair
        elif line.endswith("-file -"):
            given = self._secret(line.removesuffix("-file -").rpartition("--")[2])
        elif supplied := self._supplied.get(line.rpartition(" ")[2]):
            line = f"{line} {supplied}"
        printed = self._terminal.type(line, given)
        self.typed.append(printed)
        assert printed.exit_code in set(Exit) - {Exit.USAGE, Exit.NOT_FOUND}, printed
        assert "[INTERNAL_ERROR]" not in printed.err, printed
        return printed

    @property
    def _supplied(self) -> Mapping[str, str]:
        """What a person supplies where a printed command ends with the option."""
        known = self._pair.credentials
        return {
            "--fingerprint": str(self._pair.openair.settings.fingerprint),
            "--openair-url": known.openair_url,
            "--account": known.account,
            "--algorithm": "ec-p384",
        }

    def _secret(self, name: str) -> str:
        known = self._pair.credentials
        return {
            "netsuite-key": known.private_key_pem,
            "openair-api-key": known.api_key,
            "openair-client-secret": known.openair_client_secret,
            "openair-password": known.password,
        }[name]

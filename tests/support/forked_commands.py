"""Runs `keyturn` to its end in forks of a process that has imported it: importing is nine tenths of a command's time.

A fork runs the installed package's own entry point, with the arguments, environment, folder and streams of a process
that was started for it. What the interpreter reads before it runs a line of Keyturn cannot be given to it any more:
``is_possible`` names that, and such a command gets a process of its own. PROCESSES=new gives one to every command.
"""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import BinaryIO

from support.polling import WAIT_LIMIT

_STARTUP = ("LANG", "LANGUAGE", "LD_", "LC_", "MALLOC", "PYTHON")
"""Beginnings of the variables that the interpreter, or the C library, reads when it starts."""


class ForkedCommands:
    """The process that is forked, and the socket at which it takes commands."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="keyturn-forks-")
        self._address = f"{self._folder.name}/socket"
        self._environment = dict(os.environ)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self._address)
        listener.listen(16)
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("forked_commands_server.py"), str(listener.fileno())],
            cwd=self._folder.name,  # so that the installed package is imported, not the checkout
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
        )
        listener.close()  # so that a process that has ended refuses a connection, instead of keeping it waiting

    def is_possible(self, environment: Mapping[str, str]) -> bool:
        """Whether a fork is the same as a new process in ``environment``."""
        changed = {name for name, _ in self._environment.items() ^ environment.items()}
        return os.environ.get("PROCESSES") != "new" and not any(name.startswith(_STARTUP) for name in changed)

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str], given: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line ``arguments``, of which the first is the program, to its end.

        Raises:
            TimeoutError: It did not end within WAIT_LIMIT, and was killed.
        """
        order = json.dumps([list(arguments), dict(environment), str(Path.cwd())]).encode()
        with ExitStack() as stack:
            streams = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
            streams[0].write(given.encode())
            streams[0].seek(0)
            connection = stack.enter_context(socket.socket(socket.AF_UNIX))
            connection.connect(self._address)
            socket.send_fds(connection, [b"%10d" % len(order)], [stream.fileno() for stream in streams])
            connection.sendall(order)
            exit_code = _wait(connection)
            stdout, stderr = (_text(stream) for stream in streams[1:])
        return subprocess.CompletedProcess(arguments, exit_code, stdout, stderr)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()


def _wait(connection: socket.socket) -> int:
    """Return the exit code of the command that ``connection`` runs."""
    with connection.makefile("rb") as answers:
        connection.settimeout(WAIT_LIMIT)
        command = int(answers.read(10))
        try:
            return int(answers.read(10))
        except TimeoutError:
            os.kill(command, signal.SIGKILL)
            raise


def _text(stream: BinaryIO) -> str:
    stream.seek(0)
    return stream.read().decode()


@cache
def forked_commands() -> ForkedCommands:
    """This process's own, which ends with it."""
    commands = ForkedCommands()
    atexit.register(commands.close)
    return commands

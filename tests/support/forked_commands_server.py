"""The process that forked_commands.py forks: it imports all of Keyturn, then forks for each connection.

It starts no thread: a fork would have only the one that forks.
"""

import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import sys
import time

import orchestrator
import persistence
from orchestrator.cli import main

_LENGTH = 10
"""Digits of an order's length."""
_RUN_WHEN_IMPORTED = ("persistence.migrations", "orchestrator.cli.__main__")


def _import_all() -> None:
    """Import every module: which ones a command needs is its own affair."""
    for package in (orchestrator, persistence):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.startswith(_RUN_WHEN_IMPORTED):
                importlib.import_module(module.name)
    gc.collect()
    gc.freeze()


def _serve(listener: socket.socket) -> None:
    """Run the command of each connection, and answer with its exit code. Only a fork returns: to run one."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nothing waits for the forks below
    while True:
        connection, _ = listener.accept()
        if not os.fork():
            break
        connection.close()
    listener.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    length, streams, _, _ = socket.recv_fds(connection, _LENGTH, 3)
    with connection.makefile("rb") as reader:
        order = reader.read(int(length))
    command = os.fork()
    if command:
        connection.sendall(b"%*d" % (_LENGTH, command))
        _, status = os.waitpid(command, 0)
        connection.sendall(b"%*d" % (_LENGTH, os.waitstatus_to_exitcode(status)))
        os._exit(0)
    connection.close()
    _become(streams, *json.loads(order))


def _become(streams: list[int], arguments: list[str], environment: dict[str, str], folder: str) -> None:
    """Take over what a new process would have been given."""
    for descriptor, stream in enumerate(streams):
        os.dup2(stream, descriptor)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv = arguments


_import_all()
_serve(socket.socket(fileno=int(sys.argv[1])))
main()

"""No secret shows in a process: its command line, environment, temporary files, dump."""

import base64
import json
import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from acceptance.installed_keyturn import NAME, command
from security.known_secrets import Stage
from support.polling import WAIT_LIMIT, until

from simulator import Fault


def _environment(play: Stage) -> dict[str, str]:
    """The test's own, in which Python complains about everything; temporary files are kept together."""
    (play.folder / "temporary").mkdir(mode=0o700, exist_ok=True)
    talkative = {"PYTHONDEVMODE": "1", "PYTHONFAULTHANDLER": "1"}
    return {**os.environ, **talkative, "TMPDIR": str(play.folder / "temporary"), "KEYTURN_WORKER__LEASE": "1"}


def _look_at(play: Stage, pid: int) -> None:
    """What anybody sees of a process and its children, their command lines, and what their user sees: environments."""
    for each in (pid, *_children(pid)):
        with suppress(FileNotFoundError, ProcessLookupError):
            play.say(f"the command line of {each}", Path(f"/proc/{each}/cmdline").read_bytes())
            play.say(f"the environment of {each}", Path(f"/proc/{each}/environ").read_bytes())


def _children(pid: int) -> list[int]:
    return [int(status.parent.name) for status in Path("/proc").glob("[0-9]*/status") if _parent(status) == pid]


def _is_worker(pid: int) -> bool:
    """Whether it is a worker by now; a moment before, a child still is what its parent is."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().endswith(b"\0worker\0")
    return False


def _parent(status: Path) -> int:
    with suppress(OSError):  # it ended meanwhile
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("PPid:"))
    return 0


def _end(play: Stage, process: subprocess.Popen[str], how: signal.Signals) -> None:
    process.send_signal(how)
    out, err = process.communicate(timeout=WAIT_LIMIT)
    play.say(f"a process that ended by {how.name}", out + err)
    if how is signal.SIGABRT:
        assert "Fatal Python error" in err
        assert "in install" in err


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks at processes in /proc")
@pytest.mark.parametrize("how", [signal.SIGABRT, signal.SIGTERM, signal.SIGKILL])
def test_worker(play: Stage, how: signal.Signals) -> None:
    """A worker in the middle of an upload: its command line, environment and files; and its dump when it crashes."""
    play.simulator.faults.add(Fault("netsuite.restlet", "delay", action="install", when="before", seconds=2))
    play("rotate", NAME, "--detach")
    environment = _environment(play)
    worker = subprocess.Popen(
        command("worker"), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        until(lambda: not play.simulator.faults.pending())
        _look_at(play, worker.pid)
        play.look_at_the_database("the database in the middle of a step")
        _end(play, worker, how)
    finally:
        worker.kill()
        worker.communicate()
    play.assert_nothing_leaked(play.folder / "temporary")


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks at processes in /proc")
def test_demo(play: Stage) -> None:
    """The demo's workers do not inherit the key of their user; its folder and log contain no unsealed secret."""
    environment = {**_environment(play), "KEYTURN_KEK": base64.b64encode(os.urandom(32)).decode()}
    play.known.add("the user's own key", environment["KEYTURN_KEK"])
    words = command("demo", "--keep", "-o", "json")
    demo = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: any(_is_worker(child) for child in _children(demo.pid)))
        for child in filter(_is_worker, _children(demo.pid)):
            _look_at(play, child)
        out, err = demo.communicate(timeout=WAIT_LIMIT)
    finally:
        demo.kill()
        demo.communicate()
    play.say("the demo", out + err)
    folder = Path(json.loads(out)["folder"])
    play.monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(folder / "config"))
    play.monkeypatch.setenv("KEYTURN_DATA", str(folder / "data"))
    replace(play, folder=folder).assert_nothing_leaked(folder)


def test_simulator(play: Stage) -> None:
    """`keyturn simulator` prints where the stand-ins' secrets are, and none of them; files it makes go with it."""
    environment = _environment(play)
    words = command("simulator", "-o", "json", "--verbose")
    running = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert running.stdout
        reported = ""
        while not reported.endswith("}\n"):
            reported += running.stdout.readline()
        play.say("the simulator", reported)
        credentials = Path(next(iter(json.loads(reported)["credentials"].values())))
        for name, value in json.loads(credentials.read_text()).items():
            if name in ("openair_client_secret", "refresh_token", "password", "api_key"):
                play.known.add(name, value)
        play.known.add_key("the sign-in key", credentials.with_name("netsuite-key.pem").read_text())
        _look_at(play, running.pid)
        _end(play, running, signal.SIGTERM)
    finally:
        running.kill()
        running.communicate()
    assert [] == list((play.folder / "temporary").iterdir())
    play.assert_nothing_leaked()
